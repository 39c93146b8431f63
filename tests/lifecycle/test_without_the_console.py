"""The recipes of docs/backups.md: the store's bytes and public tools are enough, without any code of ours."""

from __future__ import annotations

import base64
import json
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
from backports import zstd
from psycopg import sql

from opsconsole import operations, process
from opsconsole.engines.postgresql import tools
from opsconsole.states import State
from tests.support.cases import count_orders, work
from tests.support.console import Console


def folder_of_a_backup(console: Console, row: Any, cast: Any, chosen: str = "native") -> tuple[Path, dict[str, Any]]:
    """Where a fresh backup lies, and what its manifest says of its contents."""
    operation = work(console, operations.request("backup", row, {"format": chosen}, account=cast.ada))
    assert operation.state == State.SUCCEEDED, operation.failure_why
    folder = console.home / "store" / row.backups.get().key
    return folder, json.loads((folder / "manifest.json").read_bytes())["manifest"]["contents"]


def pg_restore(url: str, *words: str) -> None:
    """Run pg_restore into the database at `url`; it must find nothing to complain about."""
    at = psycopg.conninfo.conninfo_to_dict(url)
    env = {"PGHOST": at["host"], "PGPORT": str(at["port"]), "PGUSER": at["user"], "PGPASSWORD": at["password"]}
    program = tools.choose(160000).pg_restore
    done = process.run([program, "--no-owner", "-d", str(at["dbname"]), *words], env=env)
    assert done.returncode == 0, done.stderr.decode()


def copy_in(db: psycopg.Connection[Any], folder: Path, table: dict[str, Any]) -> None:
    schema, _, name = table["name"].partition(".")
    columns = sql.SQL(", ").join(map(sql.Identifier, table["columns"]))
    for key in table["objects"]:
        kind = sql.SQL("binary" if ".bin." in key else "text")
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT {})")
        with db.cursor().copy(statement.format(sql.Identifier(schema, name), columns, kind)) as copy:
            copy.write(zstd.decompress((folder / key).read_bytes()))


def test_the_native_archive_of_postgresql_restores_by_the_recipe(console, cast, postgres_shop, postgres):
    shop, row = postgres_shop
    folder, contents = folder_of_a_backup(console, row, cast)
    shop.name = postgres.create_database(postgres.fresh_name("by_hand"))
    pg_restore(shop.url, "--section=pre-data", str(folder / "schema.dump"))
    with psycopg.connect(shop.url) as db:
        for table in contents["tables"]:
            copy_in(db, folder, table)
        for name, state in contents["sequences"].items():
            last, called = state.split(",")
            db.execute("SELECT setval(%s::regclass, %s, %s)", (name, int(last), called))
    pg_restore(shop.url, "--section=post-data", str(folder / "schema.dump"))
    assert shop.orders() == 200
    with psycopg.connect(shop.url) as db:
        assert db.execute("INSERT INTO orders (customer_id) VALUES (1) RETURNING id").fetchone() == (201,)


def test_the_custom_archive_of_postgresql_is_one_pg_restore(console, cast, postgres_shop, postgres, tmp_path):
    shop, row = postgres_shop
    folder, contents = folder_of_a_backup(console, row, cast, "custom")
    (stored,) = [folder / item["key"] for item in contents["objects"]]
    plain = tmp_path / "database.dump"
    data = stored.read_bytes()
    plain.write_bytes(zstd.decompress(data) if stored.suffix == ".zst" else data)
    shop.name = postgres.create_database(postgres.fresh_name("by_hand"))
    pg_restore(shop.url, str(plain))
    assert shop.orders() == 200


def test_the_backup_of_sqlite_is_the_file_itself(console, cast, sqlite_shop, tmp_path):
    _, row = sqlite_shop
    folder, _ = folder_of_a_backup(console, row, cast)
    copy = tmp_path / "copy.sqlite"
    copy.write_bytes(zstd.decompress((folder / "database.sqlite.zst").read_bytes()))
    assert count_orders(copy) == 200


def test_a_portable_backup_is_read_by_any_json_reader(console, cast, sqlite_shop):
    shop, row = sqlite_shop
    with sqlite3.connect(shop.path) as db:
        db.execute("CREATE TABLE photos (id INTEGER PRIMARY KEY, image)")
        db.execute("INSERT INTO photos VALUES (1, x'00ff')")
    db.close()
    folder, contents = folder_of_a_backup(console, row, cast, "json")
    tables = json.loads(zstd.decompress((folder / "document.json.zst").read_bytes()))["tables"]
    assert {name: len(rows) for name, rows in tables.items()} == {"customers": 10, "orders": 200, "photos": 1}
    assert tables["orders"][6] == {"id": 7, "customer_id": 8, "cents": 35}
    assert base64.b64decode(tables["photos"][0]["image"]["$bytes"]) == b"\x00\xff"
    types = {table["name"]: table["types"] for table in contents["source"]["document"]["tables"]}
    assert types["orders"] == {"id": "INTEGER", "customer_id": "INTEGER", "cents": "INTEGER"}


def test_the_rows_of_a_patch_are_read_by_the_recipe(console, cast, postgres_shop):
    shop, row = postgres_shop
    work(console, operations.request("backup", row, {}, account=cast.ada))
    with psycopg.connect(shop.url) as db:
        db.execute("INSERT INTO orders (id, customer_id, cents) VALUES (1001, 1, 5), (1002, 2, 6)")
    done = work(console, operations.request("restore", row, {"patch": "yes"}, account=cast.ada, confirm="shop"))
    assert done.state == State.SUCCEEDED, done.failure_why
    folder = console.home / "store" / done.patch.key
    contents = json.loads((folder / "manifest.json").read_bytes())["manifest"]["contents"]
    (table,) = contents["tables"]
    form = contents["source"]["shapes"][table["name"]]["form"]
    columns = sql.SQL(", ").join(map(sql.Identifier, table["columns"]))
    statement = sql.SQL("COPY again ({}) FROM STDIN (FORMAT {})").format(columns, sql.SQL(form))
    with psycopg.connect(shop.url) as db:
        db.execute("CREATE TEMPORARY TABLE again (LIKE orders)")
        with db.cursor().copy(statement) as copy:
            copy.write(zstd.decompress((folder / table["objects"][0]).read_bytes()))
        assert db.execute("SELECT id, customer_id, cents FROM again ORDER BY id").fetchall() == [
            (1001, 1, 5),
            (1002, 2, 6),
        ]
