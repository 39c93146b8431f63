"""Wrangler's migrations of D1: files in order of their numbers, each one batch together with its row in the ledger.

Facts were seen with wrangler 4.86 and its local D1; the file name is all that it remembers of a migration.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from lifecycle.sources import d1, reading
from lifecycle.sources.acts import Act, Phase, Unit
from lifecycle.sources.base import Entry, Folder, Ledger, Migration, Place, Refusal, Row, Source, State
from lifecycle.sources.files import text_of
from lifecycle.sources.wrangler_config import databases, matching
from opsconsole.engines.scripting import Script
from opsconsole.exceptions import Refused

TABLE = "d1_migrations"
_NUMBER = re.compile(r"\s*([+-]?\d+)")  # as parseInt reads one
# Its own text, because SQLite keeps it: the ledger is then the same whoever made it.
_CREATE = """CREATE TABLE IF NOT EXISTS {table}(
		id         INTEGER PRIMARY KEY AUTOINCREMENT,
		name       TEXT UNIQUE,
		applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)"""


class Wrangler(Source):
    """`table` and `pattern` are its options: the ledger's name, and which files below the folder are migrations."""

    name: ClassVar[str] = "wrangler"
    label: ClassVar[str] = "Wrangler (D1)"
    engines: ClassVar[frozenset[str]] = frozenset({"sqlite"})
    foreign_keys: ClassVar[bool | None] = True  # D1 always enforces them

    def migrations(self, folder: Folder, place: Place) -> tuple[Migration, ...]:
        pattern = folder.options.get("pattern", "")
        names = matching(folder.files, pattern or "*.sql")
        return tuple(
            Migration(key=name, name=name, path=name, text=text_of(folder, name))
            for name in (_by_segments(names) if pattern else _by_number(names))
        )

    def ledger(self, script: Script, place: Place, options: Mapping[str, str]) -> Ledger:
        table = _table(options)
        names = reading.columns(script, table)
        if "name" not in names:
            return Ledger(table=table, exists=bool(names), facts={"columns": list(names)})
        found = reading.rows(script, table, names, "ORDER BY id" if "id" in names else "")
        rows = tuple(
            Row(
                key=str(row["name"] or ""),
                name=str(row["name"] or ""),
                applied_at=reading.moment(row.get("applied_at")),
                raw=reading.as_json(row),
            )
            for row in found
        )
        return Ledger(table=table, exists=True, rows=rows, facts={"columns": list(names)})

    def compare(self, migrations: Sequence[Migration], ledger: Ledger) -> tuple[Entry, ...]:
        of_key = {row.key: row for row in ledger.rows}
        files = {migration.key for migration in migrations}
        known = [_entry(migration, of_key.get(migration.key), migrations, set(of_key)) for migration in migrations]
        gone = [
            Entry(
                state=State.UNKNOWN,
                row=row,
                sentence=f"Applied{reading.told(row.applied_at)}; the folder has no such file. Wrangler does not mind.",
            )
            for row in ledger.rows
            if row.key not in files
        ]
        return reading.merged(known, gone, ledger.rows)

    def refusals(self, entries: Sequence[Entry], ledger: Ledger) -> list[Refusal]:
        if not ledger.exists or "name" in ledger.facts.get("columns", ["name"]):
            return []
        return [
            (
                "ledger_foreign",
                f"{ledger.table} is no ledger of wrangler: it has no column called name.",
                "Give the ledger's name as migrations_table in wrangler's configuration.",
            )
        ]

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
                always=_created(ledger, options) if number == 0 else (),
                phases=(
                    Phase(
                        transaction=True,
                        acts=(
                            Act(sql=d1.trimmed(migration.text), script=True, migration=migration.key),
                            _inserted(migration, options),
                        ),
                    ),
                ),
            )
            for number, migration in enumerate(pending)
        )

    def mark(self, migration: Migration, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        if any(row.key == migration.key for row in ledger.rows):
            raise Refused("already_applied", f"{migration.name} is in the ledger.", "There is nothing to mark.")
        return Unit(
            title=f"Mark {migration.name} as applied",
            migrations=(migration.key,),
            direction="none",
            always=_created(ledger, options),
            phases=(Phase(transaction=True, acts=(_inserted(migration, options),)),),
        )

    def forget(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        if entry.row is None:
            raise Refused("not_applied", f"{entry.name} is not in the ledger.", "There is nothing to forget.")
        act = Act(sql=f"DELETE FROM {_table(options)} WHERE name = ?", values=(entry.key,))
        return Unit(
            title=f"Forget {entry.name}",
            migrations=(entry.key,),
            direction="none",
            phases=(Phase(transaction=True, acts=(act,)),),
        )

    def configured(self, project: Folder) -> Sequence[Mapping[str, str]]:
        return databases(project)

    def remarks(self, migrations: Sequence[Migration], place: Place) -> list[tuple[str, str]]:
        return [(migration.key, sentence) for migration in migrations for sentence in d1.remarks(migration)]


def _entry(migration: Migration, row: Row | None, migrations: Sequence[Migration], applied: set[str]) -> Entry:
    if row:
        said = f"Applied{reading.told(row.applied_at)}."
        return Entry(state=State.APPLIED, sentence=said, migration=migration, row=row)
    said = "Not applied yet."
    if later := reading.late(migration, migrations, applied):
        said = f"Not applied, although {later} behind it is. Wrangler applies it all the same."
    return Entry(state=State.PENDING, sentence=said, migration=migration)


def _table(options: Mapping[str, str]) -> str:
    return reading.plain(options.get("table") or TABLE, "ledger")


def _created(ledger: Ledger, options: Mapping[str, str]) -> tuple[Phase, ...]:
    return () if ledger.exists else (Phase(acts=(Act(sql=_CREATE.format(table=_table(options))),)),)


def _inserted(migration: Migration, options: Mapping[str, str]) -> Act:
    return Act(sql=f"INSERT INTO {_table(options)} (name) VALUES (?)", values=(migration.key,))


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
