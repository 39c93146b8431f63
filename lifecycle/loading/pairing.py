"""Which table takes which, and which column: by exact name first, then as people write one name in two ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from lifecycle.documents.base import DocumentTable, Summary
from lifecycle.loading.base import Pair
from opsconsole.engines.structure import Relation, Structure

JSON_TYPES = frozenset({"json", "jsonb"})
TEXT_TYPES = frozenset({"text", "character varying", "varchar", "character", "char", "bpchar", "name", "citext"})
AS_TEXT = "(as text)"  # what a portable backup says of a type whose values it writes as the text of them
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def snake(name: str) -> str:
    """`dev_tasks` of `devTasks`."""
    return _HUMP.sub("_", name).lower()


def is_of_consoles(name: str) -> bool:
    """Whether a console made the table for itself: nobody misses it."""
    return _bare(name).startswith("_opsconsole_")


def _bare(name: str) -> str:
    return name.rpartition(".")[2]


def _squeezed(name: str) -> str:
    return name.replace("_", "").lower()


_Alike = Callable[[str], str]
_TABLES: tuple[tuple[_Alike, _Alike], ...] = (  # (of the document's name, of the target's)
    (lambda name: name, lambda name: name),
    (lambda name: name, _bare),
    (_bare, _bare),
    (lambda name: snake(_bare(name)), _bare),
    (lambda name: _squeezed(_bare(name)), lambda name: _squeezed(_bare(name))),
)
_COLUMNS: tuple[tuple[_Alike, _Alike], ...] = (
    (lambda name: name, lambda name: name),
    (snake, lambda name: name),
    (_squeezed, _squeezed),
)


def tables(summary: Summary, structure: Structure, renames: Mapping[str, str]) -> dict[str, str]:
    """The target's table of each of the document's that has one; no table takes two.

    Of tables that are called alike in several schemas, that of the schema `public` is meant.
    """
    wanted = [renames.get(table.name, table.name) for table in summary.tables]
    found = _paired(wanted, sorted(structure.relations, key=lambda name: not name.startswith("public.")), _TABLES)
    return {
        table.name: found[name] for table, name in zip(summary.tables, wanted, strict=True) if name in found
    }  # fmt: skip


def columns(table: DocumentTable, relation: Relation, renames: Mapping[str, str], summary: Summary) -> tuple[Pair, ...]:
    """The columns that have a partner, generated ones included."""
    wanted: dict[str, str] = {}  # by the name that is looked for, so that no two columns go into one
    for name in table.columns:
        wanted.setdefault(renames.get(f"{table.name}.{name}", name), name)
    found = _paired(list(wanted), [field.name for field in relation.fields], _COLUMNS)
    pairs = ((name, found[alias]) for alias, name in wanted.items() if alias in found)
    return tuple(
        Pair(
            source=name, target=target, is_json=_is_json(summary, table.types.get(name), relation.field(target).family)
        )
        for name, target in pairs
    )


def _is_json(summary: Summary, kind: str | None, family: str) -> bool:
    """Whether a text is a string of JSON rather than the text of it. A dump holds every value as its text, and so does
    SQLite; whoever reads PostgreSQL to write JSON has the value itself, of any column but one of texts."""
    if summary.engine != "postgresql" or summary.texts:
        return False
    if family != "json":
        return kind is not None and kind.lower() in JSON_TYPES
    return kind is None or not (kind.endswith(AS_TEXT) or kind.partition("(")[0].lower() in TEXT_TYPES)


def _paired(names: Sequence[str], targets: Iterable[str], ways: Sequence[tuple[_Alike, _Alike]]) -> dict[str, str]:
    """One target each, by the first way that finds one which nobody took; a second taker of it finds none."""
    free, found = list(targets), dict[str, str]()
    for of_name, of_target in ways:
        for name in names:
            if name in found:
                continue
            taken = next((target for target in free if of_target(target) == of_name(name)), None)
            if taken is not None:
                found[name] = taken
                free.remove(taken)
    return found
