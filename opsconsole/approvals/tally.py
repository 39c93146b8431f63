"""Who has agreed and who is missing: distinct persons matched to seats. Reads rows, writes none."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from opsconsole.approvals.asking import one_person_more, requirement_of
from opsconsole.approvals.requirement import Clause, Requirement
from opsconsole.approvals.templates import Standing, outside, standing_of
from opsconsole.approvals.voters import askers, deadline_of, doubts, fits, roles_by_person, who_may
from opsconsole.models import Operation, Person, Schedule, Vote
from opsconsole.plans import Plan

Voter = TypeVar("Voter", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Seat:
    """One of the people that an operation needs; empty while `person` is None."""

    clause: Clause
    person: Person | None = None
    vote: Vote | None = None


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """The newest vote of one person, and why it does not count (`doubts` is empty when it does)."""

    vote: Vote
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How an operation stands. `missing` says in words who is still needed; `deadline` is when all of it lapses.

    `standing` is the schedule's approval that carries the run, where one does; the votes are then those on its change.
    """

    requirement: Requirement
    seats: tuple[Seat, ...] = ()
    ballots: tuple[Ballot, ...] = ()
    satisfied: bool = False
    vetoed: bool = False
    missing: tuple[str, ...] = ()
    deadline: datetime | None = None
    standing: Standing | None = None

    @property
    def votes(self) -> tuple[Vote, ...]:
        """The votes that sit on a seat."""
        return tuple(seat.vote for seat in self.seats if seat.vote)


def tally(operation: Operation, *, at: datetime) -> Tally:
    """Count the votes on the operation's digest as of `at`, with people, roles and policies as they are now."""
    requirement = requirement_of(operation, at=at)
    deadline = deadline_of(operation, requirement)
    if not requirement.gated:
        return Tally(requirement=requirement, satisfied=True, deadline=deadline)
    late = deadline is not None and at >= deadline
    if operation.standing_id is None:
        counted = _counted(operation, requirement, at=at)
    else:
        vetoed = operation.votes.filter(decision=Vote.Decision.VETO).exists()
        counted = replace(_carried(operation, requirement, at=at), vetoed=vetoed)
    done = counted.satisfied and not (counted.vetoed or late)
    return replace(counted, deadline=deadline, satisfied=done)


def standing_tally(
    standing: Standing, plan: Plan, requirement: Requirement, *, at: datetime, besides: Collection[int] = ()
) -> Tally:
    """Whether a standing approval carries a run with that plan, which needs `requirement`.

    The votes on the schedule's change are counted as of `at` as if they were cast on the run; what ended the approval,
    and in what the plan goes beyond its template, is among `missing`. `besides` are people whose votes cannot count.
    """
    needed = one_person_more(requirement) if standing.asked_by_nobody else requirement
    counted = _counted(standing.change, needed, at=at, besides=besides)
    missing = (*counted.missing, *standing.ended, *outside(standing.template, plan))
    return replace(counted, missing=missing, satisfied=not (missing or counted.vetoed), standing=standing)


def _carried(operation: Operation, requirement: Requirement, *, at: datetime) -> Tally:
    """The same for a run that began under one."""
    row = Schedule.objects.filter(changed_by=operation.standing_id).select_related("changed_by").first()
    standing = standing_of(row, at=at) if row else None
    if standing is None:
        return Tally(requirement=requirement, missing=("The schedule that it began under is gone.",))
    return standing_tally(standing, operation.plan, requirement, at=at, besides=askers(operation))


def _counted(asked: Operation, requirement: Requirement, *, at: datetime, besides: Collection[int] = ()) -> Tally:
    """The votes on the digest of `asked`, seated on what `requirement` asks for."""
    rows = list(
        Vote.objects.filter(operation=asked, digest=asked.digest)
        .select_related("account__person", "person")
        .order_by("id")
    )
    newest = {vote.person_id: vote for vote in rows}
    ballots = tuple(
        Ballot(vote=vote, doubts=tuple(doubts(vote, asked, requirement, at=at))) for vote in newest.values()
    )
    counting = [
        ballot.vote
        for ballot in ballots
        if not ballot.doubts and ballot.vote.decision == Vote.Decision.APPROVE and ballot.vote.person_id not in besides
    ]
    seats = _seated(requirement, counting, at)
    missing = _missing(seats)
    vetoed = any(vote.decision == Vote.Decision.VETO for vote in rows)
    return Tally(
        requirement=requirement, seats=seats, ballots=ballots, vetoed=vetoed, missing=missing, satisfied=not missing
    )


def _seated(requirement: Requirement, votes: Sequence[Vote], at: datetime) -> tuple[Seat, ...]:
    """Give each person one seat so that as many seats as possible are taken (Kuhn's matching)."""
    clauses = seats_of(requirement)
    held = roles_by_person([vote.person_id for vote in votes], at=at)
    willing = {vote: [i for i, clause in enumerate(clauses) if fits(held[vote.person_id], clause)] for vote in votes}
    taken: dict[int, Vote] = {}
    for vote in votes:
        _sit(vote, willing, taken, set())
    return tuple(
        Seat(clause=clause, person=taken[i].person if i in taken else None, vote=taken.get(i))
        for i, clause in enumerate(clauses)
    )


def seats_of(requirement: Requirement) -> list[Clause]:
    """One clause a seat; seats beyond the clauses' counts are for anyone who fits one of them."""
    clauses = [clause for clause in requirement.clauses for _ in range(clause.count)]
    anyone = Clause(
        roles=tuple(dict.fromkeys(role for clause in requirement.clauses for role in clause.roles)),
        owner_groups=_any_group(requirement.clauses),
    )
    return clauses + [anyone] * (requirement.votes_needed - len(clauses))


def _any_group(clauses: Sequence[Clause]) -> tuple[str, ...]:
    if not all(clause.owner_groups for clause in clauses):
        return ()
    return tuple(dict.fromkeys(group for clause in clauses for group in clause.owner_groups))


def who_may_sit(operation: Operation, counted: Tally, *, at: datetime) -> list[Person]:
    """Who could take a seat that is free, by name; also one that somebody leaves for another that fits them as well."""
    seated = {seat.person.id: number for number, seat in enumerate(counted.seats) if seat.person}
    people = [person for person in who_may(operation, counted.requirement, at=at) if person.id not in seated]
    held = roles_by_person([*seated, *(person.id for person in people)], at=at)
    clauses = [seat.clause for seat in counted.seats]
    willing = {pk: [i for i, clause in enumerate(clauses) if fits(held[pk], clause)] for pk in held}
    taken = {number: pk for pk, number in seated.items()}
    return [person for person in people if _sit(person.id, willing, dict(taken), set())]


def _sit(voter: Voter, willing: Mapping[Voter, Sequence[int]], taken: dict[int, Voter], tried: set[int]) -> bool:
    for seat in willing[voter]:
        if seat in tried:
            continue
        tried.add(seat)
        if seat not in taken or _sit(taken[seat], willing, taken, tried):
            taken[seat] = voter
            return True
    return False


def _missing(seats: Sequence[Seat]) -> tuple[str, ...]:
    empty: dict[str, int] = {}
    for seat in seats:
        if seat.person is None:
            empty[seat.clause.words] = empty.get(seat.clause.words, 0) + 1
    return tuple(f"{count} more of {words}" for words, count in empty.items())
