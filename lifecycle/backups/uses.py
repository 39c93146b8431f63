"""What is being done with a backup now, or may be done at any moment, so that it must stay. The one place that says so.

A backup is used by every operation that is open and names it in its plan (a restore, a verification, an undo with it,
a change request about it), by the operation that took it until that has ended, by an undo that is still possible, and
by a download that was granted and not begun.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import CharField, F, Value
from django.db.models.functions import Cast

from lifecycle.models import Backup, DownloadGrant, KeptCopy
from opsconsole import kinds
from opsconsole.clock import now
from opsconsole.exceptions import Refused
from opsconsole.models import Operation
from opsconsole.plans import Plan
from opsconsole.row_numbers import row_number
from opsconsole.states import OPEN

BINDING = frozenset({"backup", "manifest"})  # probes whose subject is the number of a backup, or NUMBER/STORE


@dataclass(frozen=True, kw_only=True)
class Use:
    """`words` say who uses it and what for; `until` is when that ends by itself (None: with an operation)."""

    words: str
    code: str = "use"
    until: datetime | None = None


def uses_of(taken_by: Mapping[int, int], *, besides: int = 0) -> dict[int, list[Use]]:
    """By backup, everything that uses it now. `taken_by` holds the backups that are asked about: number to operation.

    `besides` is an operation whose own use does not count.
    """
    found: dict[int, list[Use]] = defaultdict(list)
    opened = _opened(besides)
    for number, use in (*_named(taken_by, opened), *_made(taken_by, opened), *_promised(taken_by)):
        found[number].append(use)
    return found


def refuse_absent(backup: Backup) -> None:
    """Raise Refused when a backup is in the trash, or deleted: nothing is done with it then."""
    if backup.state == Backup.State.EXPIRED:
        when = f" on {backup.expired_at:%Y-%m-%d}" if backup.expired_at else ""
        raise Refused(
            "backup_deleted",
            f"Backup {backup.id} was deleted{when}: {backup.trash_reason or 'only its record is left'}.",
            "Choose another backup.",
        )
    if backup.trashed_at is not None:
        until = f" until {backup.trash_until:%Y-%m-%d %H:%M} UTC" if backup.trash_until else ""
        raise Refused(
            "backup_in_trash",
            f"Backup {backup.id} is in the trash{until}: {backup.trash_reason}.",
            f"Take it out of the trash on its page ({backup.get_absolute_url()}), or choose another backup.",
        )


def named_in(plan: Plan) -> set[int]:
    """The numbers of the backups that a plan is about."""
    named = {str(plan.parameters.get("backup", ""))}
    named |= {each.subject.partition("/")[0] for each in plan.preconditions if each.probe in BINDING}
    return {row_number(text) for text in named} - {0}


def _opened(besides: int) -> list[Operation]:
    """Every open operation, asked for state by state: of all at once, a planner would read a million rows for them."""
    first, *others = (Operation.objects.filter(state=state).order_by() for state in sorted(OPEN))
    return sorted((row for row in first.union(*others, all=True) if row.pk != besides), key=lambda row: row.pk)


def _named(taken_by: Mapping[int, int], opened: Sequence[Operation]) -> Iterator[tuple[int, Use]]:
    for row in opened:
        for number in sorted(named_in(row.plan) & taken_by.keys()):
            what = kinds.noun(row.kind) if row.kind != "change" else "a request"
            yield number, Use(words=f"operation {row.pk} ({what}, {row.face.word}) is about it")


def _made(taken_by: Mapping[int, int], opened: Sequence[Operation]) -> Iterator[tuple[int, Use]]:
    open_ones = {row.pk for row in opened}
    for number, operation in taken_by.items():
        if operation in open_ones:
            yield number, Use(words=f"operation {operation}, which took it, has not ended")


def _promised(taken_by: Mapping[int, int]) -> Iterator[tuple[int, Use]]:
    """Undos that are possible and downloads that were granted, in one statement."""
    at = now()
    undos = KeptCopy.objects.filter(state=KeptCopy.State.KEPT, expires_at__gt=at).exclude(backup=None)
    grants = DownloadGrant.objects.filter(used_at=None, expires_at__gt=at).exclude(backup=None)
    columns = ("backup_id", "what", "who", "expires_at")
    told = undos.annotate(what=Value("undo", CharField()), who=Cast("operation_id", CharField())).values_list(*columns)
    more = grants.annotate(what=Value("", CharField()), who=F("account__person__name")).values_list(*columns)
    for number, what, who, until in told.order_by().union(more.order_by(), all=True):
        if number not in taken_by:
            continue
        if what:
            words = f"operation {who} can be undone with it until {until:%Y-%m-%d %H:%M} UTC"
            yield number, Use(code=what, words=words, until=until)
        else:
            yield number, Use(words=f"{who} may download it until {until:%H:%M} UTC", until=until)
