"""dbmate: one file a migration with `-- migrate:up` and `-- migrate:down`, in the order of their names as text.

Facts were seen with dbmate 2.36. A version is the digits that a name begins with, kept as text: `10_x` runs before
`5_x`, and the way back begins with the last name of those that are applied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from lifecycle.sources import reading
from lifecycle.sources.acts import Act, Phase, Unit
from lifecycle.sources.base import Entry, Folder, Ledger, Migration, Place, Refusal, Row, Source, State
from lifecycle.sources.files import text_of
from opsconsole.engines.scripting import Script
from opsconsole.exceptions import Refused

TABLE = "schema_migrations"
FOLDER = "db/migrations"
_FILE = re.compile(r"([0-9]+).*\.sql")
_BLANK = r"[\t\n\f\r ]"
_MARKED = r"^--{blank}*migrate:{way}(?:{blank}*$|{blank}+[^\t\n\f\r ]+)"
UP = re.compile(_MARKED.format(blank=_BLANK, way="up"), re.MULTILINE)
DOWN = re.compile(_MARKED.format(blank=_BLANK, way="down"), re.MULTILINE)
_PASSED_OVER = re.compile(rf"{_BLANK}*(--.*)?")
_SETTING = re.compile(r"^(?:export\s+)?(DBMATE_MIGRATIONS_(?:DIR|TABLE))=(.*)$", re.MULTILINE)


class Dbmate(Source):
    """`table` (on PostgreSQL also as `schema.table`) and `schema` are its options.

    A migration's facts are `up`, the text of that block, `transactions` (up, down) and `problem`, why dbmate would not
    run the file ("" where it would).
    """

    name: ClassVar[str] = "dbmate"
    label: ClassVar[str] = "dbmate"
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql", "sqlite"})
    foreign_keys: ClassVar[bool | None] = False  # its SQLite driver leaves them off

    def migrations(self, folder: Folder, place: Place) -> tuple[Migration, ...]:
        found: dict[str, Migration] = {}
        for path in sorted(folder.files):
            named = _FILE.fullmatch(path) if "/" not in path else None
            if named is None:
                continue
            if named[1] in found:
                raise Refused(
                    "duplicate_version",
                    f"{found[named[1]].path} and {path} are both version {named[1]}; dbmate fails at the second.",
                    "Give one of them another number.",
                )
            found[named[1]] = _migration(path, named[1], text_of(folder, path))
        return tuple(found.values())

    def ledger(self, script: Script, place: Place, options: Mapping[str, str]) -> Ledger:
        table, schema_exists = options.get("table") or TABLE, True
        if script.vendor == "postgresql":
            schema, _, name = table.rpartition(".")
            schema = schema or options.get("schema") or str(script.ask("SELECT current_schema()")[0][0] or "public")
            table = f"{schema}.{name}"
            schema_exists = bool(script.ask("SELECT 1 FROM pg_namespace WHERE nspname = ?::text", [schema]))
        names = reading.columns(script, table)
        facts = {"columns": list(names), "schema_exists": schema_exists}
        if "version" not in names or "dirty" in names:
            return Ledger(table=table, exists=bool(names), facts=facts)
        rows = [
            Row(key=str(row["version"]), raw=reading.as_json(row))
            for row in sorted(reading.rows(script, table, names), key=lambda row: str(row["version"]))
        ]
        return Ledger(table=table, exists=True, rows=tuple(rows), facts=facts)

    def compare(self, migrations: Sequence[Migration], ledger: Ledger) -> tuple[Entry, ...]:
        of_key, files = {row.key: row for row in ledger.rows}, {migration.key for migration in migrations}
        known = [_entry(migration, of_key, migrations) for migration in migrations]
        said = "Applied; the folder has no file of this version. dbmate does not mind and does not show it."
        gone = [Entry(state=State.UNKNOWN, row=row, sentence=said) for row in ledger.rows if row.key not in files]
        return reading.merged(known, gone, ledger.rows)

    def refusals(self, entries: Sequence[Entry], ledger: Ledger) -> list[Refusal]:
        columns = ledger.facts.get("columns", ["version"])
        if not ledger.exists or ("version" in columns and "dirty" not in columns):
            return []
        said = f"{ledger.table} is no ledger of dbmate: its columns are {', '.join(columns)}."
        return [("ledger_foreign", said, "Name the right tool; golang-migrate's table has the same name.")]

    def apply(
        self, pending: Sequence[Migration], ledger: Ledger, place: Place, options: Mapping[str, str]
    ) -> tuple[Unit, ...]:
        """Raises Refused where dbmate would stop at a file because of its blocks."""
        for migration in pending:
            _require_sound(migration)
        return tuple(
            Unit(
                title=f"Apply {migration.name}",
                migrations=(migration.key,),
                always=_created(ledger, place) if number == 0 else (),
                phases=(
                    Phase(
                        transaction=migration.facts["transactions"][0],
                        acts=(
                            Act(sql=migration.facts["up"], script=True, migration=migration.key),
                            _inserted(migration, ledger),
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
            always=_created(ledger, place),
            phases=(Phase(transaction=True, acts=(_inserted(migration, ledger),)),),
        )

    def forget(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        if entry.row is None:
            raise Refused("not_applied", f"{entry.name} is not in the ledger.", "There is nothing to forget.")
        return Unit(
            title=f"Forget {entry.name}",
            migrations=(entry.key,),
            direction="none",
            phases=(Phase(transaction=True, acts=(_deleted(entry.key, ledger),)),),
        )

    def down(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        """Also where the block is empty: then only the row goes, as with the tool."""
        migration = entry.migration
        if migration is None or entry.row is None:
            raise Refused(
                "not_applied", f"{entry.name} has no file, or no row.", "Only an applied one can be taken back."
            )
        _require_sound(migration)
        act = Act(sql=migration.facts["down"], script=True, migration=migration.key)
        return Unit(
            title=f"Take back {migration.name}" + ("" if migration.down else " (its down block is empty)"),
            migrations=(migration.key,),
            direction="down",
            phases=(
                Phase(transaction=migration.facts["transactions"][1], acts=(act, _deleted(migration.key, ledger))),
            ),
        )

    def configured(self, project: Folder) -> Sequence[Mapping[str, str]]:
        """What `.env` sets for it; nothing else of that file is looked at."""
        text = project.files.get(".env", b"").decode(errors="replace")
        found = {name: value.strip().strip("'\"") for name, value in _SETTING.findall(text)}
        if not found:
            return ()
        directory = found.get("DBMATE_MIGRATIONS_DIR", FOLDER).removeprefix("./").rstrip("/")
        table = found.get("DBMATE_MIGRATIONS_TABLE", "")
        return [{"dir": directory, **({"table": table} if table else {})}]

    def remarks(self, migrations: Sequence[Migration], place: Place) -> list[tuple[str, str]]:
        return [(each.key, each.facts["problem"]) for each in migrations if each.facts["problem"]]


def _migration(path: str, version: str, text: str) -> Migration:
    facts = _blocks(path, text)
    empty = all(_PASSED_OVER.fullmatch(line) for line in facts["down"].split("\n"))
    return Migration(
        key=version,
        name=path.removesuffix(".sql"),
        path=path,
        text=text,
        down=None if empty else facts["down"],
        down_path="" if empty else path,
        facts=facts,
    )


def _blocks(path: str, text: str) -> dict[str, Any]:
    """The facts of a file. A block begins with its marker; options stand behind the marker on its line."""
    ups, downs = list(UP.finditer(text)), list(DOWN.finditer(text))
    problem = ""
    if not ups:
        problem = f"{path} has no block '-- migrate:up'; dbmate stops there."
    elif not all(_PASSED_OVER.fullmatch(line) for line in text[: ups[0].start()].split("\n")):
        problem = f"{path} has statements before '-- migrate:up'; dbmate stops there."
    elif not downs:
        problem = f"{path} has no block '-- migrate:down'; dbmate stops there."
    elif len(ups) > 1 or len(downs) > 1:
        problem = f"{path} has several blocks; dbmate applies the first pair and fails at recording the second."
    if problem:
        return {"up": text, "down": "", "transactions": [True, True], "problem": problem}
    up, down = text[ups[0].start() : downs[0].start()], text[downs[0].start() :]
    return {"up": up, "down": down, "transactions": [_transaction(up), _transaction(down)], "problem": ""}


def _transaction(block: str) -> bool:
    said = block.split("\n", 1)[0].split("migrate:", 1)[1].split()[1:]
    pairs = [word.split(":") for word in said]
    return dict(pair for pair in pairs if len(pair) == 2).get("transaction") != "false"


def _require_sound(migration: Migration) -> None:
    if migration.facts["problem"]:
        raise Refused("bad_file", migration.facts["problem"], "Mend the file, then bring the folder again.")


def _entry(migration: Migration, of_key: Mapping[str, Row], migrations: Sequence[Migration]) -> Entry:
    if row := of_key.get(migration.key):
        return Entry(state=State.APPLIED, sentence="Applied.", migration=migration, row=row)
    said = "Not applied yet."
    if later := reading.late(migration, migrations, set(of_key)):
        said = f"Not applied, although {later} behind it is. dbmate applies it all the same, but not with --strict."
    return Entry(state=State.PENDING, sentence=said, migration=migration)


def _created(ledger: Ledger, place: Place) -> tuple[Phase, ...]:
    if ledger.exists:
        return ()
    kind = "varchar" if place.engine == "postgresql" else "varchar(128)"
    acts = [Act(sql=f"create table if not exists {reading.quoted(ledger.table)} (version {kind} primary key)")]
    if not ledger.facts.get("schema_exists", True):
        acts.insert(0, Act(sql=f"create schema if not exists {reading.quoted(ledger.table.rpartition('.')[0])}"))
    return (Phase(acts=tuple(acts)),)


def _inserted(migration: Migration, ledger: Ledger) -> Act:
    return Act(sql=f"insert into {reading.quoted(ledger.table)} (version) values (?)", values=(migration.key,))


def _deleted(version: str, ledger: Ledger) -> Act:
    return Act(sql=f"delete from {reading.quoted(ledger.table)} where version = ?", values=(version,))
