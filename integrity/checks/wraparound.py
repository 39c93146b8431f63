"""Transaction numbers: the server stops writing before they would wrap around to rows of the past."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from integrity.checks.base import CAPACITY, Moment, Outcome, Proposal, Severity, named
from integrity.checks.telling import Telling
from integrity.checks.wording import listed
from opsconsole.templatetags.console import count

WHOLE = 2**31  # numbers that a row can be old; the server refuses to write some millions before
_DATABASE = "SELECT age(datfrozenxid), mxid_age(datminmxid) FROM pg_database WHERE datname = current_database()"
_TABLES = """
SELECT n.nspname || '.' || c.relname, greatest({age}, coalesce({toast}, 0)) AS old
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
WHERE c.relkind IN ('r', 'm') AND {column} <> '0'::xid ORDER BY 2 DESC, 1 LIMIT 5
"""


class Wraparound(Telling):
    """`warns` and `fails` are ages; autovacuum freezes tables from 200 million on, if nothing holds it up."""

    name: ClassVar[str] = "wraparound"
    label: ClassVar[str] = "Transaction numbers near their end"
    severity: ClassVar[Severity] = Severity.CRITICAL
    category: ClassVar[str] = CAPACITY
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql"})

    def __init__(self, *, warns: int = WHOLE // 2, fails: int = WHOLE // 4 * 3) -> None:
        self.warns, self.fails = warns, fails

    def look(self, moment: Moment) -> Iterator[Outcome]:
        transactions, multixacts = moment.inquiry.ask(_DATABASE)[0]
        yield self._judged(moment, "transaction numbers", transactions, "age", "relfrozenxid")
        yield self._judged(moment, "multixact numbers", multixacts, "mxid_age", "relminmxid")

    def _judged(self, moment: Moment, what: str, age: int, function: str, column: str) -> Outcome:
        percent = 100 * age // WHOLE
        if age < self.warns:
            return self.held(what, f"The oldest {what} are {count(age)} old: {percent} % of what there is.")
        asked = _TABLES.format(age=f"{function}(c.{column})", toast=f"{function}(t.{column})", column=f"c.{column}")
        oldest = [name for name, _ in moment.inquiry.ask(asked)]
        ours = next((name for name in oldest if name in moment.structure.relations), "")
        way = Proposal(
            action="vacuum",
            words=f"Freeze the rows of {ours}",
            table=ours,
            statement=f"VACUUM (FREEZE) {named(moment.structure, ours)}" if ours else "",
        )
        return self.found(
            what,
            f"The oldest {what} are {count(age)} old: {percent} % of what there is. The oldest tables are "
            f"{listed(oldest)}.",
            severity=Severity.CRITICAL if age >= self.fails else Severity.WARNING,
            table=ours,
            why="At the end the server refuses every write, so as not to take rows of the past for rows of the future.",
            next_step="Find what holds vacuum up (long or prepared transactions, replication slots), then vacuum the "
            "oldest tables.",
            proposals=(way,) if ours else (),
        )
