"""Which backups of a database stay and which may go, and why: a pure function of its backups, a rule and a moment.

A backup goes only when nothing at all speaks for it. What speaks for one: the rule; that it is the last good one; a
pin, a legal hold, an operation that uses it; of a safety backup, its window and an undo that needs it. Reasons are
found independently of each other, so each backup tells all of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from lifecycle.retention.rule import PERIODS, Rule, period_of, words_of

SAFETY_WINDOW = timedelta(days=7)  # how long a safety backup stays when nobody accepts what came after it
DAMAGED_WINDOW = timedelta(days=30)  # how long a damaged backup stays to be looked at
AHEAD = timedelta(hours=1)  # beyond this a backup was taken by a clock that has been set back since
SHARE = 0.5  # more than this part of a database's backups never goes at once


class Fate(StrEnum):
    KEPT = "kept"
    GOING = "going"
    TRASHED = "trashed"  # in the trash already, and deleted when its time is over
    EXPIRED = "expired"  # deleted


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Something outside the rule that keeps a backup: `code` is pin, hold, use, undo; `words` say what and by whom."""

    code: str
    words: str
    until: datetime | None = None  # None: until somebody ends it

    def holds(self, at: datetime) -> bool:
        return self.until is None or self.until > at


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One backup as far as deciding needs it. Times are those of the console's database."""

    id: int
    started_at: datetime
    line: str = ""  # which incarnation of the target it is of; what our own restores made goes on in the same line
    format: str = "native"
    part: str = ""  # what it leaves out, in words; each choice of tables counts for itself
    complete: bool = True  # it brings the whole database back: schema and every table
    safety: bool = False
    good: bool = True  # False: found damaged
    dated: bool = True  # False: nobody knows when it was taken, and it counts as the oldest
    drilled: bool = False  # a drill of it held (V2); every listed backup was read through (V1)
    size: int = 0
    claims: tuple[Claim, ...] = ()
    accepted: bool = False  # of a safety backup: somebody said that what came after it is good
    damaged_at: datetime | None = None
    trashed_until: datetime | None = None
    expired: bool = False

    @property
    def present(self) -> bool:
        return self.trashed_until is None and not self.expired

    @property
    def order(self) -> tuple[datetime, int]:
        """Newer ones are larger; of two at the same moment, the one that was listed later."""
        return self.started_at, self.id


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a backup stays or goes: `code` for machines, `words` as they stand in a sentence."""

    code: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What becomes of one backup."""

    backup: int
    fate: Fate
    reasons: tuple[Reason, ...]
    size: int = 0

    @property
    def sentence(self) -> str:
        """`Stays: it is the last good backup; it is one of the last 3.`"""
        verb = {Fate.KEPT: "Stays", Fate.GOING: "Goes", Fate.TRASHED: "In the trash", Fate.EXPIRED: "Deleted"}
        return f"{verb[self.fate]}: {'; '.join(reason.words for reason in self.reasons)}."

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(reason.code for reason in self.reasons)


def decide(backups: Sequence[Candidate], rule: Rule, at: datetime) -> list[Decision]:
    """The fate of each backup of one database, in the order given."""
    present = [backup for backup in backups if backup.present]
    by_rule = _kept_by_rule(present, rule, at)
    last_good = _last_good(present)
    any_good = any(backup.good for backup in present)
    any_complete = any(backup.good and backup.complete for backup in present)
    found = []
    for backup in backups:
        if not backup.present:
            alone = not (any_complete if backup.complete else any_good)
            found.append(_gone(backup, rescued=backup.good and alone))
            continue
        reasons = [
            *last_good.get(backup.id, ()),
            *(Reason(code=claim.code, words=claim.words) for claim in backup.claims if claim.holds(at)),
            *_windows(backup, at, any_good=any_good),
            *by_rule.get(backup.id, ()),
        ]
        fate = Fate.KEPT if reasons else Fate.GOING
        found.append(
            Decision(
                backup=backup.id, fate=fate, reasons=tuple(reasons) or (_why_it_goes(backup, rule),), size=backup.size
            )
        )
    return found


def too_many(decisions: Iterable[Decision]) -> str:
    """Why none may go at once although some would: more than half of what is there. Empty when they may."""
    found = list(decisions)
    going = sum(1 for decision in found if decision.fate == Fate.GOING)
    there = going + sum(1 for decision in found if decision.fate == Fate.KEPT)
    if going <= there * SHARE:
        return ""
    return f"{going} of {there} backups would go at once, which is more than half, so none does."


def last_good_of(backups: Iterable[Candidate]) -> frozenset[int]:
    """The numbers of those that are never deleted because they are the last good ones."""
    return frozenset(_last_good([backup for backup in backups if backup.present]))


