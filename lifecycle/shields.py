"""What is known to be true of a backup, as a row of shields: each one word, one sentence and the day it was proven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lifecycle.models import Backup
from opsconsole.models import Operation
from opsconsole.states import State

PROVEN, MISSING, BROKEN = "proven", "missing", "broken"


@dataclass(frozen=True, kw_only=True)
class Shield:
    """One claim. `state` is proven, missing (nobody has tried) or broken (somebody tried and it failed)."""

    word: str
    state: str
    sentence: str
    at: datetime | None = None

    @property
    def colour(self) -> str:
        return {PROVEN: "green", MISSING: "grey", BROKEN: "red"}[self.state]

    @property
    def icon(self) -> str:
        return {PROVEN: "verified_user", MISSING: "shield", BROKEN: "gpp_bad"}[self.state]


def restores_of(backups: Iterable[Backup]) -> dict[int, Operation]:
    """By backup, the newest operation that restored it: its rows were counted before they went live."""
    wanted = [backup.pk for backup in backups]
    rows = Operation.objects.filter(kind="restore", state=State.SUCCEEDED, result__backup__in=wanted)
    return {row.result["backup"]: row for row in rows.order_by("id").defer("plan_text", "requirement")}


def shields_of(backup: Backup, restored_by: Operation | None = None) -> list[Shield]:
    """Complete, read through, restored: from the checks that were recorded, the newest of each level counting."""
    newest = {str(check["level"]): check for check in backup.checks}
    complete = Shield(
        word="complete",
        state=PROVEN,
        at=backup.finished_at,
        sentence="Its signed manifest was published last, after every object was on disk.",
    )
    read = _checked(
        newest.get("V1"),
        Shield(
            word="read through",
            state=PROVEN,
            sentence="Every byte was read back, unpacked and compared with the manifest.",
        ),
        Shield(word="not read through", state=MISSING, sentence="Nobody has read it back in full."),
    )
    restored = _checked(
        newest.get("V2"),
        Shield(
            word="restorable",
            state=PROVEN,
            sentence="It was restored into a scratch database and its rows were compared.",
        ),
        Shield(
            word="never restored",
            state=MISSING,
            sentence="No drill has restored it yet, and only a restore proves a backup.",
        ),
    )
    if restored_by is not None and restored.state != BROKEN:
        restored = Shield(
            word="restored",
            state=PROVEN,
            at=restored_by.finished_at,
            sentence=f"Operation {restored_by.pk} restored it, and its rows were counted before they went live.",
        )
    return [complete, read, restored]


def _checked(check: Mapping[str, Any] | None, proven: Shield, missing: Shield) -> Shield:
    if check is None:
        return missing
    at = datetime.fromisoformat(str(check["at"]))
    if check.get("ok"):
        return replace(proven, at=at)
    return Shield(word="damaged", state=BROKEN, at=at, sentence=str(check.get("detail") or "The check failed."))
