"""What must hold of every row, or must hold of none, as one SQL boolean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from integrity.checks.base import Condition, Moment
from integrity.rules.base import Spec
from integrity.rules.members import Member
from integrity.rules.resolving import columns_called, table_called
from integrity.rules.rows import Asked, RowsKind, expression
from opsconsole.exceptions import Usage


class Row(RowsKind):
    """A row for which the SQL gives NULL breaks neither form, as with CHECK."""

    name: ClassVar[str] = "row"
    label: ClassVar[str] = "A condition on rows"
    members: ClassVar[tuple[Member, ...]] = (
        Member(name="table", label="Table"),
        Member(
            name="violates", label="A row is wrong when", kind="sql", required=False, help="SQL over t: t.balance < 0"
        ),
        Member(
            name="holds", label="Or: a row is right when", kind="sql", required=False,
            help="SQL over t: t.tier IN (0, 1, 2); a row for which it gives NULL counts as right",
        ),
        Member(name="show", label="Columns to show", kind="list", required=False, help="beside the key"),
    )  # fmt: skip

    def refuse_odd(self, spec: Mapping[str, Any]) -> None:
        if bool(spec["violates"]) == bool(spec["holds"]):
            raise Usage(
                "bad_value", "A condition on rows has either violates or holds.",
                "Say when a row is wrong (violates), or when it is right (holds).",
            )  # fmt: skip

    def sentence(self, spec: Mapping[str, Any]) -> str:
        which, text = ("every", spec["holds"]) if spec.get("holds") else ("no", spec["violates"])
        return f"{which} row of {spec['table']} has {' '.join(text.split())}"

    def asked(self, rule: Spec, moment: Moment) -> Asked:
        relation, spec = table_called(moment.structure, rule.spec["table"]), rule.spec
        wrong = (
            f"{expression(spec['holds'])} IS FALSE" if spec.get("holds") else f"{expression(spec['violates'])} IS TRUE"
        )
        return Asked(
            condition=Condition(table=relation.full_name, where=wrong, people=True),
            subject=relation.full_name,
            show=columns_called(relation, spec.get("show") or ()),
        )
