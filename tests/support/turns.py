"""Databases on PostgreSQL that the consoles of tests take turns with.

Making a database of a few hundred tables and indexes and dropping it again takes longer than most tests. So one that a
test has left is emptied and filled as the template is, and given to the next one; but only when nobody is in it any
more and nothing but its rows has changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from tests.support.servers import PostgresServer

# Whatever changes an object of a database writes a row of one of these, under the transaction's own number.
CATALOGUES = (
    "pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_trigger", "pg_proc", "pg_type",
    "pg_namespace", "pg_rewrite", "pg_policy", "pg_extension", "pg_event_trigger", "pg_default_acl", "pg_description",
)  # fmt: skip
OBJECTS = " UNION ALL ".join(
    f"SELECT '{name}', count(*), sum(xmin::text::bigint)::text FROM {name}" for name in CATALOGUES
)
SETTINGS = """
    SELECT datdba::text, datacl::text, datconnlimit::text, (SELECT array_agg(setconfig::text) FROM pg_db_role_setting
    WHERE setdatabase = d.oid)::text FROM pg_database d WHERE datname = current_database()
"""
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
SEQUENCES = """
    SELECT sequencename, start_value, last_value FROM pg_sequences WHERE schemaname = 'public' ORDER BY 1
"""
GUARDS = """
    SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND t.tgenabled = 'A' ORDER BY 1, 2
"""
CONTENT = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {} AS t"

Fingerprint = tuple[Any, ...]


@dataclass
class Turns:
    """The databases of one template. `take()` gives the name of one that is as the template is."""

    server: PostgresServer
    template: str
    _free: dict[str, Fingerprint] = field(default_factory=dict)
    _taken: dict[str, Fingerprint] = field(default_factory=dict)
    _rows: dict[str, tuple[Any, bytes]] = field(default_factory=dict)  # by table: its content's sum, its rows
    _sequences: dict[str, tuple[int, int | None]] = field(default_factory=dict)  # their first and last values
    _guards: dict[str, list[str]] = field(default_factory=dict)  # triggers by table

    def __post_init__(self) -> None:
        with self.server.connect(self.template) as line:
            for name in _tables(line):
                content = _content(line, name)
                with line.cursor().copy(_copy(name, "TO STDOUT")) as out:
                    self._rows[name] = (content, b"".join(bytes(part) for part in out))
            self._sequences = {name: (start, last) for name, start, last in line.execute(SEQUENCES)}
            for table, trigger in line.execute(GUARDS):
                self._guards.setdefault(table, []).append(trigger)

    def take(self) -> str:
        if self._free:
            name, objects = self._free.popitem()
        else:
            name = self.server.create_database(self.server.fresh_name("console"), template=self.template)
            with self.server.connect(name) as line:
                objects = _objects(line)
        self._taken[name] = objects
        return name

    def give_back(self, name: str) -> None:
        objects = self._taken.pop(name)
        if not self._restore(name, objects):
            self.server.drop_database(name)

    def _restore(self, name: str, objects: Fingerprint) -> bool:
        """Make it as the template is; False when that is more than a matter of rows."""
        try:
            with self.server.connect(name) as line:
                if line.execute(OTHERS).fetchone() != (0,) or _objects(line) != objects:
                    return False
                self._fill(line)
                self._free[name] = _objects(line)
        except psycopg.OperationalError:  # the test did away with it
            return False
        return True

    def _fill(self, line: psycopg.Connection[Any]) -> None:
        other = [name for name, (content, _) in self._rows.items() if _content(line, name) != content]
        line.execute("SET session_replication_role = replica")  # so that references are no matter
        with line.transaction():
            for name in other:
                self._empty(line, name)
        if other:  # new rows then lie in the order in which they are written
            line.execute(sql.SQL("VACUUM {}").format(sql.SQL(", ").join(map(sql.Identifier, other))))
        with line.transaction():
            for name in other:
                self._switch(line, name, "DISABLE TRIGGER {}")
                with line.cursor().copy(_copy(name, "FROM STDIN")) as into:
                    into.write(self._rows[name][1])
                self._switch(line, name, "ENABLE ALWAYS TRIGGER {}")
            for name, (start, last) in self._sequences.items():
                value = (start, False) if last is None else (last, True)
                line.execute("SELECT setval(%s::regclass, %s, %s)", (f'"{name}"', *value))

    def _empty(self, line: psycopg.Connection[Any], table: str) -> None:
        self._switch(line, table, "DISABLE TRIGGER {}")
        line.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        self._switch(line, table, "ENABLE ALWAYS TRIGGER {}")

    def _switch(self, line: psycopg.Connection[Any], table: str, action: str) -> None:
        """Guards stand in the way even of the superuser, unless they are switched off one by one."""
        if names := self._guards.get(table):
            actions = sql.SQL(", ").join(sql.SQL(action).format(sql.Identifier(name)) for name in names)
            line.execute(sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(table), actions))


def _tables(line: psycopg.Connection[Any]) -> list[str]:
    return [name for (name,) in line.execute(TABLES)]


def _content(line: psycopg.Connection[Any], table: str) -> Any:
    return line.execute(sql.SQL(CONTENT).format(sql.Identifier(table))).fetchone()


def _copy(table: str, where: str) -> sql.Composed:
    return sql.SQL("COPY {} " + where + " (FORMAT binary)").format(sql.Identifier(table))


def _objects(line: psycopg.Connection[Any]) -> Fingerprint:
    return (*line.execute(OBJECTS.encode()).fetchall(), line.execute(SETTINGS).fetchone())
