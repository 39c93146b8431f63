"""What another rule would do, and what the present one will do in the days to come. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lifecycle.retention.deciding import Candidate, Decision, Fate, decide
from lifecycle.retention.facts import Outlook, candidates_of
from lifecycle.retention.rule import Rule
from lifecycle.retention.rules import rule_for
from opsconsole.clock import now
from opsconsole.models import Database

DAYS = 30
FEW = 2_000  # with more backups than this nobody waits for thirty days to be worked out
OFTENEST = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One backup under the rule in force and under the other one."""

    backup: Candidate
    before: Decision
    after: Decision

    @property
    def changes(self) -> bool:
        return self.before.fate != self.after.fate


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """What a rule would do to one database's backups now. Those in the trash are left out."""

    database: Database
    lines: tuple[Line, ...]

    @property
    def going(self) -> tuple[Line, ...]:
        """Those that would go."""
        return tuple(line for line in self.lines if line.after.fate == Fate.GOING)

    @property
    def kept(self) -> int:
        return len(self.lines) - len(self.going)

    @property
    def freed(self) -> int:
        """Bytes that would be free once the trash is empty."""
        return sum(line.backup.size for line in self.going)

    @property
    def too_many(self) -> bool:
        """Whether another person would have to agree first, because more than half would go."""
        return len(self.going) * 2 > len(self.lines)


@dataclass(frozen=True, kw_only=True)
class Coming:
    """One backup that goes in the days to come: when, and why by then."""

    backup: Candidate
    at: datetime
    decision: Decision


def simulate(database: Database, rule: Rule) -> Simulation:
    """The backups of a database that are there, under its own rule and under another one, the newest first."""
    candidates, at = candidates_of(database), now()
    before, after = decide(candidates, rule_for(database), at), decide(candidates, rule, at)
    lines = (
        Line(backup=each, before=was, after=becomes)
        for each, was, becomes in zip(candidates, before, after, strict=True)
    )
    return Simulation(database=database, lines=tuple(line for line in lines if line.backup.present))


def coming(outlook: Outlook, at: datetime, days: int = DAYS) -> list[Coming]:
    """Which backups go within so many days, day by day, if new ones go on being taken as they were lately.

    Holds, pins and uses are taken as they stand, with their ends.
    """
    if len(outlook.candidates) > FEW:
        return []
    seen = {decision.backup for decision in outlook.decisions if decision.fate != Fate.KEPT}
    real = {candidate.id: candidate for candidate in outlook.candidates}
    to_come, found = expected(outlook.candidates, at, days), list[Coming]()
    for day in range(1, days + 1):
        then = at + timedelta(days=day)
        there = [candidate for candidate in outlook.candidates if candidate.id not in seen]
        taken = [candidate for candidate in to_come if candidate.started_at <= then]
        for decision in decide([*there, *taken], outlook.rule, then):
            if decision.fate == Fate.GOING and decision.backup in real:
                seen.add(decision.backup)
                found.append(Coming(backup=real[decision.backup], at=then, decision=decision))
    return found


def expected(candidates: Sequence[Candidate], at: datetime, days: int) -> list[Candidate]:
    """Backups that will have been taken by then, in the rhythm of the last thirty days; none without a rhythm.

    Their numbers are negative.
    """
    found: list[Candidate] = []
    usual = [each for each in candidates if each.present and each.good and not each.safety and each.started_at <= at]
    newest = max(usual, key=lambda each: each.order, default=None)
    for format in sorted({each.format for each in usual if newest and each.line == newest.line}):
        mine = [each for each in usual if newest and (each.line, each.format) == (newest.line, format)]
        lately = sorted(each.started_at for each in mine if each.started_at > at - timedelta(days=DAYS))
        if len(lately) < 2:
            continue
        rhythm = max((lately[-1] - lately[0]) / (len(lately) - 1), OFTENEST)
        if at - lately[-1] > 2 * rhythm + timedelta(days=2):
            continue
        next_at = lately[-1] + rhythm
        while next_at <= at + timedelta(days=days):
            one = replace(mine[0], id=-len(found) - 1, started_at=next_at, drilled=False, claims=(), size=0)
            found.append(one)
            next_at += rhythm
    return found


def rhythm_of(outlook: Outlook, at: datetime) -> str:
    """What `coming` takes for granted, in words."""
    per = len(expected(outlook.candidates, at, DAYS))
    if not per:
        return "No backup was taken regularly so far, so only what ends by itself lets any go"
    return f"If backups go on being taken as in the last {DAYS} days, about {per} more come in the next {DAYS}"
