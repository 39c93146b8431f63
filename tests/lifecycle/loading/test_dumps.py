"""What pg_dump writes goes back into tables that are there, value by value as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lifecycle import loading
from lifecycle.documents.inspecting import GivenFile, inspect
from lifecycle.loading import Options
from opsconsole import process
from tests.lifecycle.loading.conftest import Place
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


@pytest.mark.parametrize("options", [["--format=custom"], ["--inserts"], ["--data-only"]], ids=str)
def test_a_dump_goes_back_as_it_was(make_place: Callable[[str], Place], options: list[str], tmp_path: Any) -> None:
    place = make_place(SCHEMA + ROWS)
    place.server.run(f"ALTER DATABASE {place.name} SET timezone = 'Europe/Amsterdam'", place.name)
    before = place.rows("SELECT kinds::text FROM kinds ORDER BY id")
    dump = tmp_path / "dump"
    argv = [place.server.bin / "pg_dump", f"--dbname={place.server.url(place.name)}", f"--file={dump}", *options]
    assert process.run(argv).returncode == 0
    (work := tmp_path / "work").mkdir()
    document = inspect([GivenFile(name="dump", path=dump)], work).document()
    place.run_sql("DELETE FROM kinds; INSERT INTO kinds (id, txt) VALUES (7, 'newer')")
    asked, engine = Options(), place.engine()
    found = loading.survey(engine, document, asked)
    with engine.hold() as lock:
        facts = loading.load(
            engine, lock, document, found, asked, FakeRun(7, 1, workdir=tmp_path), rejects=place.rejects
        )
    assert facts["rows"] == len(before) == 27
    assert place.rows("SELECT kinds::text FROM kinds ORDER BY id") == before
