"""golang-migrate: pairs of `VERSION_name.up.sql` and `.down.sql`, and a ledger of one row that says how far it came.

Facts are of its source (drivers postgres and sqlite3, 4.16 to 4.18) and of runs of it on PostgreSQL. Before a file
runs, its version is written as dirty; what fails stays so, and nothing more runs until somebody has forced a version.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from typing import ClassVar

from lifecycle.sources import reading
from lifecycle.sources.acts import Act, Phase, Unit
from lifecycle.sources.base import Entry, Folder, Ledger, Migration, Place, Refusal, Row, Source, State
from lifecycle.sources.files import text_of
from opsconsole.engines.scripting import Script
from opsconsole.exceptions import Refused

TABLE = "schema_migrations"
NOTHING = -1  # its number for "no version"
COLUMNS = {"version", "dirty"}
_FILE = re.compile(r"([0-9]+)_(.*)\.(down|up)\.(.*)")
_MOST = 2**63 - 1
_SALT = 1486364155  # of its lock's number
# Their own texts, because SQLite keeps them: the ledger is then the same whoever made it.
_CREATE_SQLITE = "CREATE TABLE IF NOT EXISTS {table} (version uint64,dirty bool)"
_INDEX_SQLITE = "CREATE UNIQUE INDEX IF NOT EXISTS version_unique ON {table} (version)"
_CREATE = "CREATE TABLE IF NOT EXISTS {table} (version bigint not null primary key, dirty boolean not null)"


class GolangMigrate(Source):
    """Its options are those of its URL: `table`, `schema`, `multi_statement` (PostgreSQL), `no_tx_wrap` (SQLite).

    A migration's facts are `previous`, the version before it in the folder ("" for the first), and `up`, whether there
    is a file for the way up.
    """

    name: ClassVar[str] = "golang-migrate"
    label: ClassVar[str] = "golang-migrate"
    one_number: ClassVar[bool] = True
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql", "sqlite"})
    foreign_keys: ClassVar[bool | None] = False  # its SQLite driver leaves them off

    def migrations(self, folder: Folder, place: Place) -> tuple[Migration, ...]:
        found = _files(folder)
        versions = sorted(found)
        before = {version: str(versions[number - 1]) if number else "" for number, version in enumerate(versions)}
        return tuple(_migration(folder, version, found[version], before[version]) for version in versions)

    def ledger(self, script: Script, place: Place, options: Mapping[str, str]) -> Ledger:
        table = reading.plain(options.get("table") or TABLE, "ledger")
        if script.vendor == "postgresql":
            schema = options.get("schema") or script.ask("SELECT current_schema()")[0][0]
            table = f"{schema or 'public'}.{table}"
        names = reading.columns(script, table)
        facts = {"columns": list(names)}
        if not set(names) >= COLUMNS:
            return Ledger(table=table, exists=bool(names), facts=facts)
        rows = [
            Row(key=str(row["version"]), failed=bool(row["dirty"]), raw=reading.as_json(row))
            for row in reading.rows(script, table, names)[:1]
        ]
        return Ledger(table=table, exists=True, rows=tuple(rows), facts=facts)

    def compare(self, migrations: Sequence[Migration], ledger: Ledger) -> tuple[Entry, ...]:
        """Whatever is below the version of the ledger counts as applied, and gets a row of nothing but its version."""
        row, at = (ledger.rows[0] if ledger.rows else None), _current(ledger)
        entries = [_entry(migration, row, at) for migration in migrations]
        if row is None or any(entry.row is row for entry in entries):
            return tuple(entries)
        said = f"The ledger stands at version {row.key}; the folder has no file of it, so golang-migrate runs nothing."
        if at == NOTHING:
            said = "Taking back the first migration failed; the ledger stands at -1, dirty."
        stranger = Entry(state=State.HALF if row.failed else State.UNKNOWN, sentence=said, row=row)
        below = [entry for entry in entries if int(entry.key) < at]
        return (*below, stranger, *entries[len(below) :])

    def refusals(self, entries: Sequence[Entry], ledger: Ledger) -> list[Refusal]:
        if ledger.exists and not set(ledger.facts.get("columns", COLUMNS)) >= COLUMNS:
            said = f"{ledger.table} is no ledger of golang-migrate: it has no columns version and dirty."
            return [("ledger_foreign", said, "Name the right tool; dbmate's and Rails' tables have the same name.")]
        if ledger.rows and ledger.rows[0].failed:
            said = f"Dirty database version {ledger.rows[0].key}: a file failed, and golang-migrate runs nothing more."
            return [("half_applied", said, "Ask the doctor what it left, then finish it, take it back, or mark it.")]
        if any(entry.state == State.UNKNOWN for entry in entries):
            said = f"No migration found for version {ledger.rows[0].key}, at which the ledger stands."
            return [("file_missing", said, "Bring the folder that holds this version, or mark another one as applied.")]
        return []

    def apply(
        self, pending: Sequence[Migration], ledger: Ledger, place: Place, options: Mapping[str, str]
    ) -> tuple[Unit, ...]:
        """Raises Refused for a choice that leaves an earlier version out, which would then never run."""
        at = _current(ledger)
        units: list[Unit] = []
        for migration in pending:
            if migration.facts["previous"] and int(migration.facts["previous"]) > at:
                raise Refused(
                    "out_of_order",
                    f"{migration.name} comes after version {migration.facts['previous']}, which is not applied;"
                    " golang-migrate would never apply that one afterwards.",
                    "Apply the earlier ones with it.",
                )
            at = int(migration.key)
            units.append(self._run(migration, at, migration.text, place, ledger, options, first=not units))
        return tuple(units)

    def mark(self, migration: Migration, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        """As `force VERSION`; all earlier ones count as applied then."""
        if int(migration.key) <= _current(ledger) and not (ledger.rows and ledger.rows[0].failed):
            raise Refused("already_applied", f"{migration.name} is applied.", "There is nothing to mark.")
        earlier = f", and every version up to {migration.facts['previous']}" if migration.facts["previous"] else ""
        return self._forced(f"Mark {migration.name}{earlier} as applied", migration.key, migration.key, ledger, place)

    def forget(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        """As `force` to the version before it. Raises Refused for any but the version at which the ledger stands."""
        migration = entry.migration
        if int(entry.key) != _current(ledger) or not ledger.rows or (migration is None and int(entry.key) != NOTHING):
            raise Refused(
                "not_the_last",
                f"{entry.name} is not the version at which the ledger stands, or the folder has no file of it.",
                "golang-migrate's ledger holds one number: forget the later ones first, or mark the one that it holds.",
            )
        before = migration.facts["previous"] if migration else ""
        return self._forced(f"Forget {entry.name}", entry.key, before, ledger, place)

    def down(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        """Also where there is no down file: then only the ledger goes back, as with the tool."""
        migration = entry.migration
        if migration is None or int(migration.key) > _current(ledger):
            raise Refused(
                "not_applied", f"{entry.name} is not applied, or has no file.", "Take back one that is applied."
            )
        target = int(migration.facts["previous"] or NOTHING)
        return self._run(migration, target, migration.down or "", place, ledger, options, direction="down")

    def taken_back(self, unit: Unit, ledger: Ledger) -> Ledger:
        return ledger  # the one before it is below the version of the ledger in any case

    def landed(self, unit: Unit, ledger: Ledger) -> bool:
        at, dirty = _current(ledger), bool(ledger.rows and ledger.rows[0].failed)
        versions = [int(key) for key in unit.migrations]
        return not dirty and (at < min(versions) if unit.direction in ("down", "forget") else at >= max(versions))

    def locks(self, place: Place, options: Mapping[str, str]) -> tuple[Act, ...]:
        """Its advisory lock, under the name that its command uses and under the one of programs that embed it."""
        if place.engine != "postgresql":
            return ()
        schema, table = options.get("schema") or "public", options.get("table") or TABLE
        return tuple(
            Act(sql="SELECT pg_advisory_lock(?)", values=(lock_number(database, schema, table),))
            for database in (f"/{place.database}", place.database)
        )

    def remarks(self, migrations: Sequence[Migration], place: Place) -> list[tuple[str, str]]:
        nothing = "has no file for the way up: golang-migrate steps over it and records it as applied."
        return [(each.key, f"Version {each.key} {nothing}") for each in migrations if not each.facts["up"]]

    def _run(
        self, migration: Migration, target: int, text: str, place: Place, ledger: Ledger, options: Mapping[str, str],
        *, direction: str = "up", first: bool = False,
    ) -> Unit:  # fmt: skip
        """Write the target as dirty, run the text, write it as clean: three transactions, or more."""
        verb, alone = "Apply", ""
        if direction == "down":
            verb, alone = "Take back", "" if text else " (no down file: the ledger only)"
        return Unit(
            title=f"{verb} {migration.name}{alone}",
            migrations=(migration.key,),
            direction=direction,
            always=_created(ledger, place) if first else (),
            phases=(
                _stands(ledger, place, target, dirty=True),
                *_ran(migration, text, place, options),
                _stands(ledger, place, target, dirty=False),
            ),
        )

    def _forced(self, title: str, key: str, target: str, ledger: Ledger, place: Place) -> Unit:
        return Unit(
            title=title,
            migrations=(key,),
            direction="none",
            always=_created(ledger, place),
            phases=(_stands(ledger, place, int(target or NOTHING), dirty=False),),
        )


def lock_number(database: str, schema: str, table: str) -> int:
    """The number of its advisory lock."""
    return zlib.crc32("\0".join((schema, table, database)).encode()) * _SALT % 2**32


def pieces(text: str) -> list[str]:
    """A text cut behind every semicolon, wherever it stands, as x-multi-statement does; blank pieces are left out."""
    return [piece for piece in re.findall(r"[^;]*;|[^;]+\Z", text) if piece.strip()]


def _files(folder: Folder) -> dict[int, dict[str, str]]:
    """Paths by direction by version. Raises Refused for two files of one version and direction."""
    found: dict[int, dict[str, str]] = {}
    for path in sorted(folder.files):
        named = _FILE.fullmatch(path) if "/" not in path else None
        if named is None:
            continue
        version, ways = int(named[1]), found.setdefault(int(named[1]), {})
        if named[3] in ways:
            raise Refused(
                "duplicate_version",
                f"Duplicate migration file: {ways[named[3]]} and {path} are both version {version}, {named[3]}.",
                "Give one of them another version; golang-migrate runs nothing of such a folder.",
            )
        if version > _MOST:
            raise Refused("bad_version", f"The version of {path} is too large.", f"The largest is {_MOST}.")
        ways[named[3]] = path
    return found


def _migration(folder: Folder, version: int, ways: Mapping[str, str], previous: str) -> Migration:
    up, down = ways.get("up", ""), ways.get("down", "")
    return Migration(
        key=str(version),
        name=re.sub(r"\.(up|down)\..*$", "", up or down),
        path=up or down,
        text=text_of(folder, up) if up else "",
        down=text_of(folder, down) if down else None,
        down_path=down,
        facts={"previous": previous, "up": bool(up)},
    )


def _current(ledger: Ledger) -> int:
    return int(ledger.rows[0].key) if ledger.rows else NOTHING


def _entry(migration: Migration, row: Row | None, at: int) -> Entry:
    version = int(migration.key)
    if version > at:
        return Entry(state=State.PENDING, sentence="Not applied yet.", migration=migration)
    if row is None or version < at:
        said = f"Taken as applied: the ledger stands at version {at}, and golang-migrate never looks back."
        return Entry(state=State.APPLIED, sentence=said, migration=migration, row=Row(key=migration.key))
    if not row.failed:
        said = "Applied; the ledger stands at this version."
        return Entry(state=State.APPLIED, sentence=said, migration=migration, row=row)
    said = (
        f"The ledger says that version {at} is dirty: its file failed on the way up,"
        " or the one behind it failed on the way down. golang-migrate runs nothing more."
    )
    return Entry(state=State.HALF, sentence=said, migration=migration, row=row)


def _ran(migration: Migration, text: str, place: Place, options: Mapping[str, str]) -> tuple[Phase, ...]:
    """The text in the shape of its driver; nothing for a blank one, which it does not send."""
    if not text.strip():
        return ()
    several = place.engine == "postgresql" and options.get("multi_statement") == "true"
    texts = pieces(text) if several else [text]
    acts = tuple(Act(sql=each, script=True, migration=migration.key) for each in texts)
    wrapped = place.engine == "sqlite" and options.get("no_tx_wrap") != "true"
    return (Phase(acts=acts, transaction=wrapped),)


def _stands(ledger: Ledger, place: Place, version: int, *, dirty: bool) -> Phase:
    """The only row replaced; none for "no version", unless it is dirty."""
    table = _named(ledger, place)
    acts = [Act(sql=f"TRUNCATE {table}" if place.engine == "postgresql" else f"DELETE FROM {table}")]
    if version >= 0 or dirty:
        acts.append(Act(sql=f"INSERT INTO {table} (version, dirty) VALUES (?, ?)", values=(version, dirty)))
    return Phase(transaction=True, acts=tuple(acts))


def _created(ledger: Ledger, place: Place) -> tuple[Phase, ...]:
    """On SQLite it makes sure of its index at every start."""
    table = _named(ledger, place)
    if place.engine == "sqlite":
        return (Phase(acts=(Act(sql=_CREATE_SQLITE.format(table=table)), Act(sql=_INDEX_SQLITE.format(table=table)))),)
    return () if ledger.exists else (Phase(acts=(Act(sql=_CREATE.format(table=table)),)),)


def _named(ledger: Ledger, place: Place) -> str:
    return reading.quoted(ledger.table) if place.engine == "postgresql" else ledger.table
