"""What databases wrote goes back into tables that are there, value by value as it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lifecycle import loading
from lifecycle.documents.inspecting import GivenFile, inspect
from lifecycle.documents.normalised import NormalisedDocument
from lifecycle.formats.base import Archive
from lifecycle.loading import Options, RejectObject
from opsconsole import process
from opsconsole.engines.base import Engine
from opsconsole.storage import FolderStore
from tests.lifecycle.documents.reading_files import FIXTURES
from tests.lifecycle.loading.conftest import Place
from tests.support import sqlite_files as files
from tests.support.fake_run import FakeRun

SCHEMA = r"""
CREATE TYPE mood AS ENUM ('ok', 'it''s "fine"');
CREATE TYPE address AS (street text, "House No" int);
CREATE DOMAIN tags AS text[];
CREATE TABLE kinds (
    id serial PRIMARY KEY, m mood, ms mood[], address address, labels tags, j json, jb jsonb, js jsonb[],
    b bytea, bs bytea[], u uuid, t timestamptz, plain timestamp, d date, i interval, n numeric, f float8, ip inet,
    bits varbit, tsv tsvector, r int4range, yes boolean, matrix int[][], ch char(5), txt text,
    doubled int GENERATED ALWAYS AS (id * 2) STORED, up int REFERENCES kinds
);
"""
ROWS = r"""
INSERT INTO kinds (m, ms, address, labels, j, jb, js, b, bs, u, t, plain, d, i, n, f, ip, bits, tsv, r, yes, matrix, ch,
    txt, up)
SELECT 'it''s "fine"', '{ok,NULL}', ROW('a "b", c', n)::address, ARRAY['x', 'y,z', NULL, E'\\"'],
    '{"a" : 1,  "a": "2"}',
    '[1.50, "{}", null]', ARRAY['"text"'::jsonb, '{"a": [1]}'], '\x5c00ff', ARRAY['\x5c'::bytea], gen_random_uuid(),
    timestamptz '1850-01-01 00:00:00+00' + n * interval '10 years', '2026-01-05 12:00:00.000001', '0044-03-15 BC',
    '1 mon -2 days 03:04:05.678', 'NaN', '-Infinity', '10.0.0.0/8', B'101', 'a:1 b:2', '[1,5)', n % 2 = 0,
    '[2:3][0:1]={{1,2},{3,4}}',
    'ab', E'tab\t, new\nline\r, back\\slash, \\N, \\., é' || chr(128512), n FROM generate_series(1, 25) n;
INSERT INTO kinds (t, d, plain, jb, j) VALUES
    ('infinity', '-infinity', '0001-01-01 00:00:00 BC', '"a string"', '"\u00e9"'),
    ('2026-01-05 12:00:00.123456+00', NULL, 'infinity', 'null', ' null ');
