"""Whether what went in is what was asked for, counted in the tables themselves, and what is told of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lifecycle.formats.base import StoredObject
from lifecycle.loading.base import MERGE, Covered, Survey
from lifecycle.loading.rejects import AGAIN
from opsconsole.exceptions import OperationFailed


@dataclass(frozen=True, kw_only=True)
class Went:
    """What the database said while the rows of one table went in: so many were inserted or updated."""

    affected: int
    rejected: int
    only_keys: bool = False  # in a merge: a row that is there has nothing that could be updated


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What became of one table. `unchanged` rows were there and had nothing but their key."""

    rows: int  # of the document
    inserted: int
    updated: int
    unchanged: int
    rejected: int
    before: int
    after: int


def only_keys(survey: Survey, table: Covered) -> bool:
    """Whether a merge finds nothing to update in rows that are there, for the document has only their key."""
    return survey.mode == MERGE and {pair.target for pair in table.pairs} == set(table.key)


def prove(
    survey: Survey, went: Mapping[str, Went], before: Mapping[str, int], after: Mapping[str, int]
) -> dict[str, Loaded]:
    """Every table by its counts. Raises OperationFailed when there are fewer or more rows than there should be."""
    found = {}
    for table in survey.tables:
        name, what = table.table, went[table.table]
        fitting = table.rows - what.rejected
        grown = after[name] - (before[name] if survey.mode == MERGE else 0)
        known = grown <= what.affected <= fitting if what.only_keys else what.affected == fitting
        if not known or grown < 0 or grown > fitting or (survey.mode != MERGE and grown != fitting):
            raise _differ(name, after[name], fitting)
        found[name] = Loaded(
            rows=table.rows,
            inserted=grown,
            updated=what.affected - grown,
            unchanged=fitting - what.affected,
            rejected=what.rejected,
            before=before[name],
            after=after[name],
        )
    for name in survey.cleared:
        if name not in went and after[name]:
            raise _differ(name, after[name], 0)
    return found


def facts(loaded: Mapping[str, Loaded], rejects: StoredObject | None, witness: Mapping[str, Any]) -> dict[str, Any]:
    """What a result holds of a load; JSON."""
    return {
        "tables": {name: asdict(each) for name, each in loaded.items()},
        "rows": sum(each.inserted + each.updated for each in loaded.values()),
        "rejected": sum(each.rejected for each in loaded.values()),
        "rejects": asdict(rejects) if rejects else None,
        "witness": dict(witness),
    }


def _differ(name: str, found: int, expected: int) -> OperationFailed:
    return OperationFailed(
        "counts_differ",
        f"{name} would hold {found:,} rows, which does not fit the {expected:,} that were to be loaded.",
        f"{AGAIN} Look whether a trigger of the table adds, changes or drops rows.",
    )
