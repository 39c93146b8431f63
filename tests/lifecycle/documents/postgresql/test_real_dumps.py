"""What real pg_dumps write of a database of awkward things is read equal to what that database gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from opsconsole import process
from tests.lifecycle.documents.reading_files import read
from tests.support.servers import PostgresServer

CORPUS = Path(__file__).parents[2] / "postgresql" / "corpus.sql"
MORE = r"""
CREATE TABLE texts (id int PRIMARY KEY, t text, yes boolean, big numeric, small real, b bytea);
INSERT INTO texts
    SELECT n, chr(n) || 'x' || chr(n), n % 2 = 0, 10 ^ 40 + n, n / 7.0, decode(lpad(to_hex(n), 4, '0'), 'hex')
    FROM generate_series(1, 255) n;
INSERT INTO texts VALUES (-1, '', NULL, 'NaN', 'infinity', ''), (-2, '\N', true, -0.0, '-0', '\x5c2e0a'),
    (-3, E'\\.\n\\.\r\n\\! id\n\\unrestrict x', false, 1e-30, 1e-30, NULL),
    (-4, E'\'; DROP TABLE texts; --\n$$ /* "', NULL, NULL, NULL, NULL),
    (-5, repeat(E'\\''\t', 1000), NULL, NULL, NULL, NULL);
CREATE TABLE "no columns" ();
INSERT INTO "no columns" DEFAULT VALUES;
INSERT INTO "no columns" DEFAULT VALUES;
CREATE TABLE "weird
\! name; Type: TABLE" ("co""l
umn" int, exclude text, storage "char");
INSERT INTO "weird
\! name; Type: TABLE" VALUES (1, 'x', 'y');
"""
Tables = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> Iterator[str]:
    name = postgres.create_database()
    postgres.run(CORPUS.read_text(), name)
    postgres.run(MORE, name)
    yield name
    postgres.drop_database(name)


def held(server: PostgresServer, database: str) -> Tables:
    """The stored columns of every table, as the server and psycopg write and read COPY."""
    columns = """SELECT n.nspname, c.relname, array_remove(array_agg(a.attname ORDER BY a.attnum), NULL)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a
            ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        WHERE c.relkind = 'r' AND n.nspname IN ('public', 'Mixed Case') GROUP BY 1, 2"""
    tables: Tables = {}
    with server.connect(database) as connection:
        for schema, table, names in connection.execute(columns).fetchall():
            listed = sql.SQL(", ").join(map(sql.Identifier, names))
            query = sql.SQL("COPY (SELECT {} FROM ONLY {}) TO STDOUT").format(listed, sql.Identifier(schema, table))
            with connection.cursor().copy(query) as copy:
                tables[f"{schema}.{table}"] = [dict(zip(names, row, strict=False)) for row in copy.rows()]
    return tables


def dumped(server: PostgresServer, database: str, *options: str, tools: Path | None = None) -> bytes:
    argv = [(tools or server.bin) / "pg_dump", f"--dbname={server.url(database)}", *options]
    result = process.run(argv, env={"TZ": "UTC"})
    assert result.returncode == 0, result.stderr
    return result.stdout


def plain(tables: Mapping[str, list[Mapping[str, Any]]]) -> Tables:
    """With what INSERT writes of truth values as COPY writes it."""
    words = {"true": "t", "false": "f"}
    truths = {("public.texts", "yes")}
    return {
        name: [
            {key: words.get(value, value) if (name, key) in truths else value for key, value in row.items()}
            for row in rows
        ]
        for name, rows in tables.items()
    }


@pytest.mark.parametrize(
    "options", [(), ("--inserts",), ("--column-inserts", "--rows-per-insert=7", "--clean", "--if-exists")], ids=str
)
def test_a_plain_dump_is_read_equal_to_its_database(
    postgres: PostgresServer, database: str, options: tuple[str, ...]
) -> None:
    found = read(dumped(postgres, database, *options))
    assert found.format == "pg-dump-sql" and not found.errors
    assert plain(found.tables) == held(postgres, database)
    kinds = found.findings.types["public.kinds"]
    assert kinds["address"] == 'public."Address"' and kinds["matrix"] == "integer[]" and kinds["ch"] == "character(5)"
    assert kinds["t"] == "timestamp with time zone" and kinds["char"] == '"char"'


@pytest.mark.parametrize(
    "options", [(), ("--compress=0", "--inserts"), ("--compress=9", "--load-via-partition-root")], ids=str
)
def test_a_custom_archive_is_read_equal_to_its_database(
    postgres: PostgresServer, database: str, options: tuple[str, ...]
) -> None:
    found = read(dumped(postgres, database, "--format=custom", *options))
    assert found.format == "pg-dump-custom" and not found.errors
    expected = held(postgres, database)
    if "--load-via-partition-root" in options:
        parts = sorted(name for name in expected if name.startswith("public.logs_"))
        expected["public.logs"] = [row for name in parts for row in expected.pop(name)]
    assert plain(found.tables) == expected
    assert found.findings.types["public.kinds"]["matrix"] == "integer[]"


@pytest.mark.nightly
@pytest.mark.parametrize("fixture", ["postgres18", "debian_postgres"])
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--column-inserts", "--on-conflict-do-nothing"),
        ("--data-only", "--disable-triggers"),
        ("--format=custom",),
        ("--format=custom", "--inserts", "--compress=0"),
    ],
    ids=str,
)
def test_dumps_of_every_server_are_read_equal(
    request: pytest.FixtureRequest, fixture: str, options: tuple[str, ...]
) -> None:
    server: PostgresServer = request.getfixturevalue(fixture)
    name = server.create_database()
    server.run(CORPUS.read_text(), name)
    server.run(MORE + "SELECT lo_from_bytea(4711, 'a;b'); ANALYZE", name)
    expected, found = held(server, name), read(dumped(server, name, *options))
    server.drop_database(name)
    assert plain(found.tables) == expected and not found.errors
    assert "large objects" in found.told("not_taken_over")
