"""Values that no two rows share, whether an index says so or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from integrity.checks.base import CONSISTENCY, Condition, Moment, named, quoted
from integrity.rules.base import Spec
from integrity.rules.members import Member
from integrity.rules.resolving import column_called, columns_called, table_called
from integrity.rules.rows import Asked, RowsKind, expression, people_wrote
from opsconsole.engines.structure import Field


class Unique(RowsKind):
    """Every row of a group that shares the values breaks it; rows with NULL in one of them break nothing."""

    name: ClassVar[str] = "unique"
    label: ClassVar[str] = "Values that no two rows share"
    category: ClassVar[str] = CONSISTENCY
    why: ClassVar[str] = "Two rows stand for one thing, and which of them counts is up to chance."
    members: ClassVar[tuple[Member, ...]] = (
        Member(name="table", label="Table"),
        Member(name="columns", label="Columns", kind="list", help="which must be different together"),
        Member(
            name="ignore_case", label="Capital letters do not count", kind="flag", required=False, default=False,
            help="Ann@x.org and ann@X.org are the same (on SQLite only for letters of ASCII)",
        ),
        Member(name="where", label="Only rows for which", kind="sql", required=False, help="SQL over t; empty for all"),
    )  # fmt: skip

    def sentence(self, spec: Mapping[str, Any]) -> str:
        only = f", where {' '.join(spec['where'].split())}" if spec.get("where") else ""
        case = ", capital letters or not" if spec.get("ignore_case") else ""
        return f"no two rows of {spec['table']} have the same {' and '.join(spec['columns'])}{case}{only}"

    def asked(self, rule: Spec, moment: Moment) -> Asked:
        spec = rule.spec
        relation = table_called(moment.structure, spec["table"])
        columns = columns_called(relation, spec["columns"])
        compared = [_compared(column_called(relation, each), bool(spec["ignore_case"])) for each in columns]
        present = [f"t.{quoted(column)} IS NOT NULL" for column in columns]
        only = [expression(spec["where"])] if spec["where"] else []
        keys = ", ".join(f'{each} AS "k{place}"' for place, each in enumerate(compared))
        shared = (
            f"SELECT {keys} FROM {named(moment.structure, relation.full_name)} AS t"
            f" WHERE {' AND '.join(present + only)} GROUP BY {', '.join(compared)} HAVING count(*) > 1"
        )
        same = " AND ".join(f'd."k{place}" = {each}' for place, each in enumerate(compared))
        return Asked(
            condition=Condition(
                table=relation.full_name,
                joins=f"JOIN ({shared}) AS d ON {same}",
                where=" AND ".join(present + only),
                people=people_wrote(spec, "where"),
            ),
            subject=f"{relation.full_name}.{','.join(columns)}",
            show=columns,
        )


def _compared(field: Field, ignore_case: bool) -> str:
    column = f"t.{quoted(field.name)}"
    if not ignore_case or field.family not in ("text", "stored"):
        return column
    if field.family == "stored":
        return f"CASE WHEN typeof({column}) = 'text' THEN lower({column}) ELSE {column} END"
    return f"lower({column})"
