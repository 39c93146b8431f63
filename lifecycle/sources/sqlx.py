"""sqlx's migrations: numbered files whose SHA-384 the ledger keeps, each in a transaction of its own.

Facts are from the source of sqlx 0.8, as `sqlx::migrate!` runs at an application's start.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from lifecycle.sources import numbered, reading, statements
from lifecycle.sources.acts import Act, Hex, Measured, Phase, Unit
from lifecycle.sources.base import Entry, Folder, Ledger, Migration, Place, Refusal, Row, State
from lifecycle.sources.keyed import Keyed
from opsconsole.exceptions import Refused

TABLE = "_sqlx_migrations"
NO_TRANSACTION = "-- no-transaction"  # as the very first bytes of a file
_LOCK = 0x3D32AD9E  # times the CRC-32 of the database's name
_VERSION = re.compile(r"\+?\d+|-\d+")
_SUFFIXES = (".up.sql", ".down.sql", ".sql")
_CREATE = {
    "postgresql": """CREATE TABLE IF NOT EXISTS {table} (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMPTZ NOT NULL DEFAULT now(),
    success BOOLEAN NOT NULL,
    checksum BYTEA NOT NULL,
    execution_time BIGINT NOT NULL
);""",
    "sqlite": """CREATE TABLE IF NOT EXISTS {table} (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);""",
}


class Sqlx(Keyed):
    name: ClassVar[str] = "sqlx"
    label: ClassVar[str] = "sqlx"
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql", "sqlite"})
    foreign_keys: ClassVar[bool | None] = True  # as its connections to SQLite have it
    required: ClassVar[frozenset[str]] = frozenset({"version", "description", "success", "checksum"})
    order: ClassVar[str] = "version"
    goes_on: ClassVar[str] = "sqlx applies it all the same."
    minds_not: ClassVar[str] = "sqlx runs nothing until it is back."

    def migrations(self, folder: Folder, place: Place) -> tuple[Migration, ...]:
        return numbered.migrations(folder, _files(folder))

    def table(self, options: Mapping[str, str]) -> str:
        return reading.named(options, TABLE)

    def row(self, raw: Mapping[str, Any]) -> Row:
        return Row(
            key=str(raw["version"]),
            name=f"{raw['version']} {raw['description']}",
            applied_at=reading.moment(raw.get("installed_on")),
            checksum=str(reading.as_json(raw)["checksum"]),
            failed=not raw["success"],
            raw=reading.as_json(raw),
        )

    def differs(self, migration: Migration, row: Row) -> bool:
        return row.checksum != checksum(migration.text)

    def refusals(self, entries: Sequence[Entry], ledger: Ledger) -> list[Refusal]:
        """As sqlx checks: an unfinished one first, then those without a file, then those of another checksum."""
        found = super().refusals(entries, ledger)
        for entry in (each for each in entries if each.row and each.row.failed):
            found.append(
                (
                    "dirty",
                    f"{entry.name} is partially applied (success is false); sqlx runs nothing.",
                    "See what stands in the database, then forget the migration or mark it as applied.",
                )
            )
        for entry in (each for each in entries if each.state is State.UNKNOWN and each.row and not each.row.failed):
            found.append(
                (
                    "version_missing",
                    f"{entry.name} is applied, and the folder has no file of that version; sqlx runs nothing.",
                    "Bring the folder with that file, or forget the migration.",
                )
            )
        for entry in (each for each in entries if each.state is State.EDITED):
            found.append(
                (
                    "version_mismatch",
                    f"{entry.name} was edited after it was applied; sqlx runs nothing.",
                    "Bring the file as it was applied and write the change as a new migration, or forget it and mark"
                    " it as applied once the database is as the file says.",
                )
            )
        return found

    def apply(
        self, pending: Sequence[Migration], ledger: Ledger, place: Place, options: Mapping[str, str]
    ) -> tuple[Unit, ...]:
        for migration in pending:
            _require_sound(migration.path, migration.text, place)
        return tuple(
            Unit(
                title=f"Apply {migration.name}",
                migrations=(migration.key,),
                always=self.created(ledger, place, options) if number == 0 else (),
                phases=(
                    Phase(
                        transaction=not migration.text.startswith(NO_TRANSACTION),
                        acts=(
                            Act(sql=migration.text, script=True, migration=migration.key),
                            self._inserted(migration, options, -1),
                        ),
                    ),
                    Phase(acts=(self._timed(migration, options),)),
                ),
            )
            for number, migration in enumerate(pending)
        )

    def down(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        migration, text = numbered.way_back(entry, ledger)
        _require_sound(migration.down_path, text, place)
        acts = (
            Act(sql=text, script=True, migration=migration.key),
            self.deleted(migration.key, options),
        )
        return Unit(
            title=f"Take back {migration.name}",
            migrations=(migration.key,),
            direction="down",
            phases=(Phase(transaction=not text.startswith(NO_TRANSACTION), acts=acts),),
        )

    def locks(self, place: Place, options: Mapping[str, str]) -> tuple[Act, ...]:
        if place.engine != "postgresql":
            return ()
        return (Act(sql="SELECT pg_advisory_lock(?)", values=(lock_of(place.database),)),)

    def created(self, ledger: Ledger, place: Place, options: Mapping[str, str]) -> tuple[Phase, ...]:
        sql = _CREATE[place.engine].format(table=self.table(options))
        return () if ledger.exists else (Phase(acts=(Act(sql=sql),)),)

    def marked(self, migration: Migration, options: Mapping[str, str]) -> Act:
        return self._inserted(migration, options, 0)

    def deleted(self, key: str, options: Mapping[str, str]) -> Act:
        return Act(sql=f"DELETE FROM {self.table(options)} WHERE version = ?", values=(int(key),))

    def _inserted(self, migration: Migration, options: Mapping[str, str], execution_time: int) -> Act:
        return Act(
            sql=f"INSERT INTO {self.table(options)} (version, description, success, checksum, execution_time)"
            " VALUES (?, ?, TRUE, ?, ?)",
            values=(
                int(migration.key),
                migration.facts["description"],
                Hex(checksum(migration.text)),
                execution_time,
            ),
        )

    def _timed(self, migration: Migration, options: Mapping[str, str]) -> Act:
        """Nanoseconds, in a statement of its own after the commit; until then the row has -1."""
        sql = f"UPDATE {self.table(options)} SET execution_time = ? WHERE version = ?"
        return Act(sql=sql, values=(Measured.ELAPSED_NS, int(migration.key)))


def checksum(text: str) -> str:
    """SHA-384 of the file's bytes, as hexadecimal digits."""
    return hashlib.sha384(text.encode()).hexdigest()


def lock_of(database: str) -> int:
    """The key of the advisory lock that sqlx takes for a database of that name."""
    return _LOCK * zlib.crc32(database.encode())


def _require_sound(path: str, text: str, place: Place) -> None:
    if not text.startswith(NO_TRANSACTION):
        statements.require_own_transaction(path, text, place, NO_TRANSACTION)


def _files(folder: Folder) -> Iterator[numbered.File]:
    """Direct children `<number>_<description>.sql`; others are ignored. Raises Refused for a prefix that is none."""
    for path in folder.files:
        version, bar, rest = path.partition("_")
        if "/" in path or not bar or not rest.endswith(".sql"):
            continue
        if not _VERSION.fullmatch(version) or not -(2**63) <= int(version) < 2**63:
            raise Refused(
                "bad_version",
                f"{path} has no whole number before its first _; sqlx refuses the folder.",
                "Rename the file, or move it elsewhere.",
            )
        suffix = next(each for each in _SUFFIXES if rest.endswith(each))
        described = rest
        while described.endswith(suffix):
            described = described.removesuffix(suffix)
        stem = f"{version}_{described}"
        facts = {"description": described.replace("_", " ")}
        yield numbered.File(int(version), path, stem, down=suffix == ".down.sql", facts=facts)
