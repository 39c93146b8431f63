"""The rows of a database that foreign content was put or found in, and what is said of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lifecycle.documents.base import Row
from lifecycle.documents.reading import Findings, Heading

if TYPE_CHECKING:
    from opsconsole.engines.sqlite.untrusted import Defined, Untrusted

LEDGER = "d1_migrations"  # D1's own record of migrations, which belongs to the database and not to its data
_RUNTIME = ("_cf_", "_opsconsole_", "sqlite_")
_MOST_NAMES = 12
_EXACT = 1 << 53  # beyond it a double skips integers
_SHADOWS = re.compile(r"(.+)_(?:data|idx|content|docsize|config|segments|segdir|stat|node|rowid|parent)", re.DOTALL)


def is_left_out(name: str) -> bool:
    """Whether a table belongs to the runtime or the console, and not to the data."""
    return name.lower() == LEDGER or name.lower().startswith(_RUNTIME)


class Content:
    """Reads every table of data; the others are named."""

    def __init__(self, database: Untrusted, findings: Findings) -> None:
        self._database = database
        self._findings = findings
        self.beyond_double: Counter[tuple[str, str]] = Counter()  # integers by (table, column)

    def rows(self) -> Iterator[tuple[str, Row | None]]:
        """As `Reader.rows`, in the order in which the tables were created."""
        schema = self._database.schema()
        tables = [item for item in schema if item.kind == "table" and not item.is_virtual]
        shadows = _shadows(schema)
        self._tell_definitions(schema)
        left_out = []
        for table in tables:
            if is_left_out(table.name) or table.name in shadows:
                left_out.append(table.name)
            else:
                yield from self._table(table.name)
        self._tell_left_out([name for name in left_out if name != "sqlite_sequence"], schema)

    def _table(self, name: str) -> Iterator[tuple[str, Row | None]]:
        columns = self._database.columns(name)
        self._findings.types[name] = {column: kind for column, kind, _ in columns}
        stored = [column for column, _, generated in columns if not generated]
        yield name, None
        for values in self._database.rows(name, stored):
            row = dict(zip(stored, values, strict=False))
            self._look_at_integers(name, row)
            yield name, row

    def _look_at_integers(self, table: str, row: dict[str, Any]) -> None:
        for column, value in row.items():
            if type(value) is int and not -_EXACT <= value <= _EXACT:
                self.beyond_double[table, column] += 1

    def _tell_left_out(self, names: list[str], schema: list[Defined]) -> None:
        if any(item.name == "sqlite_sequence" for item in schema):
            names.append("sqlite_sequence")
        if not names:
            return
        counted = ", ".join(f"{name[:60]} ({_rows(self._database.count(name))})" for name in names[:_MOST_NAMES])
        counted += f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        self._findings.note(
            "runtime_tables", f"These belong to the runtime or to an index and are not taken over: {counted}."
        )
        if LEDGER in names:
            newest = self._newest_migration()
            heading = self._findings.heading
            self._findings.heading = Heading(
                version=heading.version, version_name=newest, exported_at=heading.exported_at, engine=heading.engine
            )

    def _tell_definitions(self, schema: list[Defined]) -> None:
        """What the data's own objects are defined as; their texts are compared, and never run."""
        for item in schema:
            if item.sql and not is_left_out(item.name) and not is_left_out(item.table):
                self._findings.define(item.kind, item.name, item.sql)

    def _newest_migration(self) -> str:
        columns = {column for column, _, _ in self._database.columns(LEDGER)}
        if "name" not in columns:
            return ""
        newest = ""
        for (name,) in self._database.rows(LEDGER, ["name"]):
            newest = str(name) if name else newest
            self._findings.applied(str(name or ""))
        return newest[:200]


def _rows(number: int) -> str:
    return f"{number} row{'' if number == 1 else 's'}"


def _shadows(schema: list[Defined]) -> set[str]:
    """Tables in which virtual ones keep what they derive."""
    virtual = {item.name for item in schema if item.is_virtual}
    named = ((item.name, _SHADOWS.fullmatch(item.name)) for item in schema)
    return {name for name, match in named if match and match[1] in virtual}
