"""Drizzle from 1.0 on: one folder a migration, and a ledger that remembers their names.

Seen with drizzle-kit and drizzle-orm 1.0.0-rc. A ledger of 0.x is upgraded before anything else: two columns are added,
and each old row gets the name of the folder whose time is its own to the second (of several the one with its hash, and
by hash alone where no time fits); a row that fits none ends the run. A row without a name counts for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from lifecycle.sources import drizzle_files, drizzle_ledger, reading
from lifecycle.sources.acts import Act, Measured, Phase, Unit
from lifecycle.sources.base import Entry, Folder, Ledger, Migration, Place, Refusal, Row, Source, State
from lifecycle.sources.files import text_of
from lifecycle.sources.locale_order import in_locale_order
from opsconsole.engines.scripting import Script
from opsconsole.exceptions import Refused

_FILE = "/migration.sql"
_DIGITS = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)")
_TIME, _SIBLINGS = "time", "siblings"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CREATE = {
    "postgresql": """CREATE TABLE IF NOT EXISTS {table} (
				id SERIAL PRIMARY KEY,
				hash text NOT NULL,
				created_at bigint,
				name text,
				applied_at timestamp with time zone DEFAULT now()
			)""",
    "sqlite": """CREATE TABLE IF NOT EXISTS {table} (
			id INTEGER PRIMARY KEY,
			hash text NOT NULL,
			created_at numeric,
			name text,
			applied_at TEXT
		)""",
}
_ADD = {
    "postgresql": (
        'ADD COLUMN IF NOT EXISTS "name" text',
        'ADD COLUMN IF NOT EXISTS "applied_at" timestamp with time zone DEFAULT now()',
    ),
    "sqlite": ('ADD COLUMN "name" text', 'ADD COLUMN "applied_at" TEXT'),
}


@dataclass(frozen=True)
class _Sibling:
    """What an upgrade has to know of every folder."""

    name: str
    time: int
    sha256: str


class Drizzle1(Source):
    """`table` and `schema` are its options. A migration's key is its folder's name."""

    name: ClassVar[str] = "drizzle1"
    label: ClassVar[str] = "Drizzle 1.x"
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql", "sqlite"})
    foreign_keys: ClassVar[bool | None] = None  # libsql's client, which drizzle-kit prefers, switches them off
    together: ClassVar[bool] = True

    def migrations(self, folder: Folder, place: Place) -> tuple[Migration, ...]:
        if drizzle_files.JOURNAL in folder.files:
            raise Refused(
                "folder_of_drizzle_0",
                "This folder has a journal (meta/_journal.json): Drizzle 1.x refuses it until it is converted.",
                "Use tool=drizzle, or run `drizzle-kit up` in the repository and bring the folder again.",
            )
        names = [path[: -len(_FILE)] for path in folder.files if path.endswith(_FILE) and path.count("/") == 1]
        texts = {name: text_of(folder, name + _FILE) for name in in_locale_order(names)}
        plain = [
            Migration(key=name, name=name, path=name + _FILE, text=text, facts={_TIME: _time(name)})
            for name, text in texts.items()
        ]
        siblings = tuple(_Sibling(each.name, each.facts[_TIME], each.sha256) for each in plain)
        return tuple(
            Migration(
                key=each.key, name=each.name, path=each.path, text=each.text, facts={**each.facts, _SIBLINGS: siblings}
            )
            for each in plain
        )

    def ledger(self, script: Script, place: Place, options: Mapping[str, str]) -> Ledger:
        return drizzle_ledger.read(script, place, options)

    def compare(self, migrations: Sequence[Migration], ledger: Ledger) -> tuple[Entry, ...]:
        rows = _named(migrations, ledger)
        nameless = [row for row in ledger.rows if row.key not in {held.key for held in rows.values()}]
        known = [_entry(each, rows.get(each.name), nameless, ledger) for each in migrations]
        held = {entry.row.key for entry in known if entry.row}
        siblings = _siblings(migrations)
        gone = [_stranger(row, ledger, siblings) for row in ledger.rows if row.key not in held]
        return reading.merged(known, gone, ledger.rows)

    def refusals(self, entries: Sequence[Entry], ledger: Ledger) -> list[Refusal]:
        found = drizzle_ledger.foreign(ledger)
        if ledger.exists and not found and not drizzle_ledger.is_upgraded(ledger):
            siblings = _siblings([entry.migration for entry in entries if entry.migration])
            if unmatched := sum(1 for row in ledger.rows if not _match(row, siblings)):
                found.append(_unmatched(ledger, unmatched))
        if again := [entry.name for entry in entries if entry.state is State.PENDING and entry.row]:
            found.append(
                (
                    "row_without_name",
                    f"{ledger.table} has a row without a name for {', '.join(again)}, as Drizzle 0.x writes it: Drizzle"
                    " 1.x does not see it and would run the file again.",
                    "Mark the migration as applied, which writes its row with the name.",
                )
            )
        return found

    def apply(
        self, pending: Sequence[Migration], ledger: Ledger, place: Place, options: Mapping[str, str]
    ) -> tuple[Unit, ...]:
        """Raises Refused for a file that would end the transaction, and for old rows that fit no folder."""
        drizzle_files.require_whole(pending, place)
        acts: list[Act] = []
        for migration in pending:
            acts += [*drizzle_files.acts(migration), _inserted(migration, place, options)]
        always = _prepared(pending[0], ledger, place, options) if pending else ()
        return drizzle_ledger.together(pending, acts, always)

    def mark(self, migration: Migration, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        drizzle_ledger.require_absent(migration, migration.name in _named([migration], ledger))
        always = _prepared(migration, ledger, place, options)
        return drizzle_ledger.marked(migration, _inserted(migration, place, options), always)

    def forget(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        if entry.row is None:
            raise Refused("not_applied", f"{entry.name} is not in the ledger.", "There is nothing to forget.")
        return drizzle_ledger.forgotten(entry.row, entry.name, place, options)

    def configured(self, project: Folder) -> Sequence[Mapping[str, str]]:
        return drizzle_files.configured(project, journal=False)

    def remarks(self, migrations: Sequence[Migration], place: Place) -> list[tuple[str, str]]:
        return drizzle_files.remarks(migrations, place)


def _time(name: str) -> int:
    """The folder's first 14 digits as UTC in milliseconds, as `Date.UTC` counts them: a month 13 is January after."""
    match = _DIGITS.match(name)
    if not match or not 100 <= int(match[1]) < 9000:
        raise Refused(
            "name_without_time",
            f"The folder {name} does not begin with a time (YYYYMMDDHHMMSS): Drizzle could not write its row.",
            "Give it the name that drizzle-kit would give it.",
        )
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    first = datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)
    span = first - _EPOCH + timedelta(days=day - 1, hours=hour, minutes=minute, seconds=second)
    return int(span.total_seconds()) * 1000


