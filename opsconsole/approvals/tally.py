"""Who has agreed and who is missing: distinct persons matched to seats. Reads rows, writes none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from opsconsole.approvals.asking import requirement_of
from opsconsole.approvals.requirement import Clause, Requirement
from opsconsole.approvals.voters import deadline_of, doubts, fits, roles_by_person
from opsconsole.models import Operation, Person, Vote


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
    """How an operation stands. `missing` says in words who is still needed; `deadline` is when all of it lapses."""

    requirement: Requirement
    seats: tuple[Seat, ...] = ()
    ballots: tuple[Ballot, ...] = ()
    satisfied: bool = False
    vetoed: bool = False
    missing: tuple[str, ...] = ()
    deadline: datetime | None = None

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
    rows = list(
        Vote.objects.filter(operation=operation, digest=operation.digest)
        .select_related("account__person", "person")
        .order_by("id")
    )
    vetoed = any(vote.decision == Vote.Decision.VETO for vote in rows)
    newest = {vote.person_id: vote for vote in rows}
    ballots = tuple(
        Ballot(vote=vote, doubts=tuple(doubts(vote, operation, requirement, at=at))) for vote in newest.values()
    )
    counting = [
        ballot.vote for ballot in ballots if not ballot.doubts and ballot.vote.decision == Vote.Decision.APPROVE
    ]
    seats = _seated(requirement, counting, at)
    missing = _missing(seats)
    late = deadline is not None and at >= deadline
    return Tally(
        requirement=requirement,
        seats=seats,
        ballots=ballots,
        vetoed=vetoed,
        missing=missing,
        deadline=deadline,
        satisfied=not (missing or vetoed or late),
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


def _sit(vote: Vote, willing: Mapping[Vote, Sequence[int]], taken: dict[int, Vote], tried: set[int]) -> bool:
    for seat in willing[vote]:
        if seat in tried:
            continue
        tried.add(seat)
        if seat not in taken or _sit(taken[seat], willing, taken, tried):
            taken[seat] = vote
            return True
    return False


def _missing(seats: Sequence[Seat]) -> tuple[str, ...]:
    empty: dict[str, int] = {}
    for seat in seats:
        if seat.person is None:
            empty[seat.clause.words] = empty.get(seat.clause.words, 0) + 1
    return tuple(f"{count} more of {words}" for words, count in empty.items())
