"""Whether the home and the store of this host are those of the console whose database it works with.

Several hosts work for one console when each has a copy of its keys and sees its store. A host with keys of its own
would sign what nobody else can check, and its sessions in targets would look like another console's; one whose store
is not mounted would put backups where nobody finds them. Both are refused before anything is done.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.conf import settings

from opsconsole.exceptions import Refused
from opsconsole.instance import instance_id
from opsconsole.models import Installation

MARK = ".console"  # the file in a store that holds the instance of its console


def require_own() -> None:
    """Raises Refused("foreign_home", "foreign_store" or "store_missing"). The first host to ask is the console's."""
    row = Installation.objects.get_or_create(pk=1, defaults={"instance": instance_id()})[0]
    if row.instance != instance_id():
        raise Refused(
            "foreign_home",
            f"The keys in {settings.OPSCONSOLE_HOME / 'keys'} are not those of the console whose database this is.",
            "Copy the folder keys from the home of the console's first host to this one, or look at DATABASE_URL.",
        )
    marked = _mark_in(settings.OPSCONSOLE_STORE)
    if marked == row.instance:
        return
    if marked:
        raise Refused(
            "foreign_store",
            f"The store {settings.OPSCONSOLE_STORE} belongs to another console ({marked}).",
            "Give every console a store of its own (OPSCONSOLE_STORE).",
        )
    if row.has_store:
        raise Refused(
            "store_missing",
            f"The store of this console is not at {settings.OPSCONSOLE_STORE}: the file {MARK} is not there.",
            f"Mount it there. If it is lost and this is its new place, write {row.instance} into that file.",
        )
    _put_mark(settings.OPSCONSOLE_STORE, row.instance)
    Installation.objects.filter(pk=1).update(has_store=True)


def _mark_in(store: Path) -> str:
    try:
        return (store / MARK).read_text(errors="replace").strip()
    except FileNotFoundError:
        return ""


def _put_mark(store: Path, text: str) -> None:
    """Make the whole file appear at once; another process of this console may be doing the same."""
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = store / f"{MARK}.{secrets.token_hex(8)}"
    fresh.touch(mode=0o600)
    fresh.write_text(text + "\n")
    try:
        os.link(fresh, store / MARK)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
