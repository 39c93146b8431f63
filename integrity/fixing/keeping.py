"""What a fix changed, kept in the managed database under a key of its own, and let go of when its time is over.

The key of each fix is stored here, encrypted as every stored secret is, so that a rotation of the console's key takes
it along; erasing it makes what is kept unreadable at once.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from integrity.models import Fix
from opsconsole import audit
from opsconsole.ciphers import field_cipher
from opsconsole.clock import now
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine, TargetBusy
from opsconsole.engines.fixing import Fixing, Image, Kept, Key
from opsconsole.engines.inquiry import AskFailed, Inquiry
from opsconsole.exceptions import FenceLost, OpsError
from opsconsole.instance import instance_id
from opsconsole.kinds import Run
from opsconsole.models import Database, Operation
from opsconsole.secrets import FieldCipher, new_secret
from opsconsole.states import HELD_BY_WORKER, OPEN, TERMINAL, State

log = logging.getLogger(__name__)
PAUSE = timedelta(minutes=5)  # after a failure
AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Before:
    """A row as it was before a fix. `after` is the digest of what the fix made of it, "" when it deleted it.

    `shape` are the columns of its table and their types, as they were, and `unmet` the foreign keys along which it
    referred to nothing.
    """

    table: str
    shape: tuple[tuple[str, str], ...]
    image: Image
    after: str
    unmet: tuple[str, ...] = ()

    def to_text(self) -> str:
        raw = {
            "table": self.table, "shape": [list(each) for each in self.shape], "key": list(self.image.key),
            "content": base64.b64encode(self.image.content).decode(), "after": self.after,
            "unmet": list(self.unmet),
        }  # fmt: skip
        return json.dumps(raw)

    @classmethod
    def from_text(cls, text: str) -> Before:
        raw = json.loads(text)
        key: Key = tuple(raw["key"])
        return cls(
            table=raw["table"],
            shape=tuple((name, kind) for name, kind in raw["shape"]),
            image=Image(key=key, content=base64.b64decode(raw["content"])),
            after=raw["after"],
            unmet=tuple(raw["unmet"]),
        )


def begin(run: Run, *, home: str, rows: int) -> FieldCipher:
    """List a fix that is about to be done, and make its key. Raises FenceLost."""
    with transaction.atomic():
        held = Operation.objects.select_for_update(of=("self",)).filter(
            pk=run.operation_id, fence=run.fence, state__in=HELD_BY_WORKER
        )
        if held.first() is None:
            raise FenceLost("fence_lost", f"Operation {run.operation_id} is no longer held under fence {run.fence}.")
        key, at = new_secret(fernet=True), now()
        Fix.objects.filter(pk=run.operation_id, state=Fix.State.BEGUN).delete()
        Fix.objects.create(
            operation_id=run.operation_id, database=run.database(), home=home, rows=rows, begun_at=at,
            key_sealed=field_cipher().seal(key), expires_at=at + timedelta(hours=settings.FIX_UNDO_HOURS),
        )  # fmt: skip
    return FieldCipher([key])


def keep(operation_id: int) -> Fix | None:
    """Say that a fix was committed, once; None when it changed no rows."""
    with transaction.atomic():
        begun = Fix.objects.filter(pk=operation_id, state=Fix.State.BEGUN)
        if begun.update(state=Fix.State.KEPT):
            row = Fix.objects.select_related("operation", "database").get(pk=operation_id)
            told = {"fix": row.pk, "rows": row.rows, "expires_at": row.expires_at.isoformat()}
            audit.record("fix.kept", operation=row.operation, database=row.database, subject=str(row), data=told)
    return Fix.objects.filter(pk=operation_id).first()


def abandon(operation_id: int) -> None:
    """Forget a fix that was not committed."""
    Fix.objects.filter(pk=operation_id, state=Fix.State.BEGUN).delete()


def undone(fix_id: int, operation_id: int) -> None:
    """Say that a fix was taken back, once: its key goes."""
    kept = Fix.objects.filter(pk=fix_id, state=Fix.State.KEPT)
    kept.update(state=Fix.State.UNDONE, undone_by_id=operation_id, ended_at=now(), key_sealed="")


def cipher_of(row: Fix) -> FieldCipher:
    """What reads that which is kept. Raises OpsError."""
    return FieldCipher([field_cipher().open(row.key_sealed)])


def put(fixing: Fixing, cipher: FieldCipher, operation_id: int, part: int, place: int, rows: list[Before]) -> None:
    """Keep rows of one part, numbered from `place` on."""
    kept = [Kept(part=part, place=place + number, sealed=cipher.seal(row.to_text())) for number, row in enumerate(rows)]
    fixing.keep(operation_id, kept)


def read(inquiry: Inquiry, engine: Engine, row: Fix) -> Iterator[tuple[int, list[Before]]]:
    """What is kept, some rows of one part (by its number) at a time, the last part first.

    Raises AskFailed and OpsError.
    """
    table, cipher = engine.wording.kept_in(row.home), cipher_of(row)
    if not all(ours for (ours,) in inquiry.ask(engine.wording.is_ours(row.home))):
        raise AskFailed(f"somebody put something else in the place of {table}")
    parts = inquiry.ask(f"SELECT DISTINCT part FROM {table} WHERE operation = {int(row.pk)} ORDER BY part DESC")
    for (part,) in parts:
        last = -1
        while found := inquiry.ask(
            f"SELECT place, sealed FROM {table} WHERE operation = {int(row.pk)} AND part = {int(part)}"
            f" AND place > {last} ORDER BY place LIMIT {AT_ONCE}"
        ):
            last = int(found[-1][0])
            yield int(part), [Before.from_text(cipher.open(sealed)) for _, sealed in found]


def drop_expired() -> int:
    """Let go of what has been kept long enough, and settle what no run could; gives back how many.

    An undo that was asked for in time keeps it until it has ended. The key goes first.
    """
    at = now()
    for row in Fix.objects.filter(state=Fix.State.BEGUN, operation__state__in=TERMINAL).select_related("operation"):
        keep(row.pk) if row.operation.state == State.SUCCEEDED else abandon(row.pk)
    wanted = {_undoes(each) for each in Operation.objects.filter(kind="unfix", state__in=OPEN)}
    due = Fix.objects.filter(state=Fix.State.KEPT, expires_at__lte=at).exclude(pk__in=wanted)
    due = due.filter(Q(tried_at=None) | Q(tried_at__lte=at - PAUSE)).select_related("database")
    return sum(_drop(row) for row in due.order_by("pk")[:5])


def _undoes(operation: Operation) -> int:
    return int(operation.plan.parameters["fix"])


def _drop(row: Fix) -> bool:
    Fix.objects.filter(pk=row.pk).update(key_sealed="", tried_at=now())
    try:
        _remove(row.database, row)
    except TargetBusy:
        return False
    except OpsError as error:
        log.warning("What fix %s has kept is unreadable now, and could not be removed yet: %s", row.pk, error)
        return False
    with transaction.atomic():
        if not Fix.objects.filter(pk=row.pk, state=Fix.State.KEPT).update(state=Fix.State.DROPPED, ended_at=now()):
            return False
        told: Mapping[str, Any] = {"fix": row.pk, "rows": row.rows}
        audit.record("fix.dropped", database=row.database, subject=f"fix {row.pk}", data=told)
    return True


def _remove(database: Database, row: Fix) -> None:
    engine = engine_for(database, session_label=f"opsconsole/{instance_id()}/fix/{row.pk}")
    with engine.hold(), engine.fixing((), home=row.home) as fixing:
        fixing.forget(row.pk)
        fixing.commit()
