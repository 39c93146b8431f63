"""Dated notes in a database's history, for what was changed by hand."""

from __future__ import annotations

from django.db import transaction

from opsconsole import audit, wording
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Database, DatabaseNote
from opsconsole.permissions import can

LONGEST = 4000  # characters


@transaction.atomic
def write_note(database: Database, text: str, *, account: Account | None) -> DatabaseNote:
    """Write a note; `account` is None at a shell without a token. Raises Usage or Refused."""
    text = text.strip()
    if not text or len(text) > LONGEST:
        raise Usage("bad_note", f"A note has between 1 and {LONGEST} characters.", "Say what was changed, and why.")
    wording.refuse_reordering(text, "The note")
    if account is not None and not can(account, "note", database):
        raise Refused(
            "not_allowed", f"Your role does not let you write notes about {database.name}.",
            f"Ask an engineer of {database.owner_group}.",
        )  # fmt: skip
    actor = audit.current()
    name = actor.name if account is not None else actor.key
    note = DatabaseNote.objects.create(database=database, author=account, author_name=name, at=now(), text=text)
    audit.record("database.noted", database=database, subject=f"note:{note.pk}", data={"note": note.pk, "text": text})
    return note