def _named(migrations: Sequence[Migration], ledger: Ledger) -> dict[str, Row]:
    """Rows by the name of their migration: as they say it, or as an upgrade will say it."""
    if drizzle_ledger.is_upgraded(ledger):
        return {row.name: row for row in reversed(ledger.rows) if row.name}
    matched = ((_match(row, _siblings(migrations)), row) for row in reversed(ledger.rows))
    return {found.name: row for found, row in matched if found}


def _siblings(migrations: Sequence[Migration]) -> tuple[_Sibling, ...]:
    """All folders, which each migration knows of."""
    return migrations[0].facts[_SIBLINGS] if migrations else ()


def _match(row: Row, siblings: Sequence[_Sibling]) -> _Sibling | None:
    """The folder of an old row, as the upgrade finds it."""
    time = drizzle_ledger.milliseconds(row)
    of_time = [each for each in siblings if time is not None and each.time == time // 1000 * 1000]
    if len(of_time) == 1:
        return of_time[0]
    of_hash = [each for each in of_time or siblings if each.sha256 == row.checksum]
    return of_hash[0 if of_time else -1] if of_hash else None


def _entry(migration: Migration, row: Row | None, nameless: Sequence[Row], ledger: Ledger) -> Entry:
    if row is None:
        if drizzle_ledger.is_upgraded(ledger) and (blind := _blind(migration, nameless)):
            said = "Applied, by a row without a name, which Drizzle 1.x does not see: it would run the file again."
            return Entry(state=State.PENDING, sentence=said, migration=migration, row=blind)
        return Entry(state=State.PENDING, sentence="Not applied yet.", migration=migration)
    old = "" if drizzle_ledger.is_upgraded(ledger) else " The ledger is of 0.x, and the next run upgrades it."
    if row.checksum == migration.sha256:
        said = f"Applied{reading.told(row.applied_at)}.{old}"
        return Entry(state=State.APPLIED, sentence=said, migration=migration, row=row)
    said = f"Applied{reading.told(row.applied_at)}, and its file is another one now: the hashes differ.{old}"
    return Entry(state=State.EDITED, sentence=said, migration=migration, row=row)


def _blind(migration: Migration, nameless: Sequence[Row]) -> Row | None:
    """A row without a name that is of this migration."""
    rows = [row for row in nameless if not row.name]
    return next((row for row in rows if _match(row, migration.facts[_SIBLINGS]) == _sibling(migration)), None)


def _sibling(migration: Migration) -> _Sibling:
    return _Sibling(migration.name, migration.facts[_TIME], migration.sha256)


def _stranger(row: Row, ledger: Ledger, siblings: Sequence[_Sibling]) -> Entry:
    said = f"Applied{reading.told(row.applied_at)}; there is no folder of that name. Drizzle does not mind."
    if not drizzle_ledger.is_upgraded(ledger) and (found := _match(row, siblings)):
        said = f"A second row of {found.name}."
    elif not drizzle_ledger.is_upgraded(ledger):
        said = "Applied by Drizzle 0.x; no folder has its time or its hash, and the ledger cannot be upgraded with it."
    elif not row.name:
        said = "A row without a name, which Drizzle 1.x does not see."
    return Entry(state=State.UNKNOWN, row=row, sentence=said)


def _unmatched(ledger: Ledger, count: int) -> Refusal:
    return (
        "rows_unmatched",
        f"{ledger.table} is of Drizzle 0.x and must be upgraded, but {count} of its rows fit no folder: Drizzle 1.x"
        " refuses to run.",
        "Bring the folders of what was applied back, or forget those rows.",
    )


def _prepared(migration: Migration, ledger: Ledger, place: Place, options: Mapping[str, str]) -> tuple[Phase, ...]:
    """What Drizzle does to its ledger before anything else, and what stays: create it, or upgrade it."""
    if not ledger.exists or drizzle_ledger.is_upgraded(ledger):
        return drizzle_ledger.created(ledger, place, options, _CREATE[place.engine])
    name = reading.quoted(drizzle_ledger.table(place, options))
    adding = [Act(sql=f"ALTER TABLE {name} {words}") for words in _ADD[place.engine]]
    naming = list(_naming(name, ledger.rows, migration.facts[_SIBLINGS]))
    return (Phase(transaction=True, acts=(*adding, *naming)),)


def _naming(name: str, rows: Sequence[Row], siblings: Sequence[_Sibling]) -> Iterator[Act]:
    for row in rows:
        found = _match(row, siblings)
        if found is None:
            raise Refused(*_unmatched(Ledger(table=name.replace('"', ""), exists=True), 1))
        where, values = drizzle_ledger.identified(row)
        yield Act(sql=f'UPDATE {name} SET "name" = ?, "applied_at" = NULL WHERE {where}', values=(found.name, *values))


def _inserted(migration: Migration, place: Place, options: Mapping[str, str]) -> Act:
    values: dict[str, Any] = {
        "hash": migration.sha256,
        "created_at": migration.facts[_TIME],
        "name": migration.name,
    }
    if place.engine == "sqlite":
        values["applied_at"] = Measured.NOW_Z
    return drizzle_ledger.inserted(place, options, values)
