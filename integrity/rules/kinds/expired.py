"""Rows whose time is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from integrity.checks.base import CONSISTENCY, Condition, Moment, Proposal
from integrity.rules.base import Spec
from integrity.rules.members import Member
from integrity.rules.resolving import column_called, table_called
from integrity.rules.rows import Asked, RowsKind, expression, on_rows, people_wrote
from integrity.rules.times import age_of, is_older


class Expired(RowsKind):
    """A value that is no time (see `integrity.rules.times`) and NULL are not expired."""

    name: ClassVar[str] = "expired"
    label: ClassVar[str] = "Rows whose time is over"
    category: ClassVar[str] = CONSISTENCY
    own_fixes: ClassVar[tuple[str, ...]] = ("delete_rows",)
    why: ClassVar[str] = "Rows that nobody needs any more make everything slower, and hold what should be forgotten."
    members: ClassVar[tuple[Member, ...]] = (
        Member(name="table", label="Table"),
        Member(name="column", label="Column of the time", help="expires; texts and numbers are read as times, too"),
        Member(
            name="older_than", label="Longer ago than", required=False, default="0",
            help="0 for now, 12 hours, 30 days, 6 months, 1 year",
        ),
        Member(name="where", label="Only rows for which", kind="sql", required=False, help="SQL over t; empty for all"),
    )  # fmt: skip

    def refuse_odd(self, spec: Mapping[str, Any]) -> None:
        age_of(spec["older_than"])

    def sentence(self, spec: Mapping[str, Any]) -> str:
        number, unit = age_of(str(spec.get("older_than") or "0"))
        only = f", where {' '.join(spec['where'].split())}" if spec.get("where") else ""
        age = f"older than {number} {unit.removesuffix('s') if number == 1 else unit}" if number else "in the past"
        return f"no {spec['column']} of {spec['table']} is {age}{only}"

    def asked(self, rule: Spec, moment: Moment) -> Asked:
        spec = rule.spec
        relation = table_called(moment.structure, spec["table"])
        field = column_called(relation, spec["column"])
        old = is_older(moment.vendor, field, age_of(spec["older_than"]))
        only = f" AND {expression(spec['where'])}" if spec["where"] else ""
        condition = Condition(table=relation.full_name, where=old + only, people=people_wrote(spec, "where"))
        return Asked(condition=condition, subject=f"{relation.full_name}.{field.name}", show=(field.name,))

    def usual(self, rule: Spec, moment: Moment, asked: Asked) -> tuple[Proposal, ...]:
        return (on_rows(asked, "delete_rows", f"Delete the rows of {asked.condition.table} whose time is over"),)
