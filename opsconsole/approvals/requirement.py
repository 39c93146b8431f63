"""What people must agree to: frozen values, and how two requirements become one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, time
from typing import Any, TypeVar

from opsconsole.plans import NO_DEMAND, USUAL_GROWTH, Demand, Growth

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Clause:
    """`count` seats for people who hold one of `roles` in one of `owner_groups` (no group named: in any)."""

    roles: tuple[str, ...]
    owner_groups: tuple[str, ...] = ()
    count: int = 1

    @property
    def words(self) -> str:
        """Who may sit here: "approvers of default"."""
        who = " or ".join(self.roles)
        return f"{who} of {' or '.join(self.owner_groups)}" if self.owner_groups else who


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of the week in UTC. `days` count from Monday = 0; one that ends before it begins runs past midnight."""

    days: tuple[int, ...]
    begins: time
    ends: time

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Window:
        """From a policy's `{"days": [...], "from": "HH:MM", "to": "HH:MM"}`. Raises KeyError or ValueError."""
        return cls(
            days=tuple(row.get("days") or range(7)),
            begins=time.fromisoformat(row["from"]),
            ends=time.fromisoformat(row["to"]),
        )

    def as_row(self) -> dict[str, Any]:
        return {"days": list(self.days), "from": f"{self.begins:%H:%M}", "to": f"{self.ends:%H:%M}"}

    def holds(self, at: datetime) -> bool:
        moment = at.astimezone(UTC)
        today, clock = moment.weekday(), moment.time()
        if self.begins < self.ends:
            return today in self.days and self.begins <= clock < self.ends
        return (today in self.days and clock >= self.begins) or ((today - 1) % 7 in self.days and clock < self.ends)


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What an operation needs before it may run.

    `votes_needed` counts distinct persons and is at least the sum of the clauses' seats; what it has more is seats for
    anyone who fits one of the clauses. `windows` holds one group of windows a policy; one of each group must be open.
    `policy_digest` names the policies in force when this was worked out.
    """

    gated: bool
    votes_needed: int = 0
    clauses: tuple[Clause, ...] = ()
    valid_minutes: int = 240
    windows: tuple[tuple[Window, ...], ...] = ()
    growth: Growth = USUAL_GROWTH
    demand: Demand = NO_DEMAND  # of the plan's evidence
    policies: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()
    policy_digest: str = ""

    def as_json(self) -> dict[str, Any]:
        """The form in which it is stored with an operation; `from_json` reads it back."""
        raw = asdict(self)
        raw["windows"] = [[window.as_row() for window in group] for group in self.windows]
        return raw

    def as_told(self) -> dict[str, Any]:
        """What the history tells of it: all that counting the votes again needs."""
        kept = ("gated", "votes_needed", "clauses", "valid_minutes", "windows")
        return {name: value for name, value in self.as_json().items() if name in kept}

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Requirement:
        return cls(
            gated=bool(raw["gated"]),
            votes_needed=int(raw["votes_needed"]),
            clauses=tuple(
                Clause(roles=tuple(c["roles"]), owner_groups=tuple(c["owner_groups"]), count=int(c["count"]))
                for c in raw["clauses"]
            ),
            valid_minutes=int(raw["valid_minutes"]),
            windows=tuple(tuple(Window.from_row(row) for row in group) for group in raw["windows"]),
            growth=Growth(**raw.get("growth", {})),
            demand=Demand(**raw.get("demand", {})),
            policies=tuple(raw["policies"]),
            sentences=tuple(raw["sentences"]),
            policy_digest=str(raw["policy_digest"]),
        )

    def waived(self) -> Requirement:
        """Nobody is asked: for changes while the console is being set up."""
        return replace(
            self,
            gated=False,
            votes_needed=0,
            clauses=(),
            windows=(),
            sentences=("The console is being set up: nobody else is asked, and this is recorded as bootstrap.",),
        )

    def is_open(self, at: datetime) -> bool:
        """Whether its windows let it run now."""
        return all(any(window.holds(at) for window in group) for group in self.windows)

    def covers(self, other: Requirement) -> bool:
        """Whether this asks for everything that `other` asks for."""
        if not other.gated:
            return True
        seats = _by_seat(self.clauses)
        return (
            self.gated
            and self.votes_needed >= other.votes_needed
            and self.valid_minutes <= other.valid_minutes
            and self.growth.percent <= other.growth.percent
            and self.growth.rows <= other.growth.rows
            and self.demand.covers(other.demand)
            and all(seats.get(seat, 0) >= count for seat, count in _by_seat(other.clauses).items())
            and set(other.windows) <= set(self.windows)
        )


def strictest(first: Requirement, second: Requirement) -> Requirement:
    """Everything that either asks for: all clauses, the larger count of each, the shorter validity, all windows.

    Of the growth of a loss, the smaller part and the smaller number; of evidence, the younger.
    """
    if not (first.gated and second.gated):
        asking = first if first.gated else second
        return replace(asking, policy_digest=second.policy_digest or first.policy_digest)
    seats = _by_seat(first.clauses)
    for seat, count in _by_seat(second.clauses).items():
        seats[seat] = max(count, seats.get(seat, 0))
    clauses = tuple(Clause(roles=roles, owner_groups=groups, count=n) for (roles, groups), n in seats.items())
    return Requirement(
        gated=True,
        votes_needed=max(first.votes_needed, second.votes_needed, sum(seats.values())),
        clauses=clauses,
        valid_minutes=min(first.valid_minutes, second.valid_minutes),
        windows=_united(first.windows, second.windows),
        growth=Growth(
            percent=min(first.growth.percent, second.growth.percent), rows=min(first.growth.rows, second.growth.rows)
        ),
        demand=first.demand.and_also(second.demand),
        policies=_united(first.policies, second.policies),
        sentences=_united(first.sentences, second.sentences),
        policy_digest=second.policy_digest or first.policy_digest,
    )


def strictest_of(requirements: Iterable[Requirement]) -> Requirement:
    """`strictest` over many; nothing is asked when there is none."""
    merged = Requirement(gated=False)
    for requirement in requirements:
        merged = strictest(merged, requirement)
    return merged


def _by_seat(clauses: Iterable[Clause]) -> dict[tuple[tuple[str, ...], tuple[str, ...]], int]:
    seats: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}
    for clause in clauses:
        seat = (tuple(sorted(clause.roles)), tuple(sorted(clause.owner_groups)))
        seats[seat] = max(clause.count, seats.get(seat, 0))
    return seats


def _united(first: tuple[T, ...], second: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(first + second))
