"""Tables without a primary key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from integrity.checks.base import SCHEMA, Check, Found, Held, Moment, Outcome, Severity


class MissingPrimaryKey(Check):
    name: ClassVar[str] = "missing_primary_key"
    label: ClassVar[str] = "Tables without a primary key"
    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = SCHEMA

    def look(self, moment: Moment) -> Iterator[Outcome]:
        for table, relation in moment.structure.relations.items():
            if relation.whole not in ("", table):
                continue  # its partitioned table is looked at
            if any(key.primary for key in relation.keys):
                yield Held(check=self.name, subject=table, sentence=f"{table} has a primary key.")
                continue
            yield Found(
                check=self.name,
                subject=table,
                severity=self.severity,
                category=self.category,
                sentence=f"{table} has no primary key.",
                table=table,
                why="Nothing tells its rows apart: a fix cannot name a row, a comparison cannot pair rows, and the "
                "same row can be there twice.",
                next_step="Add a primary key in a migration.",
            )
