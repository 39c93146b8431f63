"""Which tools' ledgers a database holds, told by their columns: several tools use one name, and names can be set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from opsconsole.engines.scripting import Script

_POSTGRESQL = """
SELECT n.nspname::text, c.relname::text, a.attname::text
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2, a.attnum
"""
_SQLITE = """
SELECT '', m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c
WHERE m.type = 'table' ORDER BY m.name, c.cid
"""


@dataclass(frozen=True, kw_only=True)
class FoundLedger:
    """A table that is a tool's ledger. `usual` is whether it is where the tool looks unless it is told otherwise."""

    tool: str
    schema: str  # "" on SQLite
    table: str
    usual: bool


@dataclass(frozen=True)
class _Look:
    """What a tool's ledger looks like: `columns`, and no others if `exactly`.

    `alone` is whether the columns tell it whatever the table's name is.
    """

    tool: str
    table: str
    columns: frozenset[str]
    alone: bool = False
    exactly: bool = False
    schema: str = "public"  # on PostgreSQL, unless the tool is told otherwise

    def fits(self, table: str, columns: frozenset[str]) -> bool:
        if not self.columns <= columns or (self.exactly and columns != self.columns):
            return False
        return self.alone or table == self.table

    def is_at(self, schema: str, table: str) -> bool:
        return table == self.table and schema in ("", self.schema)


def _look(
    tool: str, table: str, columns: str, *, alone: bool = False, exactly: bool = False, schema: str = "public"
) -> _Look:
    return _Look(tool, table, frozenset(columns.split()), alone=alone, exactly=exactly, schema=schema)


LOOKS = (
    _look("wrangler", "d1_migrations", "id name applied_at"),
    _look("wrangler", "", "id name applied_at", alone=True, exactly=True),
    _look("drizzle1", "__drizzle_migrations", "id hash created_at name", alone=True, exactly=True, schema="drizzle"),
    _look("drizzle1", "__drizzle_migrations", "id hash created_at name applied_at", alone=True, schema="drizzle"),
    _look("drizzle", "__drizzle_migrations", "id hash created_at", alone=True, exactly=True, schema="drizzle"),
    _look("prisma", "_prisma_migrations", "checksum migration_name finished_at rolled_back_at", alone=True),
    _look("sqlx", "_sqlx_migrations", "version description success checksum execution_time", alone=True),
    _look("golang-migrate", "schema_migrations", "version dirty", alone=True, exactly=True),
    _look("dbmate", "schema_migrations", "version", exactly=True),
    _look("plain", "_opsconsole_migrations", "version name checksum applied_at"),
    _look("goose", "goose_db_version", "version_id is_applied tstamp", alone=True),
    _look("flyway", "flyway_schema_history", "installed_rank version script checksum success", alone=True),
    _look("alembic", "alembic_version", "version_num", alone=True, exactly=True),
    _look("django", "django_migrations", "app name applied"),
    _look("effect", "effect_sql_migrations", "migration_id created_at name"),
)
_RAILS = "ar_internal_metadata"  # beside it, schema_migrations is Rails'


_DISTINCT = 4  # columns that together are no other table's


def tool_of(table: str, columns: frozenset[str]) -> str:
    """Whose ledger a table is, "" when nobody's: it bears a tool's own name, or has columns like no other table."""
    named = [look for look in LOOKS if look.table == table]
    alike = [look for look in LOOKS if look.alone and len(look.columns) >= _DISTINCT and look.fits(table, columns)]
    found = [look for look in named if look.fits(table, columns)] or alike or named
    return found[0].tool if found else ""


def ledgers_in(script: Script) -> tuple[FoundLedger, ...]:
    """The ledgers in a database, by schema and table. Reads the catalogue only."""
    tables = dict(_tables(script))
    rails = any(table == _RAILS for _, table in tables)
    found = []
    for (schema, table), columns in tables.items():
        look = next((look for look in LOOKS if look.fits(table, columns)), None)
        if look and not (rails and look.tool == "dbmate"):
            usual = any(other.is_at(schema, table) for other in LOOKS if other.tool == look.tool)
            found.append(FoundLedger(tool=look.tool, schema=schema, table=table, usual=usual))
    return tuple(found)


def _tables(script: Script) -> Iterator[tuple[tuple[str, str], frozenset[str]]]:
    gathered: dict[tuple[str, str], list[str]] = {}
    for schema, table, column in script.ask(_POSTGRESQL if script.vendor == "postgresql" else _SQLITE):
        gathered.setdefault((schema, table), []).append(column)
    for key, columns in gathered.items():
        yield key, frozenset(columns)
