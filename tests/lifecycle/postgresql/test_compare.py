"""A restored copy of PostgreSQL is compared by what it holds and means, not by how it happens to be written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lifecycle.formats import format_of
from lifecycle.formats.base import SCRATCH, Contents
from tests.lifecycle.postgresql.conftest import Ledger
from tests.lifecycle.postgresql.test_corpus import CORPUS
from tests.support import postgres_worker as worker

formats = pytest.mark.parametrize("format", ["native", "custom"])
AWKWARD = """
    SET lc_monetary = 'C';
    CREATE SCHEMA "Odd Schema"; CREATE TYPE mood2 AS ENUM ('sad', 'glad'); CREATE DOMAIN moods AS mood2[];
    CREATE TABLE "Odd Schema"."a ""b"" (c)" (id int PRIMARY KEY, "select" text, moods mood2[], more moods);
    INSERT INTO "Odd Schema"."a ""b"" (c)" VALUES (1, E'\\.', '{sad,glad}', '{glad}'),
        (2, E'a\\tb\\\\c\\n', NULL, '{}');
    CREATE TYPE pair AS (at timestamptz, raw bytea, price money);
    CREATE TABLE texts (id int, pair pair, at timestamptz);
    INSERT INTO texts VALUES (1, ROW('2026-07-01 12:00+02', '\\xff00', 12.5), '2026-01-01 12:00+02'), (1, NULL, NULL),
        (1, NULL, NULL);
    CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
    ALTER TABLE texts ADD CHECK (at > '2000-01-01 00:00:00+05');
"""


@contextmanager
def drilled(url: str, base: Path, contents: Contents) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """(the name of a scratch copy, a function that compares it)."""
    run, chosen, engine = worker.run_in(base, fence=9), format_of("postgresql", contents.format), worker.engine(url)
    archive = worker.archive(base, run.part)
    prepared = chosen.prepare(engine, archive, contents, run, method=SCRATCH)
    try:
        yield prepared.name, lambda: chosen.differences(engine, archive, contents, prepared, run)
    finally:
        chosen.clean_up(worker.engine(url, label=run.label), run.operation_id, run.fence)


@formats
@pytest.mark.parametrize("script", [CORPUS, AWKWARD], ids=["corpus", "awkward"])
def test_whatever_a_backup_carries_its_scratch_copy_equals_it(
    postgres: Any, base: Path, format: str, script: str
) -> None:
    name = postgres.create_database()
    postgres.run(script, name)
    postgres.run(
        f"ALTER DATABASE \"{name}\" SET timezone = 'Asia/Tokyo'; ALTER DATABASE \"{name}\" SET bytea_output = 'escape'"
    )
    contents = worker.backup(postgres.url(name), base, format=format)
    with drilled(postgres.url(name), base, contents) as (_, differences):
        assert differences() == []
    Ledger(postgres, name).drop()


def test_a_newer_server_writes_definitions_in_other_words_and_that_is_no_difference(
    postgres18: Any, debian_postgres: Any, base: Path
) -> None:
    name, other = debian_postgres.create_database(), postgres18.create_database()
    debian_postgres.run(CORPUS, name)
    contents = worker.backup(debian_postgres.url(name), base)
    with drilled(postgres18.url(other), base, contents) as (scratch, differences):
        assert differences() == []
        postgres18.run("DROP INDEX partial", scratch)
        assert differences() == ["the copy lacks INDEX public partial"]
    debian_postgres.drop_database(name)
    postgres18.drop_database(other)


TAMPERINGS = {
    "SELECT setval('people_id_seq', 7)": 'public"."people_id_seq" is at 7,true in the copy instead of 500,true',
    "ALTER TABLE entries DROP CONSTRAINT entries_person_fkey": "lacks FK CONSTRAINT public entries entries_person_fkey",
    "DROP TRIGGER watch ON entries": "lacks TRIGGER public entries watch",
    "ALTER TABLE entries ALTER word SET DEFAULT 'x'": "lacks FK|a definition",
    "DROP TABLE entries": "entries is gone from the copy",
}


@formats
def test_what_counts_do_not_show_is_found_out(ledger: Ledger, base: Path, format: str) -> None:
    ledger.server.run(
        "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        " CREATE TRIGGER watch BEFORE UPDATE ON entries FOR EACH ROW EXECUTE FUNCTION pass()",
        ledger.name,
    )
    contents = worker.backup(ledger.url, base, format=format)
    with drilled(ledger.url, base, contents) as (scratch, differences):
        assert differences() == []
        for script, words in TAMPERINGS.items():
            ledger.server.run(script, scratch)
            found = "; ".join(differences())
            assert any(word in found for word in words.split("|")), (script, found)


def test_nobody_but_the_console_may_enter_a_scratch_copy(ledger: Ledger, base: Path) -> None:
    contents = worker.backup(ledger.url, base)
    role = ledger.server.create_role()
    with drilled(ledger.url, base, contents) as (scratch, _), pytest.raises(Exception, match="permission denied"):
        ledger.server.connect(scratch, role=role)


MANY_PARTITIONS = """
    CREATE TABLE spread (id int, day int, word text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    DO $$ BEGIN FOR n IN 0..9 LOOP
        EXECUTE format('CREATE TABLE s%s PARTITION OF spread FOR VALUES FROM (%s) TO (%s)
            PARTITION BY HASH (id)', n, n, n + 1);
        EXECUTE format('CREATE TABLE s%s_0 PARTITION OF s%s FOR VALUES WITH (MODULUS 2, REMAINDER 0)', n, n);
        EXECUTE format('CREATE TABLE s%s_1 PARTITION OF s%s FOR VALUES WITH (MODULUS 2, REMAINDER 1)', n, n);
    END LOOP; END $$;
    CREATE INDEX ON spread (word); CREATE INDEX ON spread (word, id); CREATE INDEX ON spread (lower(word));
    CREATE TABLE entries2 (id int, day int, FOREIGN KEY (id, day) REFERENCES spread);
"""


@formats
def test_indexes_of_partitions_on_two_levels_come_back_valid(postgres: Any, base: Path, format: str) -> None:
    name = postgres.create_database()
    postgres.run(MANY_PARTITIONS, name)
    contents = worker.backup(postgres.url(name), base, format=format)
    with drilled(postgres.url(name), base, contents) as (scratch, differences):
        assert postgres.rows("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid", scratch) == []
        assert differences() == []
    Ledger(postgres, name).drop()
