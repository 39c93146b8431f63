"""Bringing a document to the shape of the database that it goes into: version steps, renames and drops, as data.

Rules are JSON (`rules_from`), so that they can be kept with a project and read by people:

    {"steps": [{"below": 4, "table": "users", "set": {"approved": 0, "denial_reason": null}},
               {"below": 12, "table": "db_metadata", "empty": true},
               {"below": 20, "table": "wallet", "derive": {"from": "progress", "columns": {"xp": "total_xp"}}}],
     "names": "camel_to_snake", "tables": {"devTasks": "dev_tasks"}, "columns": {"users": {"userName": "login"}},
     "drop": {"users": ["nickname"]}}

Steps speak of the source's names and come first, then drops, then renames; an explicit name goes before the rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lifecycle.documents.base import Document, DocumentTable, Problem, Row, Summary, Value
from opsconsole.exceptions import Refused, Usage

AS_IS, CAMEL_TO_SNAKE = "as_is", "camel_to_snake"
_CAPITAL = re.compile(r"([A-Z])")


@dataclass(frozen=True, kw_only=True)
class Step:
    """What documents below a version lack: values of columns, or a table (empty, or derived from another one)."""

    below: int
    table: str
    values: Mapping[str, Value] = field(default_factory=dict)  # where a row has none, or NULL
    source: str = ""  # the table that this one is derived from
    columns: Mapping[str, str] = field(default_factory=dict)  # of a derived table: column -> column of the source

    @property
    def sentence(self) -> str:
        """What it does, for the plan."""
        values = ", ".join(
            f"{name} = {'NULL' if value is None else repr(value)}" for name, value in self.values.items()
        )
        if self.source:
            return f"below {self.below}: {self.table} is derived from {self.source}"
        return f"below {self.below}: {self.table} " + (f"gets {values} where absent" if values else "is empty")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How documents of one origin come to the shape of their database."""

    steps: tuple[Step, ...] = ()
    names: str = AS_IS
    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    drop: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def table(self, name: str) -> str:
        return self.tables.get(name) or self._ruled(name)

    def column(self, table: str, name: str) -> str:
        return self.columns.get(table, {}).get(name) or self._ruled(name)

    def _ruled(self, name: str) -> str:
        return _CAPITAL.sub(lambda capital: f"_{capital[1].lower()}", name) if self.names == CAMEL_TO_SNAKE else name


