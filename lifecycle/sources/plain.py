"""Numbered SQL files without a tool: `NNNN_description.sql`, with a way back in `NNNN_description.down.sql`.

The ledger is the console's own, in the database that is migrated; it is only used when somebody chooses it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from lifecycle.sources import numbered, reading, statements
from lifecycle.sources.acts import Act, Phase, Unit
from lifecycle.sources.base import Entry, Folder, Ledger, Migration, Place, Refusal, Row, State
from lifecycle.sources.keyed import Keyed

TABLE = "_opsconsole_migrations"
NO_TRANSACTION = "-- no-transaction"  # as the first line of a file
_FILE = re.compile(r"((\d{1,18})_.+?)(\.down)?\.sql")
_CREATE = {
    "postgresql": "CREATE TABLE IF NOT EXISTS {table} (version bigint PRIMARY KEY, name text NOT NULL,"
    " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
    "sqlite": "CREATE TABLE IF NOT EXISTS {table} (version INTEGER PRIMARY KEY, name TEXT NOT NULL,"
    " checksum TEXT NOT NULL, applied_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')))",
}


class Plain(Keyed):
    name: ClassVar[str] = "plain"
    label: ClassVar[str] = "numbered SQL files"
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql", "sqlite"})
    required: ClassVar[frozenset[str]] = frozenset({"version", "name", "checksum", "applied_at"})
    order: ClassVar[str] = "version"
    goes_on: ClassVar[str] = "It is applied all the same."
    minds_not: ClassVar[str] = "Others can be applied all the same."

    def migrations(self, folder: Folder, place: Place) -> tuple[Migration, ...]:
        return numbered.migrations(folder, _files(folder))

    def table(self, options: Mapping[str, str]) -> str:
        return reading.named(options, TABLE)

    def row(self, raw: Mapping[str, Any]) -> Row:
        return Row(
            key=str(raw["version"]),
            name=str(raw["name"]),
            applied_at=reading.moment(raw["applied_at"]),
            checksum=str(raw["checksum"]),
            raw=reading.as_json(raw),
        )

    def differs(self, migration: Migration, row: Row) -> bool:
        return row.checksum != migration.sha256

    def refusals(self, entries: Sequence[Entry], ledger: Ledger) -> list[Refusal]:
        edited = [
            (
                "edited",
                f"{entry.name} was edited after it was applied.",
                "Bring the file as it was applied and write the change as a new migration, or forget it and mark it as"
                " applied once the database is as the file says.",
            )
            for entry in entries
            if entry.state is State.EDITED
        ]
        return super().refusals(entries, ledger) + edited

    def apply(
        self, pending: Sequence[Migration], ledger: Ledger, place: Place, options: Mapping[str, str]
    ) -> tuple[Unit, ...]:
        return tuple(
            Unit(
                title=f"Apply {migration.name}",
                migrations=(migration.key,),
                always=self.created(ledger, place, options) if number == 0 else (),
                phases=(_phase(migration.path, migration.text, migration.key, place, self.marked(migration, options)),),
            )
            for number, migration in enumerate(pending)
        )

    def down(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        migration, text = numbered.way_back(entry, ledger)
        act = self.deleted(migration.key, options)
        return Unit(
            title=f"Take back {migration.name}",
            migrations=(migration.key,),
            direction="down",
            phases=(_phase(migration.down_path, text, migration.key, place, act),),
        )

    def created(self, ledger: Ledger, place: Place, options: Mapping[str, str]) -> tuple[Phase, ...]:
        sql = _CREATE[place.engine].format(table=self.table(options))
        return () if ledger.exists else (Phase(acts=(Act(sql=sql),)),)

    def marked(self, migration: Migration, options: Mapping[str, str]) -> Act:
        sql = f"INSERT INTO {self.table(options)} (version, name, checksum) VALUES (?, ?, ?)"
        return Act(sql=sql, values=(int(migration.key), migration.name, migration.sha256))

    def deleted(self, key: str, options: Mapping[str, str]) -> Act:
        return Act(sql=f"DELETE FROM {self.table(options)} WHERE version = ?", values=(int(key),))


def _phase(path: str, text: str, key: str, place: Place, act: Act) -> Phase:
    transaction = text.split("\n", 1)[0].strip() != NO_TRANSACTION
    if transaction:
        statements.require_own_transaction(path, text, place, NO_TRANSACTION)
    return Phase(transaction=transaction, acts=(Act(sql=text, script=True, migration=key), act))


def _files(folder: Folder) -> Iterator[numbered.File]:
    for path in folder.files:
        if (found := _FILE.fullmatch(path)) and "/" not in path:
            yield numbered.File(int(found[2]), path, found[1], down=bool(found[3]))
