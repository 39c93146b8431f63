"""A number that a row keeps, and that must equal what other rows add up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from integrity.checks.base import CONSISTENCY, Condition, Moment, Proposal, named, quoted
from integrity.rules.base import Spec, Unfit
from integrity.rules.members import Member
from integrity.rules.resolving import column_called, table_called
from integrity.rules.rows import Asked, RowsKind, expression, on_rows, people_wrote
from opsconsole.engines.structure import Relation
from opsconsole.exceptions import Usage

COUNT = "count(*)"


class Aggregate(RowsKind):
    """Where nothing is there to add up, the number must be 0; NULL is no number, and breaks the rule."""

    name: ClassVar[str] = "aggregate"
    label: ClassVar[str] = "A number that others add up to"
    category: ClassVar[str] = CONSISTENCY
    own_fixes: ClassVar[tuple[str, ...]] = ("set_value",)
    why: ClassVar[str] = "What people are shown, and what is decided by it, is not what the rows themselves say."
    members: ClassVar[tuple[Member, ...]] = (
        Member(name="table", label="Table"),
        Member(name="column", label="Column that keeps the number", required=False),
        Member(name="expression", label="Or: an expression", kind="sql", required=False, help="SQL over t"),
        Member(name="of", label="Table whose rows are added up", required=False),
        Member(name="by", label="Its column that names the row", required=False, help="plan_id"),
        Member(name="key", label="The column that it names", required=False, help="empty for the primary key"),
        Member(
            name="aggregate", label="What is added up", kind="sql", required=False, default=COUNT,
            help="SQL over s: count(*), or sum(CASE s.type WHEN 'contribution' THEN s.amount ELSE -s.amount END)",
        ),
        Member(name="where", label="Only rows for which", kind="sql", required=False, help="SQL over s"),
        Member(
            name="equals", label="Or, in place of such a table: equals", kind="sql", required=False,
            help="SQL over t, such as (SELECT ...) of one value",
        ),
        Member(name="tolerance", label="Tolerance", kind="decimal", required=False, default="0", help="0.01"),
    )  # fmt: skip

    def refuse_odd(self, spec: Mapping[str, Any]) -> None:
        if bool(spec["column"]) == bool(spec["expression"]):
            raise Usage("bad_value", "It needs either column or expression.", "Say where the number is kept.")
        if bool(spec["of"]) == bool(spec["equals"]):
            raise Usage("bad_value", "It needs either of or equals.", "Say what the number must equal.")
        if spec["of"] and not spec["by"]:
            raise Usage("missing_value", "It needs by with of.", "Name the column by which they name the row.")

    def sentence(self, spec: Mapping[str, Any]) -> str:
        kept = spec["column"] or " ".join(spec["expression"].split())
        if spec.get("equals"):
            what = " ".join(spec["equals"].split())
        else:
            only = f" where {' '.join(spec['where'].split())}" if spec.get("where") else ""
            what = f"{' '.join(spec['aggregate'].split())} of its {spec['of']}{only}"
        within = f", within {spec['tolerance']}" if spec.get("tolerance", "0") != "0" else ""
        return f"in every row of {spec['table']}, {kept} equals {what}{within}"

    def asked(self, rule: Spec, moment: Moment) -> Asked:
        spec, structure = rule.spec, moment.structure
        relation = table_called(structure, spec["table"])
        column = column_called(relation, spec["column"]).name if spec["column"] else ""
        kept = f"t.{quoted(column)}" if column else expression(spec["expression"])
        joins, equal = ("", f"coalesce({expression(spec['equals'])}, 0)") if spec["equals"] else _joined(moment, rule)
        people = people_wrote(spec, "expression", "equals", "where") or spec["aggregate"] != COUNT
        condition = Condition(
            table=relation.full_name,
            joins=joins,
            where=f"{kept} IS NULL OR abs({kept} - {equal}) > {spec['tolerance']}",
            people=people,
        )
        return Asked(
            condition=condition,
            subject=f"{relation.full_name}.{column}" if column else relation.full_name,
            show=(column,) if column else (),
        )

    def proposes(self, rule: Spec) -> bool:
        return super().proposes(rule) and bool(rule.fix or rule.spec.get("column"))

    def usual(self, rule: Spec, moment: Moment, asked: Asked) -> tuple[Proposal, ...]:
        if not asked.show:
            return ()
        words = f"Set {asked.show[0]} of these rows of {asked.condition.table} to what the rows say"
        value = _recomputed(moment, rule)
        return (on_rows(asked, "set_value", words, column=asked.show[0], value=value),)


def _joined(moment: Moment, rule: Spec) -> tuple[str, str]:
    """A join with each row's sum, and the sum."""
    table, by, key, added, only = _parts(moment, rule)
    where = f" WHERE {only}" if only else ""
    grouped = f'SELECT {by} AS "of", {added} AS "value" FROM {table} AS s{where} GROUP BY {by}'
    return f'LEFT JOIN ({grouped}) AS g ON g."of" = {key}', 'coalesce(g."value", 0)'


def _recomputed(moment: Moment, rule: Spec) -> str:
    """The same as an expression over t alone."""
    if rule.spec["equals"]:
        return f"coalesce({expression(rule.spec['equals'])}, 0)"
    table, by, key, added, only = _parts(moment, rule)
    also = f" AND {only}" if only else ""
    return f"coalesce((SELECT {added} FROM {table} AS s WHERE {by} = {key}{also}), 0)"


def _parts(moment: Moment, rule: Spec) -> tuple[str, str, str, str, str]:
    spec, structure = rule.spec, moment.structure
    relation, counted = table_called(structure, spec["table"]), table_called(structure, spec["of"])
    by = f"s.{quoted(column_called(counted, spec['by']).name)}"
    key = f"t.{quoted(column_called(relation, spec['key']).name if spec['key'] else _primary(relation))}"
    only = expression(spec["where"]) if spec["where"] else ""
    return named(structure, counted.full_name), by, key, expression(spec["aggregate"]), only


def _primary(relation: Relation) -> str:
    key = next((key.columns for key in relation.keys if key.primary), ())
    if len(key) != 1:
        raise Unfit(f"{relation.full_name} has no primary key of one column.", "Say in the rule which column by names.")
    return key[0]
