"""Rows that name a parent which is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from integrity.checks.base import ORPHANS, Condition, Moment, Proposal, named, quoted
from integrity.rules.base import Spec
from integrity.rules.members import Member
from integrity.rules.resolving import column_called, columns_called, table_called
from integrity.rules.rows import Asked, RowsKind, expression, on_rows, people_wrote
from opsconsole.engines.structure import Relation
from opsconsole.exceptions import Usage


class Orphan(RowsKind):
    name: ClassVar[str] = "orphan"
    label: ClassVar[str] = "Rows without their parent"
    category: ClassVar[str] = ORPHANS
    own_fixes: ClassVar[tuple[str, ...]] = ("delete_rows", "set_null")
    why: ClassVar[str] = (
        "A row whose parent is gone is found by nobody who looks from the parent, and joins leave it out of every sum."
    )
    members: ClassVar[tuple[Member, ...]] = (
        Member(name="child", label="Table", help="accounts, or public.accounts"),
        Member(name="column", label="Column", help="user_id; several with commas for a key of several columns"),
        Member(name="parent", label="Parent table", help="users"),
        Member(name="key", label="The parent's column", help="id; as many as there are columns"),
        Member(name="where", label="Only rows for which", kind="sql", required=False, help="SQL over t; empty for all"),
    )

    def refuse_odd(self, spec: Mapping[str, Any]) -> None:
        if len(_listed(spec["column"])) != len(_listed(spec["key"])):
            raise Usage("bad_value", "column and key name different numbers of columns.", "Name as many on each side.")

    def sentence(self, spec: Mapping[str, Any]) -> str:
        only = f", where {' '.join(spec['where'].split())}" if spec.get("where") else ""
        return f"every {spec['column']} of {spec['child']} is the {spec['key']} of a row of {spec['parent']}{only}"

    def asked(self, rule: Spec, moment: Moment) -> Asked:
        spec, structure = rule.spec, moment.structure
        child, parent = table_called(structure, spec["child"]), table_called(structure, spec["parent"])
        own = columns_called(child, _listed(spec["column"]))
        theirs = columns_called(parent, _listed(spec["key"]))
        pairs = list(zip(own, theirs, strict=True))
        joined = " AND ".join(f"p.{quoted(their)} = t.{quoted(mine)}" for mine, their in pairs)
        missing = [f"t.{quoted(mine)} IS NOT NULL" for mine in own] + [f"p.{quoted(theirs[0])} IS NULL"]
        if spec.get("where"):
            missing.append(expression(spec["where"]))
        condition = Condition(
            table=child.full_name,
            joins=f"LEFT JOIN {_once(moment, parent, theirs)} AS p ON {joined}",
            where=" AND ".join(missing),
            people=people_wrote(spec, "where"),
            by=() if spec.get("where") else own,
        )
        return Asked(condition=condition, subject=f"{child.full_name}.{','.join(own)}", show=own)

    def usual(self, rule: Spec, moment: Moment, asked: Asked) -> tuple[Proposal, ...]:
        child = table_called(moment.structure, asked.condition.table)
        own = asked.show
        deleting = on_rows(asked, "delete_rows", f"Delete the rows of {child.full_name} without a parent")
        if len(own) > 1 or not column_called(child, own[0]).nullable:
            return (deleting,)
        words = f"Set {own[0]} of the rows of {child.full_name} without a parent to NULL"
        return deleting, on_rows(asked, "set_null", words, column=own[0])


def _once(moment: Moment, parent: Relation, columns: tuple[str, ...]) -> str:
    """The parent table, or its keys once each where several rows may have the same."""
    table = named(moment.structure, parent.full_name)
    if any(set(key.columns) == set(columns) for key in parent.keys):
        return table
    listed = ", ".join(quoted(column) for column in columns)
    return f"(SELECT DISTINCT {listed} FROM {table})"


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
