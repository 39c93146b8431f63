"""Reading what deciding needs of a database's backups: one statement for each kind of fact, whatever their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Exists, Q

from lifecycle.backups import uses
from lifecycle.models import Backup, Hold, KeptCopy
from lifecycle.models.backups import PORTABLE, UNDATED
from lifecycle.retention.deciding import Candidate, Claim, Decision, decide
from lifecycle.retention.rule import Rule
from lifecycle.retention.rules import rule_for
from opsconsole.clock import now
from opsconsole.models import Database

COLUMNS = (
    "id", "operation_id", "started_at", "incarnation", "format", "part", "purpose", "state", "drilled_at",
    "stored_bytes", "damaged_at", "pinned_at", "pinned_until", "pin_reason", "pinned_by__person__name", "accepted_at",
    "trashed_at", "trash_until",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What a rule means for the backups of a database at one moment."""

    rule: Rule
    candidates: tuple[Candidate, ...]
    decisions: tuple[Decision, ...]

    def of(self, backup: int) -> Decision:
        """The decision on one backup. Raises KeyError for one that is not of this database, or is deleted."""
        return self._by_number[backup]

    @property
    def _by_number(self) -> dict[int, Decision]:
        return {decision.backup: decision for decision in self.decisions}


def outlook(database: Database, *, rule: Rule | None = None, most: int | None = None) -> Outlook:
    """What becomes of a database's backups, by the rule in force or by another one. Deleted ones are left out.

    Empty when there are more than `most`.
    """
    candidates, chosen = candidates_of(database, most=most), rule or rule_for(database)
    return Outlook(rule=chosen, candidates=candidates, decisions=tuple(decide(candidates, chosen, now())))


def candidates_of(database: Database, *, besides: int = 0, most: int | None = None) -> tuple[Candidate, ...]:
    """The backups of a database as values, the newest first; `besides` is an operation whose own use does not count.

    Empty when there are more than `most`.
    """
    found = Backup.objects.filter(database=database).exclude(state=Backup.State.EXPIRED).order_by()
    if most is not None and found.values("id")[most : most + 1].exists():  # before thousands are fetched for nothing
        return ()
    held_at_all = Exists(Hold.objects.filter(database=database, lifted_at=None))
    rows = list(found.annotate(held=held_at_all).values(*COLUMNS, "held"))
    used = uses.uses_of({row["id"]: row["operation_id"] for row in rows}, besides=besides)
    held = _holds(database) if any(row["held"] for row in rows) else defaultdict(list)
    lines = _lines(database) if len({row["incarnation"] for row in rows}) > 1 else {}
    values = (_candidate(row, [*used.get(row["id"], ()), *held[row["id"]], *held[0]], lines) for row in rows)
    return tuple(sorted(values, key=lambda candidate: candidate.order, reverse=True))


def _candidate(row: Mapping[str, object], claimed: Sequence[uses.Use | Claim], lines: Mapping[str, str]) -> Candidate:
    claims = [Claim(code=claim.code, words=claim.words, until=claim.until) for claim in claimed]
    incarnation = str(row["incarnation"])
    return Candidate(
        id=row["id"],  # type: ignore[arg-type]
        started_at=row["started_at"],  # type: ignore[arg-type]
        line=lines.get(incarnation, incarnation),
        format=str(row["format"]),
        part=str(row["part"]),
        complete=not row["part"] and row["format"] != PORTABLE,
        safety=row["purpose"] == Backup.Purpose.SAFETY,
        good=row["state"] == Backup.State.GOOD,
        dated=row["started_at"] != UNDATED,
        drilled=row["drilled_at"] is not None,
        size=row["stored_bytes"],  # type: ignore[arg-type]
        claims=(*_pin(row), *claims),
        accepted=row["accepted_at"] is not None,
        damaged_at=row["damaged_at"],  # type: ignore[arg-type]
        trashed_until=row["trash_until"] if row["trashed_at"] else None,  # type: ignore[arg-type]
    )


def _pin(row: Mapping[str, object]) -> list[Claim]:
    if row["pinned_at"] is None:
        return []
    until = row["pinned_until"]
    ends = f" until {until:%Y-%m-%d %H:%M} UTC" if until else ""
    words = f"{row['pinned_by__person__name']} pinned it{ends}: {row['pin_reason']}"
    return [Claim(code="pin", words=words, until=until)]  # type: ignore[arg-type]


def _holds(database: Database) -> Mapping[int, list[Claim]]:
    """By the number of a backup, the legal holds on it; under 0 those on all of the database's backups."""
    found: dict[int, list[Claim]] = defaultdict(list)
    rows = Hold.objects.filter(database=database, lifted_at=None).order_by("id")
    for row in rows.filter(Q(until=None) | Q(until__gt=now())):
        ends = f" until {row.until:%Y-%m-%d %H:%M} UTC" if row.until else ""
        where = "" if row.backup_id else " on all backups of the database"
        claim = Claim(code="hold", words=f"a legal hold{where}{ends}: {row.reason}", until=row.until)
        found[row.backup_id or 0].append(claim)
    return found


def _lines(database: Database) -> Mapping[str, str]:
    """By incarnation, the one that its line began with: what a restore of ours made live goes on in the old line."""
    rows = KeptCopy.objects.filter(database=database).exclude(incarnation="").exclude(live_incarnation="")
    first: dict[str, str] = {}
    for before, after in rows.order_by("id").values_list("incarnation", "live_incarnation"):
        line = first.get(before, before)
        old = first.get(after, after)
        first |= {each: line for each, held in first.items() if held == old} | {before: line, after: line}
    return first