def rules_from(raw: Mapping[str, Any]) -> Rules:
    """Rules out of their JSON. Raises Usage("bad_rules") with what is wrong."""
    if strange := sorted(raw.keys() - {"steps", "names", "tables", "columns", "drop"}):
        raise _bad(f"there is no rule called {strange[0]}")
    if raw.get("names", AS_IS) not in {AS_IS, CAMEL_TO_SNAKE}:
        raise _bad(f"names is {AS_IS} or {CAMEL_TO_SNAKE}")
    try:
        return Rules(
            steps=tuple(sorted(map(_step, raw.get("steps", ())), key=lambda step: step.below)),
            names=raw.get("names", AS_IS),
            tables=dict(raw.get("tables", {})),
            columns={table: dict(names) for table, names in raw.get("columns", {}).items()},
            drop={table: tuple(names) for table, names in raw.get("drop", {}).items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(f"something has not the right form ({error})") from error


def upgraded(document: Document, rules: Rules, *, version: int | None) -> UpgradedDocument:
    """The document as the database of that declared version needs it; None where none is declared.

    Raises Refused: newer_document, names_collide.
    """
    own = document.summary.version
    if own is not None and version is not None and own > version:
        raise Refused(
            "newer_document",
            f"The document is of version {own} and the database of version {version}: it may hold what the database "
            "has no place for.",
            "Migrate the database first and declare its new version, or use an older document.",
        )
    applied = () if own is None or version is None else tuple(s for s in rules.steps if own < s.below <= version)
    return UpgradedDocument(document, rules, applied, version)


class UpgradedDocument(Document):
    """A document seen through rules. Its rows are changed as they are read."""

    def __init__(self, inner: Document, rules: Rules, steps: Sequence[Step], version: int | None) -> None:
        self._inner = inner
        self._rules = rules
        self._fills: dict[str, dict[str, Value]] = {}
        self._derived: dict[str, Step] = {}
        self._added: list[str] = []
        held = {table.name: table for table in inner.summary.tables}
        took = [step for step in steps if self._take(step, held)]
        self.applied = tuple(step.sentence for step in took)  # what was done, for the plan
        names = [*held, *(name for name in self._added if name not in held)]
        self._origins = {rules.table(name): name for name in names}
        if len(self._origins) != len(names):
            raise _colliding("tables", names)
        tables = tuple(self._described(origin, held) for origin in self._origins.values())
        self.summary = _renewed(inner.summary, tables, version, rules)

    def rows(self, table: str) -> Iterator[Row]:
        origin = self._origins[table]
        fills, gone = self._fills.get(origin, {}), set(self._rules.drop.get(origin, ()))
        columns = self._columns(origin, [*self._inner_columns(origin), *fills])
        fill = {columns[name]: value for name, value in fills.items() if name not in gone}
        for row in self._raw(origin):
            named = {columns[name]: value for name, value in row.items() if name not in gone}
            for name, value in fill.items():
                if named.get(name) is None:
                    named[name] = value
            yield named

    def _take(self, step: Step, held: Mapping[str, DocumentTable]) -> bool:
        """Note what a step does; False when there is nothing to do."""
        there = held.get(step.table)
        if step.source:
            if step.source not in held or (there is not None and there.rows):
                return False
            self._derived[step.table] = step
        elif step.values:
            if there is None and step.table not in self._added:
                return False
            self._fills.setdefault(step.table, {}).update(step.values)
        elif there is not None:
            return False
        if there is None and not step.values:
            self._added.append(step.table)
        return True

    def _raw(self, origin: str) -> Iterator[Row]:
        step = self._derived.get(origin)
        if step is None:
            return self._inner.rows(origin) if origin in self._in_document() else iter(())
        rows = self._inner.rows(step.source)
        return ({new: row[old] for new, old in step.columns.items() if old in row} for row in rows)

    def _in_document(self) -> set[str]:
        return {table.name for table in self._inner.summary.tables}

    def _inner_columns(self, origin: str) -> tuple[str, ...]:
        """The columns before anything is filled, dropped or renamed."""
        step = self._derived.get(origin)
        if step is not None:
            source = self._inner.summary.table(step.source)
            return tuple(new for new, old in step.columns.items() if old in source.columns)
        return self._inner.summary.table(origin).columns if origin in self._in_document() else ()

    def _columns(self, origin: str, names: Sequence[str]) -> dict[str, str]:
        """Old name -> new name of those that stay. Raises Refused("names_collide")."""
        gone = set(self._rules.drop.get(origin, ()))
        columns = {name: self._rules.column(origin, name) for name in names if name not in gone}
        if len(set(columns.values())) != len(columns):
            raise _colliding(f"columns of {origin}", list(columns))
        return columns

    def _described(self, origin: str, held: Mapping[str, DocumentTable]) -> DocumentTable:
        columns = self._columns(origin, [*self._inner_columns(origin), *self._fills.get(origin, {})])
        step = self._derived.get(origin)
        counted = held.get(step.source if step else origin)
        types = held[origin].types if origin in held and step is None else {}
        return DocumentTable(
            name=self._rules.table(origin),
            columns=tuple(columns.values()),
            rows=counted.rows if counted else 0,
            types={columns[name]: kind for name, kind in types.items() if name in columns},
        )


def _renewed(summary: Summary, tables: tuple[DocumentTable, ...], version: int | None, rules: Rules) -> Summary:
    if summary.version is None or version is None:
        problems = summary.problems
        if summary.version is not None and rules.steps:
            problems += (
                Problem(
                    level="warning",
                    code="version_undeclared",
                    text=f"The document is of version {summary.version}; the database's version is not declared, so "
                    "no step of an upgrade was applied.",
                    next_step="Declare the version of the database.",
                ),
            )
        return replace(summary, tables=tables, problems=problems)
    return replace(
        summary, tables=tables, version=version, version_name="" if version != summary.version else summary.version_name
    )


def _step(raw: Mapping[str, Any]) -> Step:
    derive = raw.get("derive", {})
    kinds = [name for name in ("set", "empty", "derive") if raw.get(name)]
    if len(kinds) != 1 or raw.keys() - {"below", "table", *kinds} or derive.keys() - {"from", "columns"}:
        raise _bad("a step has below, table, and one of set, empty and derive")
    return Step(
        below=int(raw["below"]),
        table=str(raw["table"]),
        values=dict(raw.get("set", {})),
        source=str(derive["from"]) if derive else "",
        columns=dict(derive.get("columns", {})),
    )


def _bad(why: str) -> Usage:
    return Usage("bad_rules", f"The rules cannot be read: {why}.", "See docs/formats.md for their form.")


def _colliding(what: str, names: Sequence[str]) -> Refused:
    return Refused(
        "names_collide", f"Two {what} get the same name ({', '.join(names[:20])}).", "Name them by a map in the rules."
    )
