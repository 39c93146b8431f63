"""Drizzle up to 0.x: a journal of times, and a ledger that remembers the greatest of them.

Seen with drizzle-kit 0.31 and drizzle-orm 0.45. What counts is the journal's `when`: an entry whose time is not after
the newest row's is never looked at again, whether it was applied or not. Hashes are written and never compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from lifecycle.sources import drizzle_files, drizzle_ledger, reading
from lifecycle.sources.acts import Act, Unit
from lifecycle.sources.base import Entry, Folder, Ledger, Migration, Place, Refusal, Row, Source, State
from lifecycle.sources.files import text_of
from opsconsole.engines.scripting import Script
from opsconsole.exceptions import Refused

_DIALECTS = {"postgresql": frozenset({"pg", "postgresql"}), "sqlite": frozenset({"sqlite", "turso"})}
_CREATE = {
    "postgresql": """CREATE TABLE IF NOT EXISTS {table} (
				id SERIAL PRIMARY KEY,
				hash text NOT NULL,
				created_at bigint
			)""",
    "sqlite": """CREATE TABLE IF NOT EXISTS {table} (
			id SERIAL PRIMARY KEY,
			hash text NOT NULL,
			created_at numeric
		)""",
}
_WHEN = "when"


class Drizzle(Source):
    """`table` and `schema` are its options. A migration's key is its `when`."""

    name: ClassVar[str] = "drizzle"
    label: ClassVar[str] = "Drizzle 0.x"
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql", "sqlite"})
    foreign_keys: ClassVar[bool | None] = None  # libsql's client, which drizzle-kit prefers, switches them off
    together: ClassVar[bool] = True

    def migrations(self, folder: Folder, place: Place) -> tuple[Migration, ...]:
        found: list[Migration] = []
        taken: set[str] = set()
        for tag, when in _journal(folder, place):
            path = f"{tag}.sql"
            if path not in folder.files:
                raise Refused(
                    "file_missing",
                    f"The journal names {path}, and the folder has no such file: Drizzle refuses to run any of them.",
                    "Bring the file back, or take its entry out of the journal.",
                )
            key = drizzle_ledger.own_key(str(when), taken)
            text = text_of(folder, path)
            found.append(Migration(key=key, name=tag, path=path, text=text, facts={_WHEN: when}))
        return tuple(found)

    def ledger(self, script: Script, place: Place, options: Mapping[str, str]) -> Ledger:
        ledger = drizzle_ledger.read(script, place, options)
        newest = _newest(ledger.rows, place)
        return Ledger(table=ledger.table, exists=ledger.exists, rows=ledger.rows, facts={**ledger.facts, **newest})

    def compare(self, migrations: Sequence[Migration], ledger: Ledger) -> tuple[Entry, ...]:
        claims = _claims(migrations, ledger.rows)
        known = [_entry(each, claims.get(each.key), ledger.facts.get("newest")) for each in migrations]
        held = {entry.row.key for entry in known if entry.row}
        gone = [
            Entry(state=State.UNKNOWN, row=row, sentence="Applied; no entry of the journal has its time or its text.")
            for row in ledger.rows
            if row.key not in held
        ]
        return reading.merged(known, gone, ledger.rows)

    def refusals(self, entries: Sequence[Entry], ledger: Ledger) -> list[Refusal]:
        found = drizzle_ledger.foreign(ledger) + _too_new(ledger)
        if ledger.facts.get("timeless"):
            found.append(
                (
                    "row_without_time",
                    f"A row of {ledger.table} has no created_at: Drizzle takes it for the newest one and for older than"
                    " every file, and would run all of them again.",
                    "Find out which migration the row is of, and give it that entry's time from the journal.",
                )
            )
        return found + _rewritten(entries)

    def passed_over(self, chosen: Sequence[Migration], entries: Sequence[Entry]) -> list[Migration]:
        keys, newest = {each.key for each in chosen}, max((each.facts[_WHEN] for each in chosen), default=0)
        others = [each.migration for each in entries if each.state is State.PENDING and each.migration]
        return [each for each in others if each.key not in keys and each.facts[_WHEN] <= newest]

    def apply(
        self, pending: Sequence[Migration], ledger: Ledger, place: Place, options: Mapping[str, str]
    ) -> tuple[Unit, ...]:
        """Raises Refused for a table of Drizzle 1.x, and for a file that would end the transaction."""
        drizzle_ledger.require(_too_new(ledger))
        drizzle_files.require_whole(pending, place)
        acts: list[Act] = []
        for migration in pending:
            acts += [*drizzle_files.acts(migration), _inserted(migration, place, options)]
        always = drizzle_ledger.created(ledger, place, options, _CREATE[place.engine])
        return drizzle_ledger.together(pending, acts, always)

    def mark(self, migration: Migration, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        """Raises Refused for one that the ledger holds, and for a table of Drizzle 1.x."""
        drizzle_ledger.require(_too_new(ledger))
        drizzle_ledger.require_absent(migration, any(_same_time(migration, row) for row in ledger.rows))
        always = drizzle_ledger.created(ledger, place, options, _CREATE[place.engine])
        return drizzle_ledger.marked(migration, _inserted(migration, place, options), always)

    def forget(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        """Raises Refused for any but the newest row: Drizzle would not look at that migration all the same."""
        if entry.row is None:
            raise Refused("not_applied", f"{entry.name} is not in the ledger.", "There is nothing to forget.")
        others = [drizzle_ledger.milliseconds(row) or 0 for row in ledger.rows if row.key != entry.row.key]
        if max(others, default=-1) >= (drizzle_ledger.milliseconds(entry.row) or 0):
            raise Refused(
                "no_effect",
                f"Forgetting {entry.name} has no effect: newer rows stand in {ledger.table}, and Drizzle looks only at"
                " the newest.",
                "Forget the newer ones first, or write a new migration.",
            )
        return drizzle_ledger.forgotten(entry.row, entry.name, place, options)

    def configured(self, project: Folder) -> Sequence[Mapping[str, str]]:
        return drizzle_files.configured(project, journal=True)

    def remarks(self, migrations: Sequence[Migration], place: Place) -> list[tuple[str, str]]:
        return drizzle_files.remarks(migrations, place)


def _journal(folder: Folder, place: Place) -> Iterator[tuple[str, int]]:
    """(tag, when) in the journal's own order."""
    try:
        journal = json.loads(folder.files[drizzle_files.JOURNAL])
        entries = [(each["tag"], each[_WHEN]) for each in journal["entries"]]
        dialect = journal.get("dialect", "")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Refused(
            "journal_unreadable",
            f"{drizzle_files.JOURNAL} cannot be read: {type(error).__name__}.",
            "Bring the folder that holds meta/, as drizzle-kit wrote it.",
        ) from None
    if dialect not in _DIALECTS[place.engine]:
        raise Refused(
            "other_dialect",
            f"The journal is for {dialect or 'no'} databases, and this one is {place.engine}.",
            "Bring the folder that was made for this database.",
        )
    for tag, when in entries:
        if not isinstance(tag, str) or not isinstance(when, int):
            raise Refused(
                "journal_unreadable",
                f"{drizzle_files.JOURNAL} has an entry whose tag or time is none: {tag!r}, {when!r}.",
                "Mend the entry as drizzle-kit would write it.",
            )
        yield tag, when


def _newest(rows: Sequence[Row], place: Place) -> dict[str, Any]:
    """The time with which the journal is compared. PostgreSQL puts rows without a time before all others."""
    times = [drizzle_ledger.milliseconds(row) for row in rows]
    known = [time for time in times if time is not None]
    timeless = place.engine == "postgresql" and len(known) < len(times)
    return {"newest": 0 if timeless else max(known, default=None), "timeless": timeless}


def _claims(migrations: Sequence[Migration], rows: Sequence[Row]) -> dict[str, Row]:
    """Which row is which migration's: by time and hash, else by time, else by hash (the journal was rewritten)."""
    claims: dict[str, Row] = {}
    left = list(rows)
    for same in (_same_both, _same_time, _same_hash):
        for migration in migrations:
            if migration.key not in claims:
                found = next((row for row in left if same(migration, row)), None)
                if found:
                    claims[migration.key] = found
                    left.remove(found)
    return claims


def _same_time(migration: Migration, row: Row) -> bool:
    return drizzle_ledger.milliseconds(row) == migration.facts[_WHEN]


def _same_hash(migration: Migration, row: Row) -> bool:
    return row.checksum == migration.sha256


def _same_both(migration: Migration, row: Row) -> bool:
    return _same_time(migration, row) and _same_hash(migration, row)


def _entry(migration: Migration, row: Row | None, newest: int | None) -> Entry:
    when = migration.facts[_WHEN]
    if row and _same_both(migration, row):
        return Entry(state=State.APPLIED, sentence="Applied.", migration=migration, row=row)
    if row and _same_time(migration, row):
        said = "Applied, and its file is another one now: the hashes differ. Drizzle does not compare them."
        return Entry(state=State.EDITED, sentence=said, migration=migration, row=row)
    if newest is None or when > newest:
        said = "Not applied yet."
        if row:
            said = "Its text was applied under another time, and Drizzle would run it again: the journal was rewritten."
        return Entry(state=State.PENDING, sentence=said, migration=migration, row=row)
    if row:
        said = "Applied under another time: the journal was rewritten since."
        return Entry(state=State.APPLIED, sentence=said, migration=migration, row=row)
    said = (
        f"Never applied, and Drizzle will never look at it: its time in the journal ({_told(when)}) is not after that"
        f" of the newest applied one ({_told(newest)})."
    )
    return Entry(state=State.SKIPPED, sentence=said, migration=migration)


def _rewritten(entries: Sequence[Entry]) -> list[Refusal]:
    """Why files whose very text was applied before are not run again, although Drizzle would do so."""
    again = [entry.name for entry in entries if entry.state is State.PENDING and entry.row]
    if not again:
        return []
    return [
        (
            "would_run_again",
            f"The very text of {', '.join(again)} was applied under another time: the journal was rewritten, and"
            " Drizzle would run it again.",
            "Mark it as applied, which writes a row of its new time; or bring the journal back as it was.",
        )
    ]


def _told(milliseconds: int) -> str:
    try:
        return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return str(milliseconds)


def _too_new(ledger: Ledger) -> list[Refusal]:
    if not drizzle_ledger.is_upgraded(ledger):
        return []
    return [
        (
            "ledger_of_drizzle_1",
            f"{ledger.table} was made or upgraded by Drizzle 1.x, which knows migrations by name: it would run again"
            " what a row without a name tells of.",
            "Run `drizzle-kit up` in the repository and bring the folder again; use tool=drizzle1.",
        )
    ]


def _inserted(migration: Migration, place: Place, options: Mapping[str, str]) -> Act:
    values = {"hash": migration.sha256, "created_at": migration.facts[_WHEN]}
    return drizzle_ledger.inserted(place, options, values)