"""


AVDAILY = """
CREATE TYPE mood AS ENUM ('ok', 'no');
CREATE TABLE "user" (id uuid PRIMARY KEY, email text UNIQUE, kyc_tier integer DEFAULT 0, m mood);
CREATE TABLE wallets (id serial PRIMARY KEY, user_id uuid REFERENCES "user" ON DELETE CASCADE, balance numeric(15, 2));
INSERT INTO "user" VALUES ('11111111-1111-4111-8111-111111111111', 'gone@example.test');
"""
IGNITION = """
CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT, email TEXT UNIQUE, emailVerified INTEGER, created_at TEXT);
CREATE TABLE "Odd Name" ("a b" integer, r real, t text, b blob);
CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE);
INSERT INTO d1_migrations (name) VALUES ('0001_init.sql'), ('0002_more.sql');
"""
LINE = "O'Brien\r\nline"


def inspected(path: Path, work: Path) -> NormalisedDocument:
    work.mkdir()
    return inspect([GivenFile(name=path.name, path=path)], work).document()


def loaded(
    engine: Engine, document: NormalisedDocument, rejects: RejectObject, folder: Path, *accept: str
) -> Any:  # fmt: skip
    """Replace what is covered; nothing is asked but what is accepted."""
    asked = Options(accept=frozenset(accept))
    found = loading.survey(engine, document, asked)
    with engine.hold() as lock:
        return loading.load(engine, lock, document, found, asked, FakeRun(7, 1, workdir=folder), rejects=rejects)


@pytest.mark.parametrize("options", [["--format=custom"], ["--inserts"], ["--data-only"]], ids=str)
def test_a_dump_goes_back_as_it_was(make_place: Callable[[str], Place], options: list[str], tmp_path: Path) -> None:
    place = make_place(SCHEMA + ROWS)
    place.server.run(f"ALTER DATABASE {place.name} SET timezone = 'Europe/Amsterdam'", place.name)
    before = place.rows("SELECT kinds::text FROM kinds ORDER BY id")
    dump = tmp_path / "dump"
    argv = [place.server.bin / "pg_dump", f"--dbname={place.server.url(place.name)}", f"--file={dump}", *options]
    assert process.run(argv).returncode == 0
    place.run_sql("DELETE FROM kinds; INSERT INTO kinds (id, txt) VALUES (7, 'newer')")
    facts = loaded(place.engine(), inspected(dump, tmp_path / "work"), place.rejects, tmp_path)
    assert facts["rows"] == len(before) == 27
    assert place.rows("SELECT kinds::text FROM kinds ORDER BY id") == before


def test_the_dump_of_avdaily_is_restored(make_place: Callable[[str], Place], tmp_path: Path) -> None:
    place = make_place(AVDAILY)
    packed = FIXTURES / "avdaily" / "avdaily_backup_2026-01-05_12-00-00-123Z.sql.gz"
    loaded(place.engine(), inspected(packed, tmp_path / "work"), place.rejects, tmp_path)
    assert place.rows('SELECT email, kyc_tier, m::text FROM "user" ORDER BY id') == [
        ("tab\tand\\backslash", 2, "ok"),
        (None, 7, None),
    ]
    assert place.rows("SELECT id, balance::text FROM wallets ORDER BY id") == [(1, "-5.00"), (2, "10.00")]
    assert place.rows("SELECT nextval('wallets_id_seq')") == [(3,)]


@pytest.mark.parametrize("style", ["new", "old"])
def test_an_export_of_d1_is_restored_and_leaves_the_ledger(style: str, tmp_path: Path) -> None:
    live = tmp_path / "live.db"
    with closing(sqlite3.connect(live)) as file:
        file.executescript(IGNITION)
    document = inspected(FIXTURES / "ignition" / f"d1-export-{style}.sql", tmp_path / "work")
    archive = Archive(store=FolderStore(tmp_path / "store"), folder="restores/7", part="7.1")
    rejects = RejectObject(archive=archive, key="rejects.jsonl.zst")
    loaded(files.engine(live, label="opsconsole/7/1"), document, rejects, tmp_path, "uncovered:d1_migrations")
    assert files.rows(live, "SELECT * FROM users") == [("u1", LINE, "o@example.test", 1, "2026-01-01 00:00:00")]
    assert files.rows(live, 'SELECT *, typeof(r) FROM "Odd Name"') == [
        (1, 1.5, "semi;colon -- not a comment", b"\0\xff", "real")
    ]
    assert files.rows(live, "SELECT count(*) FROM d1_migrations") == [(2,)]


def test_a_dump_of_postgresql_is_not_put_into_sqlite(tmp_path: Path) -> None:
    live = tmp_path / "live.db"
    files.run_sql(live, "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, mood TEXT, at TEXT, photo BLOB)")
    document = inspected(FIXTURES / "pg_dump" / "people-18.dump", tmp_path / "work")
    found = loading.survey(files.engine(live, label="opsconsole/7/1"), document, Options())
    assert [code for code, _, _ in found.refusals] == ["foreign_texts"]
