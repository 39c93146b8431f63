"""Foreign keys of SQLite that lead to no table, or to columns that are no key; SQLite lets one declare them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from integrity.checks.base import SCHEMA, Moment, Outcome, Severity
from integrity.checks.references import side
from integrity.checks.telling import Telling

_LISTED = (
    'SELECT m.name, f.id, f."table", f."from", f."to" FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f'
    " WHERE m.type = 'table' ORDER BY m.name, f.id, f.seq"
)


@dataclass(frozen=True, kw_only=True)
class _Declared:
    """A foreign key in the words of its declaration; without `theirs` it means the parent's primary key."""

    table: str
    columns: tuple[str, ...]
    parent: str
    theirs: tuple[str, ...]

    @property
    def subject(self) -> str:
        return f"{side(self.table, self.columns)} -> {side(self.parent, self.theirs) if self.theirs else self.parent}"


class DanglingReferences(Telling):
    name: ClassVar[str] = "dangling_references"
    label: ClassVar[str] = "Foreign keys that lead to no key"
    severity: ClassVar[Severity] = Severity.CRITICAL
    category: ClassVar[str] = SCHEMA
    engines: ClassVar[frozenset[str]] = frozenset({"sqlite"})

    def look(self, moment: Moment) -> Iterator[Outcome]:
        kinds = dict(moment.inquiry.ask("SELECT lower(name), type FROM sqlite_schema WHERE type IN ('table', 'view')"))
        for declared in _declared(moment):
            why_not = _why_not(moment, declared, kinds.get(declared.parent.lower(), ""))
            if not why_not:
                sentence = f"{side(declared.table, declared.columns)} refers to a key of {declared.parent}."
                yield self.held(declared.subject, sentence)
                continue
            yield self.found(
                declared.subject,
                f"{side(declared.table, declared.columns)} refers to {declared.parent}, {why_not}.",
                table=declared.table,
                why=f"Sessions with foreign keys on cannot write to {declared.table}; the others keep no reference.",
                next_step="Change the reference in a migration, or make the table or the unique index that it needs.",
            )


def _declared(moment: Moment) -> list[_Declared]:
    parts: dict[tuple[str, int], list[tuple[str, str, str | None]]] = {}
    for table, number, parent, own, theirs in moment.inquiry.ask(_LISTED):
        if table in moment.structure.relations:
            parts.setdefault((table, number), []).append((parent, own, theirs))
    return [
        _Declared(
            table=table,
            columns=tuple(own for _, own, _ in each),
            parent=each[0][0],
            theirs=tuple(theirs for *_, theirs in each if theirs is not None),
        )
        for (table, _), each in parts.items()
    ]


def _why_not(moment: Moment, declared: _Declared, kind: str) -> str:
    """What is wrong with it, in words that follow the parent's name; `kind` is what sqlite_schema calls that."""
    if kind != "table":
        return "which is a view" if kind else "which does not exist"
    relation = {name.lower(): each for name, each in moment.structure.relations.items()}.get(declared.parent.lower())
    if relation is None:
        return "which is no ordinary table"
    keys = [(key.primary, frozenset(column.lower() for column in key.columns)) for key in relation.keys]
    if not declared.theirs:
        fits = any(primary and len(columns) == len(declared.columns) for primary, columns in keys)
        return "" if fits else "which has no primary key of as many columns"
    absent = {name.lower() for name in declared.theirs} - {field.name.lower() for field in relation.fields}
    if absent:
        return f"which has no column {min(absent)}"
    wanted = frozenset(name.lower() for name in declared.theirs)
    if any(columns == wanted for _, columns in keys):
        return ""
    return f"where {', '.join(declared.theirs)} {'is' if len(wanted) == 1 else 'are'} not unique"
