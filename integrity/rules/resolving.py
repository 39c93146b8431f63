"""Tables and columns by the names that people write: with a schema or without, in quotes or not."""

from __future__ import annotations

from collections.abc import Iterable

from integrity.rules.base import Unfit
from opsconsole.engines.structure import Field, Relation, Structure

LISTED = 12  # names in a message


def tables_called(structure: Structure, name: str) -> list[str]:
    """The full names of the tables that may be meant: one, none, or several."""
    wanted = _bare(name)
    names = {full: item.name for full, item in structure.relations.items() if item.whole in ("", full)}
    found = [full for full in structure.relations if full == wanted]
    found = found or [full for full, bare in names.items() if bare == wanted]
    return found or [full for full, bare in names.items() if wanted.lower() in (full.lower(), bare.lower())]


def table_called(structure: Structure, name: str) -> Relation:
    """The table of that name. Raises Unfit when there is none, or several, or when we do not see it whole."""
    found = tables_called(structure, name)
    if not found:
        raise Unfit(f"There is no table {_bare(name)}.", "Change the rule, or create the table in a migration.")
    if len(found) > 1:
        raise Unfit(f"{_bare(name)} may be any of {', '.join(found)}.", "Write its schema in the rule, too.")
    relation = structure.relations[found[0]]
    if relation.hidden_rows:
        raise Unfit(
            f"Row security keeps some rows of {found[0]} from the console's role.",
            "Give the role BYPASSRLS, or a policy that lets it read every row.",
        )
    return relation


def column_called(relation: Relation, name: str) -> Field:
    """The column of that name. Raises Unfit."""
    wanted = _bare(name)
    found = [field for field in relation.fields if field.name == wanted]
    found = found or [field for field in relation.fields if field.name.lower() == wanted.lower()]
    if len(found) != 1:
        known = _listed(field.name for field in relation.fields)
        raise Unfit(f"{relation.full_name} has no column {wanted}.", f"It has: {known}.")
    return found[0]


def columns_called(relation: Relation, names: Iterable[str]) -> tuple[str, ...]:
    """Columns by their names as the database spells them. Raises Unfit."""
    return tuple(column_called(relation, name).name for name in names)


def _bare(name: str) -> str:
    """`public."User"` as structures have it: without quotes."""
    parts = [part.strip() for part in name.split(".")]
    return ".".join(part[1:-1] if part[:1] in ('"', "`", "[") and len(part) > 2 else part for part in parts)


def _listed(names: Iterable[str]) -> str:
    every = [*names]
    return ", ".join(every[:LISTED]) + (", ..." if len(every) > LISTED else "")
