"""Prisma's ledger `_prisma_migrations`: its rows, and the statements on it, each as Prisma writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifecycle.sources import reading
from lifecycle.sources.acts import Act, Given, Measured, Phase
from lifecycle.sources.base import Ledger, Migration, Place, Refusal, Row
from opsconsole.engines.scripting import Script

TABLE, SCHEMA = "_prisma_migrations", "public"
OTHERS, _TIMES = "others", "times"
_CREATE = {
    "postgresql": """CREATE TABLE {table} (
    id                      VARCHAR(36) PRIMARY KEY NOT NULL,
    checksum                VARCHAR(64) NOT NULL,
    finished_at             TIMESTAMPTZ,
    migration_name          VARCHAR(255) NOT NULL,
    logs                    TEXT,
    rolled_back_at          TIMESTAMPTZ,
    started_at              TIMESTAMPTZ NOT NULL DEFAULT now(),
    applied_steps_count     INTEGER NOT NULL DEFAULT 0
)""",
    "sqlite": """CREATE TABLE {table} (
    "id"                    TEXT PRIMARY KEY NOT NULL,
    "checksum"              TEXT NOT NULL,
    "finished_at"           DATETIME,
    "migration_name"        TEXT NOT NULL,
    "logs"                  TEXT,
    "rolled_back_at"        DATETIME,
    "started_at"            DATETIME NOT NULL DEFAULT current_timestamp,
    "applied_steps_count"   INTEGER UNSIGNED NOT NULL DEFAULT 0
)""",
}
COLUMNS = frozenset({"id", "checksum", "finished_at", "migration_name", "rolled_back_at", "started_at"})


def read(script: Script, place: Place, options: Mapping[str, str]) -> Ledger:
    """Every row in the order of its beginning. `facts` tell of other tables where there is no ledger, and how times are
    written: the native engine counts milliseconds on SQLite, the JavaScript drivers write text."""
    name = table(place, options)
    columns = reading.columns(script, name)
    facts: dict[str, Any] = {"columns": list(columns)}
    if not columns:
        facts[OTHERS] = _others(script, options)
    if not columns or not set(columns) >= COLUMNS:
        return Ledger(table=name, exists=bool(columns), facts=facts)
    found = reading.rows(script, name, columns, "ORDER BY started_at, id")
    facts[_TIMES] = "counts" if any(isinstance(row["started_at"], int) for row in found) else "text"
    return Ledger(table=name, exists=True, rows=tuple(_row(row) for row in found), facts=facts)


def created(ledger: Ledger, place: Place, options: Mapping[str, str]) -> tuple[Phase, ...]:
    """What makes the ledger, in the tool's own text. Nothing where there is one."""
    if ledger.exists:
        return ()
    return (Phase(acts=(Act(sql=_CREATE[place.engine].format(table=reading.quoted(table(place, options)))),)),)


def foreign(ledger: Ledger) -> list[Refusal]:
    """Why a table of that name is no ledger of Prisma's."""
    missing = sorted(COLUMNS - set(ledger.facts.get("columns", ())))
    if not ledger.exists or not missing:
        return []
    why = f"{ledger.table} is no ledger of Prisma: it lacks {', '.join(missing)}."
    return [("ledger_foreign", why, "Rename that table, if it is nobody's ledger.")]


def schema(options: Mapping[str, str]) -> str:
    """Where tables are, as the project's database URL says it."""
    return reading.plain(options.get("schema") or SCHEMA, "schema")


def table(place: Place, options: Mapping[str, str]) -> str:
    """The ledger as people read it; without a schema on SQLite."""
    return TABLE if place.engine == "sqlite" else f"{schema(options)}.{TABLE}"


def _others(script: Script, options: Mapping[str, str]) -> bool:
    """Whether there is any table, as Prisma looks for them: in its schema, and on SQLite its own ones too."""
    if script.vendor == "sqlite":
        return bool(script.ask("SELECT 1 FROM sqlite_master WHERE type = 'table' LIMIT 1"))
    sql = (
        "SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND n.nspname = ?::text LIMIT 1"
    )
    return bool(script.ask(sql, [schema(options)]))


def _row(row: dict[str, Any]) -> Row:
    name = str(row["migration_name"])
    return Row(
        key=name,
        name=name,
        applied_at=reading.moment(row["finished_at"]),
        checksum=str(row["checksum"]),
        failed=row["finished_at"] is None and row["rolled_back_at"] is None,
        undone=row["rolled_back_at"] is not None,
        raw=reading.as_json(row),
    )


def counts(row: Row) -> bool:
    """Whether this row makes its migration an applied one."""
    return not row.failed and not row.undone


class Writer:
    """The statements on one ledger; what is `UUID` in them is the row of the unit in which they stand."""

    def __init__(self, ledger: Ledger, place: Place, options: Mapping[str, str]) -> None:
        self._table = reading.quoted(table(place, options))
        self._now = Measured.NOW_MS if ledger.facts.get(_TIMES) == "counts" else Measured.NOW

    def begun(self, migration: Migration) -> Act:
        return self._insert(
            id=Measured.UUID, checksum=migration.sha256, started_at=self._now, migration_name=migration.name
        )

    def finished(self) -> tuple[Act, ...]:
        return (
            self._update('"applied_steps_count" = "applied_steps_count" + ?', 1, Measured.UUID),
            self._update('"finished_at" = ?', self._now, Measured.UUID),
        )

    def failed(self) -> Act:
        return self._update('"logs" = ?', Measured.FAILURE, Measured.UUID)

    def recorded(self, migration: Migration) -> Act:
        return self._insert(
            id=Measured.UUID, checksum=migration.sha256, logs="", started_at=self._now, finished_at=self._now,
            migration_name=migration.name,
        )  # fmt: skip

    def rolled_back(self, row: Row) -> Act:
        return self._update('"rolled_back_at" = ?', self._now, row.raw["id"])

    def deleted(self, row: Row) -> Act:
        return Act(sql=f'DELETE FROM {self._table} WHERE "id" = ?', values=(row.raw["id"],))

    def _insert(self, **values: Given) -> Act:
        columns = ", ".join(reading.quoted(name) for name in values)
        marks = ", ".join("?" * len(values))
        return Act(sql=f"INSERT INTO {self._table} ({columns}) VALUES ({marks})", values=tuple(values.values()))

    def _update(self, change: str, value: Given, identifier: Given) -> Act:
        return Act(sql=f'UPDATE {self._table} SET {change} WHERE "id" = ?', values=(value, identifier))
