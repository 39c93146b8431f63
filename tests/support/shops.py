"""The same small shop on both engines: a target that tests back up, damage, restore and look into."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.support.cases import count_orders, lose_orders, make_shop

ORDERS = 200


@dataclass
class SqliteShop:
    """A SQLite file. `url` is its address for the console."""

    path: Path
    engine: str = "sqlite"

    @classmethod
    def make(cls, folder: Path, journal: str = "WAL") -> SqliteShop:
        return cls(make_shop(folder / "shop.sqlite", rows=ORDERS, journal=journal))

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def orders(self) -> int:
        """How many orders there are, the file's integrity checked."""
        return count_orders(self.path)

    def lose(self, keep: int) -> None:
        lose_orders(self.path, keep)

    def change(self, script: str) -> None:
        """Run SQL in it."""
        with closing(sqlite3.connect(self.path)) as db:
            db.executescript(script)

    def tamper(self, scratch: str, script: str) -> None:
        """Run SQL in a file beside it; `{no_keys}` stands for switching foreign keys off."""
        db = sqlite3.connect(self.path.with_name(scratch))
        db.executescript(script.replace("{no_keys}", "PRAGMA foreign_keys=OFF;"))
        db.close()

    def replace_by_somebody_else(self) -> None:
        """Somebody copies another file's content over it; one order is left."""
        with sqlite3.connect(make_shop(self.path.parent.parent / "other.sqlite", rows=1)) as other:
            with sqlite3.connect(self.path) as live:
                other.backup(live)
            live.close()
        other.close()

    def leftovers(self) -> list[str]:
        """What lies beside the file that belongs neither to SQLite nor to its lock."""
        own = {self.path.name, f"{self.path.name}-wal", f"{self.path.name}-shm", f"{self.path.name}.opsconsole-lock"}
        return sorted(entry.name for entry in self.path.parent.iterdir() if entry.name not in own)


@dataclass
class PostgresShop:
    """A PostgreSQL database on a test server."""

    server: Any
    name: str
    engine: str = "postgresql"

    @classmethod
    def make(cls, server: Any) -> PostgresShop:
        name = server.create_database(server.fresh_name("shop"))
        with psycopg.connect(server.url(name)) as db:
            db.execute(
                "CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL)"
            )
            db.execute(
                "CREATE TABLE orders (id bigserial PRIMARY KEY,"
                " customer_id bigint NOT NULL REFERENCES customers(id), cents integer, facts jsonb)"
            )
            db.execute("CREATE INDEX idx_orders_customer ON orders(customer_id)")
            db.execute("INSERT INTO customers (name) SELECT 'customer ' || n FROM generate_series(1, 10) n")
            db.execute(
                "INSERT INTO orders (customer_id, cents, facts)"
                " SELECT n %% 10 + 1, n * 5, jsonb_build_object('n', n) FROM generate_series(1, %s) n",
                (ORDERS,),
            )
        return cls(server, name)

    @property
    def url(self) -> str:
        return str(self.server.url(self.name))

    def orders(self) -> int:
        """How many orders there are; every one has its customer."""
        with psycopg.connect(self.url) as db:
            orphans = db.execute(
                "SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT FROM customers c WHERE c.id = o.customer_id)"
            )
            assert orphans.fetchone() == (0,)
            return int(db.execute("SELECT count(*) FROM orders").fetchone()[0])  # type: ignore[index]

    def empty(self) -> None:
        """Take the shop's tables away."""
        with psycopg.connect(self.url) as db:
            db.execute("DROP TABLE orders, customers")

    def lose(self, keep: int) -> None:
        with psycopg.connect(self.url) as db:
            db.execute("DELETE FROM orders WHERE id > %s", (keep,))

    def change(self, script: str) -> None:
        """Run SQL in it."""
        self.server.run(script, self.name)

    def tamper(self, scratch: str, script: str) -> None:
        """Run SQL in another database of its server; `{no_keys}` stands for switching foreign keys off."""
        self.server.run(script.replace("{no_keys}", "SET session_replication_role = replica;"), scratch)

    def replace_by_somebody_else(self) -> None:
        """Somebody renames another database into its place; one order is left."""
        with psycopg.connect(self.server.url("postgres"), autocommit=True) as db:
            db.execute(f'ALTER DATABASE "{self.name}" RENAME TO "{self.name}_theirs"')
            db.execute(f'CREATE DATABASE "{self.name}" TEMPLATE "{self.name}_theirs"')
        self.lose(1)

    def leftovers(self) -> list[str]:
        """Staging databases, sessions and advisory locks of ours that outlived their operation."""
        with psycopg.connect(self.server.url("postgres")) as db:
            names = db.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", (f"{self.name}\\_\\_oc\\_%",))
            sessions = db.execute(
                "SELECT application_name FROM pg_stat_activity"
                " WHERE application_name LIKE 'opsconsole/%%' AND datname LIKE %s",
                (f"{self.name}%",),
            )
            locks = db.execute(
                "SELECT 'lock in ' || d.datname FROM pg_locks l JOIN pg_database d ON d.oid = l.database"
                " WHERE l.locktype = 'advisory' AND d.datname LIKE %s",
                (f"{self.name}%",),
            )
            return sorted(row[0] for rows in (names, sessions, locks) for row in rows.fetchall())
