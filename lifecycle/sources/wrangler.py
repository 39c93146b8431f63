"""Wrangler's migrations of D1: files in order of their numbers, each one batch together with its row in the ledger.

Facts were seen with wrangler 4.86 and its local D1; the file name is all that it remembers of a migration.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from lifecycle.sources import d1, reading
from lifecycle.sources.acts import Act, Phase, Unit
from lifecycle.sources.base import Folder, Ledger, Migration, Place, Row
from lifecycle.sources.files import text_of
from lifecycle.sources.keyed import Keyed
from lifecycle.sources.wrangler_config import databases, matching

TABLE = "d1_migrations"
_NUMBER = re.compile(r"\s*([+-]?\d+)")  # as parseInt reads one
# Its own text, because SQLite keeps it: the ledger is then the same whoever made it.
_CREATE = """CREATE TABLE IF NOT EXISTS {table}(
		id         INTEGER PRIMARY KEY AUTOINCREMENT,
		name       TEXT UNIQUE,
		applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)"""


class Wrangler(Keyed):
    """`table` and `pattern` are its options: the ledger's name, and which files below the folder are migrations."""

    name: ClassVar[str] = "wrangler"
    label: ClassVar[str] = "Wrangler (D1)"
    engines: ClassVar[frozenset[str]] = frozenset({"sqlite"})
    foreign_keys: ClassVar[bool | None] = True  # D1 always enforces them
    required: ClassVar[frozenset[str]] = frozenset({"name"})
    order: ClassVar[str] = "id"
    goes_on: ClassVar[str] = "Wrangler applies it all the same."
    minds_not: ClassVar[str] = "Wrangler does not mind."

    def migrations(self, folder: Folder, place: Place) -> tuple[Migration, ...]:
        pattern = folder.options.get("pattern", "")
        names = matching(folder.files, pattern or "*.sql")
        return tuple(
            Migration(key=name, name=name, path=name, text=text_of(folder, name))
            for name in (_by_segments(names) if pattern else _by_number(names))
        )

    def table(self, options: Mapping[str, str]) -> str:
        return reading.plain(options.get("table") or TABLE, "ledger")

    def row(self, raw: Mapping[str, Any]) -> Row:
        name, when = str(raw["name"] or ""), reading.moment(raw.get("applied_at"))
        return Row(key=name, name=name, applied_at=when, raw=reading.as_json(raw))

    def created(self, ledger: Ledger, place: Place, options: Mapping[str, str]) -> tuple[Phase, ...]:
        return () if ledger.exists else (Phase(acts=(Act(sql=_CREATE.format(table=self.table(options))),)),)

    def marked(self, migration: Migration, options: Mapping[str, str]) -> Act:
        return Act(sql=f"INSERT INTO {self.table(options)} (name) VALUES (?)", values=(migration.key,))

    def deleted(self, key: str, options: Mapping[str, str]) -> Act:
        return Act(sql=f"DELETE FROM {self.table(options)} WHERE name = ?", values=(key,))

    def apply(
        self, pending: Sequence[Migration], ledger: Ledger, place: Place, options: Mapping[str, str]
    ) -> tuple[Unit, ...]:
        """Raises Refused for a file of which D1 is known to take no statement of it, or of which its end is missing."""
        for migration in pending:
            d1.require_accepted(migration)
        return tuple(
            Unit(
                title=f"Apply {migration.name}",
                migrations=(migration.key,),
                always=self.created(ledger, place, options) if number == 0 else (),
                phases=(
                    Phase(
                        transaction=True,
                        acts=(
                            Act(sql=d1.trimmed(migration.text), script=True, migration=migration.key),
                            self.marked(migration, options),
                        ),
                    ),
                ),
            )
            for number, migration in enumerate(pending)
        )

    def configured(self, project: Folder) -> Sequence[Mapping[str, str]]:
        return databases(project)

    def remarks(self, migrations: Sequence[Migration], place: Place) -> list[tuple[str, str]]:
        return [(migration.key, sentence) for migration in migrations for sentence in d1.remarks(migration)]


def _by_number(names: Sequence[str]) -> list[str]:
    """By name as JavaScript compares it, then by the number before the first `_`; without numbers it keeps its place.

    Both sorts are the same algorithm in both languages, so that even an order that is none comes out alike.
    """

    def compared(one: str, other: str) -> int:
        first, second = _number(one.split("_", 1)[0]), _number(other.split("_", 1)[0])
        if first is None or second is None:
            return 0
        return (first > second) - (first < second)

    return sorted(sorted(names, key=_utf16), key=functools.cmp_to_key(compared))


def _by_segments(names: Sequence[str]) -> list[str]:
    """As newer versions do for a pattern: segment by segment, numbered ones first and by number, then by text."""

    def rank(name: str) -> list[tuple[bool, int, bytes]]:
        numbers = [(_number(part.split("_", 1)[0]), part) for part in name.split("/")]
        return [(number is None, number or 0, _utf16(part)) for number, part in numbers]

    return sorted(names, key=rank)


def _number(text: str) -> int | None:
    found = _NUMBER.match(text)
    return int(found[1]) if found else None


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-be", "surrogatepass")
