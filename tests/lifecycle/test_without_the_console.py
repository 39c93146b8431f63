"""The recipes of docs/backups.md: the store's bytes and public tools are enough, without any code of ours."""

from __future__ import annotations

import base64
import json
import re
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from backports import zstd
from django.conf import settings
from psycopg import sql
from pyrage import x25519

from lifecycle.backups import archives, manifest
from lifecycle.encryption import by_hand, recipients
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


RECIPES = Path(settings.BASE_DIR) / "templates" / "lifecycle" / "recipes"
# Where a program is not installed, what docs/backups.md says instead: the same bytes by the packages alone.
INSTEAD = {
    "age": "import sys, pyrage\nk = pyrage.x25519.Identity.from_str(open(sys.argv[3]).read().split()[-1])\n"
    "pyrage.decrypt_io(open(sys.argv[4], 'rb'), sys.stdout.buffer, [k])",
    "zstd": "import sys\nfrom backports import zstd\nsys.stdout.buffer.write(zstd.decompress(sys.stdin.buffer.read()))",
    "sqlite3": "import sys, sqlite3\nprint(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone())",
}


def lines_of(recipe: str, **words: str) -> list[str]:
    """The lines of a recipe, which docs/backups.md has too, with the words in capitals filled in."""
    lines = [line.strip() for line in (RECIPES / f"{recipe}.txt").read_text().splitlines()]
    documented = (Path(settings.BASE_DIR) / "docs" / "backups.md").read_text()
    assert "\n".join(lines) in documented
    return [re.sub(r"\b[A-Z]{3,}(?:\.txt)?\b", lambda match: words.get(match[0], match[0]), line) for line in lines]


def shell(folder: Path, lines: list[str], url: str = "") -> str:
    """Run lines as somebody would who has these programs and nothing of ours; what they print."""
    bin = folder / "bin"
    bin.mkdir(exist_ok=True)
    for name, program in INSTEAD.items():
        if shutil.which(name) is None:
            (bin / f"{name}.py").write_text(program)
            # by a shell, because the first line of a script names no program in a folder with a space
            (bin / name).write_text(f"#!/bin/sh\nexec '{sys.executable}' '{bin / name}.py' \"$@\"\n")
            (bin / name).chmod(0o755)
    env = {"PATH": f"{bin}:{tools.choose(160000).pg_restore.parent}:/usr/bin:/bin"}
    if url:
        at = psycopg.conninfo.conninfo_to_dict(url)
        env |= {"PGHOST": at["host"], "PGPORT": str(at["port"]), "PGUSER": at["user"], "PGPASSWORD": at["password"]}
    script = "set -eu\nset -o pipefail\n" + "\n".join(lines)
    done = process.run(["/bin/bash", "-c", script], env=env, cwd=folder)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture
def key_file(console: Console, cast: Any, tmp_path: Path) -> Path:
    """The private key of a recipient of development; the console holds none."""
    key = x25519.Identity.generate()
    given = {"environment": "development", "label": "escrow", "public_key": str(key.to_public()), "role": "escrow"}
    operations.request_change(recipients.ADD, given, account=cast.admin, reason="it is wanted")
    path = tmp_path / "key.txt"
    path.write_text(f"# created: today\n# public key: {key.to_public()}\n{key}\n")
    return path


def test_an_encrypted_backup_of_sqlite_comes_back_by_the_documented_lines(console, cast, sqlite_shop, key_file):
    _, row = sqlite_shop
    folder, _ = folder_of_a_backup(console, row, cast)
    lines = lines_of("sqlite", FOLDER=str(folder), **{"KEY.txt": str(key_file)})
    assert shell(key_file.parent, lines).strip() == "ok"
    assert count_orders(key_file.parent / "database.sqlite") == 200


def require_the_same_by_the_script(folder: Path, key_file: Path, postgres: Any, shop: Any) -> None:
    """The script of the recovery kit brings the same rows into another database."""
    other = postgres.create_database(postgres.fresh_name("by_script"))
    script = by_hand.script(manifest.read((folder / "manifest.json").read_bytes(), archives.believed_keys()))
    shell(key_file.parent, [f"FOLDER='{folder}' KEY='{key_file}' NEW={other}", script], shop.url)
    assert postgres.rows("SELECT * FROM orders ORDER BY id", other) == postgres.rows(
        "SELECT * FROM orders ORDER BY id", shop.name
    )
    assert postgres.rows("SELECT nextval('orders_id_seq')", other) == [(201,)]


def test_an_encrypted_archive_of_postgresql_comes_back_by_the_documented_lines(
    console, cast, postgres_shop, postgres, key_file
):
    shop, row = postgres_shop
    folder, contents = folder_of_a_backup(console, row, cast)
    name = shop.name = postgres.create_database(postgres.fresh_name("by_hand"))
    given = {"FOLDER": str(folder), "KEY.txt": str(key_file), "NEW": name}
    first, second, third, fourth, fifth = lines_of("native", **given)
    rows = [
        third.replace("OBJECT", key).replace("TABLE (COLUMNS)", f"{table['name']} ({','.join(table['columns'])})")
        for table in contents["tables"]
        for key in table["objects"]
    ]
    values = [
        fourth.replace("SEQUENCE", each).replace("LAST, CALLED", state) for each, state in contents["sequences"].items()
    ]
    assert all(".bin." in key for table in contents["tables"] for key in table["objects"])
    shell(key_file.parent, [first, second, *rows, *values, fifth], shop.url)
    require_the_same_by_the_script(folder, key_file, postgres, shop)
    assert shop.orders() == 200
    with psycopg.connect(shop.url) as db:
        assert db.execute("INSERT INTO orders (customer_id) VALUES (1) RETURNING id").fetchone() == (201,)
