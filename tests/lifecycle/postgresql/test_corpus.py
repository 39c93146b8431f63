"""A schema of awkward things comes back as pg_dump brings it back, row for row, by every format and method."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import postgres_worker as worker
from tests.support.servers import LoginRole, PostgresServer

CORPUS = (Path(__file__).parent / "corpus.sql").read_text()
SERVERS = ["postgres", "postgres18", "debian_postgres"]
WAYS = {("native", "swap"): SERVERS, ("custom", "in_place"): ["postgres"], ("native", "in_place"): ["postgres18"]}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
def original(server: PostgresServer) -> Iterator[str]:
    name = server.create_database()
    server.run(CORPUS, name)
    if server.rows("SELECT count(*) FROM pg_config WHERE name = 'CONFIGURE' AND setting LIKE '%libxml%'") == [(1,)]:
        server.run("""UPDATE kinds SET x = '<?xml version="1.0"?><a b="&lt;">é</a>'""", name)
    yield name
    for (found,) in server.rows(f"SELECT datname FROM pg_database WHERE datname LIKE '{name}%'"):
        server.drop_database(found)


def dumped(server: PostgresServer, name: str) -> list[str]:
    """pg_dump of a database as sorted lines: rows of a table may come in another order, and restores number anew."""
    argv = [str(server.bin / "pg_dump"), server.url(name), "--exclude-table=*._opsconsole_undo"]
    text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    return sorted(line for line in text.splitlines() if "restrict" not in line)


def copied_by_pg_dump(server: PostgresServer, name: str) -> str:
    """A second database with what pg_dump and pg_restore bring back of the first."""
    copy = server.create_database(name + "_copy")
    dump = subprocess.run([str(server.bin / "pg_dump"), "-Fc", server.url(name)], check=True, capture_output=True)
    argv = [str(server.bin / "pg_restore"), "--exit-on-error", f"--dbname={server.url(copy)}"]
    subprocess.run(argv, input=dump.stdout, check=True)
    return copy


def wreck(server: PostgresServer, name: str) -> None:
    server.run(
        'DROP TABLE logs, tree CASCADE; DELETE FROM "Mixed Case"."Order" WHERE "select" > 3; DROP VIEW joined;'
        " CREATE TABLE newer (id int REFERENCES status); CREATE VIEW on_status AS SELECT * FROM status;"
        " ALTER TABLE kinds ADD COLUMN more text; CREATE TYPE later AS ENUM ('a'); DROP FUNCTION double CASCADE",
        name,
    )


@pytest.mark.parametrize(
    ("server", "format", "method"),
    [
        pytest.param(server, *way, marks=[] if server in WAYS.get(way, ()) else [pytest.mark.nightly])
        for server in SERVERS
        for way in itertools.product(["native", "custom", "json"], ["swap", "in_place"])
    ],
    indirect=["server"],
)
def test_the_corpus_comes_back(server: PostgresServer, original: str, base: Path, format: str, method: str) -> None:
    url, expected = server.url(original), dumped(server, copied_by_pg_dump(server, original))
    contents = worker.backup(url, base, format=format)
    assert (contents.format, contents.fallback_reason) == (format, "")
    wreck(server, original)
    worker.restore(url, base, worker.run_in(base), method=method)
    assert dumped(server, original) == expected
    assert worker.engine(url).schema_fingerprint() == contents.schema_fingerprint


def test_the_fingerprint_is_that_of_a_pg_restore(server: PostgresServer, original: str) -> None:
    copy = copied_by_pg_dump(server, original)
    fingerprints = {worker.engine(server.url(name)).schema_fingerprint() for name in (original, copy)}
    assert len(fingerprints) == 1


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE status ALTER code SET DEFAULT 'xyz'",
        "DROP INDEX partial",
        "ALTER TABLE wide ENABLE TRIGGER sleeping",
        "CREATE OR REPLACE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$",
        "ALTER TYPE mood ADD VALUE 'glad'",
        "ALTER TABLE guarded NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY own ON guarded",
        "ALTER SEQUENCE untouched MAXVALUE 100",
        "COMMENT ON TABLE status IS 'other'",
        "ALTER TABLE a_to_b VALIDATE CONSTRAINT a_to_b_b_fkey",
        "ALTER TABLE logs DETACH PARTITION logs_2024",
        "CREATE OR REPLACE VIEW checked AS SELECT * FROM status WHERE id < 11",
    ],
)
def test_every_change_of_the_schema_changes_the_fingerprint(postgres: PostgresServer, change: str) -> None:
    name = postgres.create_database()
    postgres.run(CORPUS, name)
    engine = worker.engine(postgres.url(name))
    before = engine.schema_fingerprint()
    postgres.run(change, name)
    assert engine.schema_fingerprint() != before
    postgres.drop_database(name)


def test_rows_rights_and_our_own_tables_do_not_change_the_fingerprint(postgres: PostgresServer) -> None:
    name = postgres.create_database()
    postgres.run(CORPUS, name)
    engine = worker.engine(postgres.url(name))
    before = engine.schema_fingerprint()
    role: LoginRole = postgres.create_role()
    postgres.run(
        "DELETE FROM wide; SELECT nextval('untouched'); CREATE TABLE _opsconsole_more (id serial PRIMARY KEY);"
        f' GRANT SELECT ON wide TO "{role.name}"; ALTER TABLE tree OWNER TO "{role.name}"',
        name,
    )
    assert engine.schema_fingerprint() == before
    postgres.run(f'DROP OWNED BY "{role.name}" CASCADE', name)
    postgres.drop_database(name)
