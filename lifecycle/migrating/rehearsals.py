"""What a plan knows of rehearsals: which one tried exactly its units, and what came out.

`lifecycle/rehearsing` registers how rehearsals are found; planning asks here and knows nothing of how they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lifecycle.sources.acts import Unit
from opsconsole.models import Database
from opsconsole.plans import Demand, Plan, canonical_json, digest_of


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """The newest rehearsal of some units on a copy of one database.

    `tables` are rows before and after, None where the table was not there; `losing` names those of which rows were
    lost, or a column with values. `wrote` are rows that single statements wrote, by migration and 1-based line of its
    file. `facts` are what else a page shows of it, as JSON without floats.
    """

    operation: int
    at: datetime
    verdict: str  # one sentence
    held: bool  # nothing failed, and nothing was lost that the SQL does not name
    tables: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    wrote: Mapping[tuple[str, int], int] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def lost(self, table: str) -> int | None:
        """How many rows of a table it lost; None when it does not know that table."""
        if table not in self.tables:
            return None
        before, after = self.tables[table]
        return max(0, (before or 0) - (after or 0))


Problem = tuple[str, str, str]  # code, why, next step


@dataclass(frozen=True, kw_only=True)
class Finder:
    """How rehearsals are found: by database and `digest_of_units`; and what they lack of what policies demand."""

    newest: Callable[[Database, str], Rehearsed | None]
    problems: Callable[[Plan, Demand], list[Problem]]


_FINDERS: list[Finder] = []


def register_finder(finder: Finder) -> None:
    """Say how rehearsals are found. Raises TypeError for a second one."""
    if _FINDERS:
        raise TypeError("how rehearsals are found is registered twice")
    _FINDERS.append(finder)


def newest(database: Database, units: Sequence[Unit]) -> Rehearsed | None:
    """The newest rehearsal of exactly these units on a copy of that database."""
    return _FINDERS[0].newest(database, digest_of_units(units)) if _FINDERS else None


def problems(plan: Plan, demand: Demand) -> list[Problem]:
    """What the rehearsal that a plan tells of lacks of what policies demand, the gravest first."""
    return _FINDERS[0].problems(plan, demand)


def digest_of_units(units: Sequence[Unit]) -> str:
    """`sha256:...` over everything that would be done; what a rehearsal and a plan are matched by."""
    return digest_of(canonical_json([unit.to_json() for unit in units]))