def _last_good(present: Sequence[Candidate]) -> dict[int, list[Reason]]:
    """The newest good backup, and the newest that a drill restored; a damaged one is neither.

    One that brings the whole database back comes before any other, and what somebody asked for before a safety backup,
    which holds what was replaced.
    """
    complete = [backup for backup in present if backup.good and backup.complete]
    good = sorted(
        complete or [backup for backup in present if backup.good], key=lambda backup: backup.order, reverse=True
    )
    found: dict[int, list[Reason]] = defaultdict(list)
    newest = next((backup for backup in good if not backup.safety), good[0] if good else None)
    drilled = next((backup for backup in good if backup.drilled), None)
    if newest is not None:
        found[newest.id].append(Reason(code="last_good", words="it is the last good backup of its database"))
    if drilled is not None:
        found[drilled.id].append(Reason(code="last_drilled", words="it is the last one that a drill has restored"))
    return found


def _kept_by_rule(present: Sequence[Candidate], rule: Rule, at: datetime) -> dict[int, list[Reason]]:
    """Reasons by backup. Each line, format and choice of tables has numbers of its own: none pushes another out.

    Safety backups, damaged ones, those from the future and those of which nobody knows the time fill no place.
    """
    found: dict[int, list[Reason]] = defaultdict(list)
    if rule.keeps_all:
        return {backup.id: [Reason(code="rule", words="the rule keeps every backup")] for backup in present}
    groups: dict[tuple[str, str, str], list[Candidate]] = defaultdict(list)
    for backup in present:
        if backup.good and not backup.safety and backup.dated and backup.started_at <= at + AHEAD:
            groups[backup.line, backup.format, backup.part].append(backup)
    for group in groups.values():
        newest_first = sorted(group, key=lambda backup: backup.order, reverse=True)
        for backup in newest_first[: rule.last]:
            words = "it is the last one" if rule.last == 1 else f"it is one of the last {rule.last}"
            found[backup.id].append(Reason(code="last", words=words))
        for name in PERIODS:
            _fill(newest_first, name, rule, found)
    return found


def _fill(newest_first: Sequence[Candidate], name: str, rule: Rule, found: dict[int, list[Reason]]) -> None:
    """The newest of each period, until the rule's number of periods is full."""
    zone, seen = ZoneInfo(rule.time_zone), set[tuple[object, ...]]()
    for backup in newest_first if getattr(rule, name) else ():
        period = period_of(name, backup.started_at, zone)
        if period in seen:
            continue
        if len(seen) == getattr(rule, name):
            return
        seen.add(period)
        words = f"it is the newest of {words_of(name, backup.started_at, zone)}"
        found[backup.id].append(Reason(code=name, words=words))


def _windows(backup: Candidate, at: datetime, *, any_good: bool) -> list[Reason]:
    """What keeps a safety backup, a damaged one and one from the future for a while, and one without a time."""
    if backup.started_at > at + AHEAD:
        return [Reason(code="ahead", words="it was taken at a time that is still to come by today's clock")]
    if not backup.good:
        return _damaged(backup, at, any_good=any_good)
    if not backup.dated:
        return [Reason(code="undated", words="nobody knows when it was taken, so no rule judges it")]
    ends = backup.started_at + SAFETY_WINDOW
    if backup.safety and not backup.accepted and ends > at:
        words = f"it is the way back of its operation until {ends:%Y-%m-%d %H:%M} UTC, or until that is accepted"
        return [Reason(code="safety", words=words)]
    return []


def _damaged(backup: Candidate, at: datetime, *, any_good: bool) -> list[Reason]:
    if not any_good:
        return [Reason(code="damaged", words="it is damaged, but there is no good one")]
    ends = (backup.damaged_at or at) + DAMAGED_WINDOW
    if ends <= at:
        return []
    return [Reason(code="damaged", words=f"it is damaged, and stays to be looked at until {ends:%Y-%m-%d}")]


def _why_it_goes(backup: Candidate, rule: Rule) -> Reason:
    if not backup.good:
        return Reason(code="damaged", words="it was found damaged, and nobody has called it good again")
    if backup.safety:
        over = "what came after it was accepted" if backup.accepted else "its time as the way back is over"
        return Reason(code="safety", words=f"it is a safety backup, and {over}")
    names = [f"{getattr(rule, name)} {name}" for name in PERIODS if getattr(rule, name)]
    places = [*([f"the last {rule.last}"] if rule.last else []), *(f"the {name}" for name in names)]
    filled = f"newer ones fill {' and '.join([', '.join(places[:-1]), places[-1]] if places[1:] else places)}"
    return Reason(code="rule", words=filled if places else "no rule keeps it")


def _gone(backup: Candidate, *, rescued: bool) -> Decision:
    """One in the trash, or deleted."""
    if backup.expired or backup.trashed_until is None:
        reason, fate = Reason(code="expired", words="only this record of it is left"), Fate.EXPIRED
    elif rescued:
        reason = Reason(code="last_good", words="no other good backup is left, so it is not deleted but brought back")
        fate = Fate.TRASHED
    else:
        reason, fate = Reason(code="trash", words=f"until {backup.trashed_until:%Y-%m-%d %H:%M} UTC"), Fate.TRASHED
    return Decision(backup=backup.id, fate=fate, reasons=(reason,), size=backup.size)
