"""What is known to be true of a backup, as a row of shields: each one word, one sentence and the day it was proven."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lifecycle.encryption import recipients
from lifecycle.models import Backup
from lifecycle.proving import drills
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
    shown = list(backups)
    oldest = min((backup.operation_id for backup in shown), default=0)  # no restore of a backup is older than it
    rows = Operation.objects.filter(
        kind="restore", state=State.SUCCEEDED, id__gt=oldest, result__backup__in=[backup.pk for backup in shown]
    )
    return {row.result["backup"]: row for row in rows.order_by("id").defer("plan_text", "requirement")}


def shields_of(backup: Backup, restored_by: Operation | None = None) -> list[Shield]:
    """Complete, read through, restored: from the checks that were recorded, the newest of each level counting."""
    newest = {str(check["level"]): check for check in backup.checks}
    published = Shield(
        word="complete",
        state=PROVEN,
        at=backup.finished_at,
        sentence="Its signed manifest was published last, after every object was on disk.",
    )
    complete = _checked(
        newest.get("V0"),
        replace(published, sentence="Its stored bytes are those that were published."),
        published,
    )
    read = _checked(
        _read_through(backup),
        Shield(
            word="read through",
            state=PROVEN,
            sentence="Every byte was read back, unpacked and compared with the manifest.",
        ),
        Shield(word="not read through", state=MISSING, sentence="Nobody has read it back in full."),
    )
    restored = _checked(
        newest.get("V2"),
        _drilled(backup),
        Shield(
            word="never restored",
            state=MISSING,
            sentence="No drill has restored it yet, and only a restore proves a backup.",
        ),
    )
    if restored_by is not None and restored.state != BROKEN and not _is_later(restored.at, restored_by.finished_at):
        restored = Shield(
            word="restored",
            state=PROVEN,
            at=restored_by.finished_at,
            sentence=f"Operation {restored_by.pk} restored it, and its rows were counted before they went live.",
        )
    opens = [_opens(backup, read.at)] if backup.recipients else []
    return [_as_of_now(backup, shield) for shield in (complete, read, *opens, restored)]


def _opens(backup: Backup, at: datetime | None) -> Shield:
    """Whether it can still be decrypted here."""
    if keys := recipients.openers(backup.recipients):
        names = " and ".join(key.name for key in keys)
        return Shield(word="decrypts", state=PROVEN, at=at, sentence=f"It opens with the key {names} of this console.")
    return Shield(
        word="locked",
        state=MISSING,
        sentence="It is encrypted, and no key on this console opens it: whoever restores it hands one over.",
    )


def _as_of_now(backup: Backup, shield: Shield) -> Shield:
    """What was proven before the backup was found damaged is no longer proven."""
    damaged_at = backup.damaged_at if backup.state == Backup.State.BAD else None
    if shield.state != PROVEN or damaged_at is None or _is_later(shield.at, damaged_at):
        return shield
    return replace(shield, state=MISSING, sentence=f"{shield.sentence} That was before it was found damaged.")


def _read_through(backup: Backup) -> Mapping[str, Any] | None:
    """The newest check that read everything: V1, or a drill that held, for it reads every byte as well."""
    read = [check for check in backup.checks if check["level"] == "V1" or (check["level"] == "V2" and check["ok"])]
    return read[-1] if read else None


def _drilled(backup: Backup) -> Shield:
    """`restorable DATE`, with the time that restoring took."""
    measured = drills.measured_of(backup)
    if measured is None:  # nobody will ask for it: there is no V2 that held
        return Shield(word="restorable", state=PROVEN, sentence="A drill restored it.")
    return Shield(
        word=f"restorable {measured.at:%Y-%m-%d}",
        state=PROVEN,
        sentence=f"A drill restored it {measured.place}, and every row, sequence, definition and key "
        f"was equal; it restores in {drills.about(measured.seconds)}.",
    )


def _is_later(at: datetime | None, than: datetime | None) -> bool:
    return at is not None and than is not None and at > than


def _checked(check: Mapping[str, Any] | None, proven: Shield, missing: Shield) -> Shield:
    if check is None:
        return missing
    at = datetime.fromisoformat(str(check["at"]))
    if check.get("ok"):
        return replace(proven, at=at)
    return Shield(word="damaged", state=BROKEN, at=at, sentence=str(check.get("detail") or "The check failed."))
