"""What SQLite and amcheck say of damaged files, indexes and tables, and how it is told."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest

from integrity.checks.amcheck import PostgresPages
from integrity.checks.base import Found, Held, Severity
from integrity.checks.known import CHECKS
from integrity.checks.pages import PAGES, SqlitePages, how_long
from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.templatetags.console import size
from tests.integrity.conftest import Ground

SOUND = """
    CREATE TABLE books (id INTEGER PRIMARY KEY, title TEXT, shelf TEXT, note TEXT);
    CREATE INDEX by_title ON books (title);
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
    INSERT INTO books SELECT i, 'title ' || i, 'shelf ' || (i % 7), hex(randomblob(100)) FROM n;
    UPDATE books SET shelf = NULL WHERE id < 4;
"""
# SQLite looks at the CHECK of every row again, which takes minutes here.
SLOW = """
    PRAGMA ignore_check_constraints = ON;
    CREATE TABLE heavy (id INTEGER PRIMARY KEY, CHECK (length(hex(zeroblob(1000000 + id))) > 0));
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO heavy SELECT i FROM n;
"""


def test_a_sound_file_holds_and_an_index_or_a_row_that_is_not_what_was_declared_is_found(on_sqlite: Ground):
    on_sqlite.change(SOUND)
    told = on_sqlite.look(SqlitePages())
    assert [type(each) for each in told] == [Held] * 3
    on_sqlite.change("""
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, '(title)', '(shelf)') WHERE name = 'by_title';
        UPDATE sqlite_schema SET sql = replace(sql, 'shelf TEXT', 'shelf TEXT NOT NULL') WHERE name = 'books';
    """)
    found = on_sqlite.found(SqlitePages())
    assert {*found} == {"index by_title", "constraints of books"}
    assert found["constraints of books"].count == 3
    (rebuilt,) = found["index by_title"].proposals
    assert (rebuilt.action, rebuilt.statement) == ("reindex", 'REINDEX "by_title"')
    quick = on_sqlite.look(SqlitePages(), quick=True)
    assert [(type(each), each.subject, each.margin != "") for each in quick] == [
        (Held, PAGES, False),
        (Found, "constraints of books", False),
        (Held, "index by_title", True),  # so that what a full check found there stands on
    ]


def test_a_large_file_is_read_table_by_table_in_sight_of_who_waits_and_what_is_wrong_is_told_alike(on_sqlite: Ground):
    on_sqlite.change(SOUND + "CREATE TABLE notes (said TEXT)")
    apart, steps = SqlitePages(apart_from=0), list[tuple[int, int, str]]()
    told = on_sqlite.look(apart, before={"notes": 3}, follow=lambda *step: steps.append(step))
    assert told == on_sqlite.look(SqlitePages()) and all(isinstance(each, Held) for each in told)
    assert steps == [
        (0, 2, "SQLite reads every page"),
        (0, 2, "SQLite compares notes with its indexes"),
        (1, 2, "SQLite compares books with its indexes"),
    ]
    on_sqlite.change("""
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, '(title)', '(shelf)') WHERE name = 'by_title';
    """)
    assert on_sqlite.look(apart) == on_sqlite.look(SqlitePages())
    assert {*on_sqlite.found(apart)} == {"index by_title"}


def test_damaged_pages_are_a_finding_beside_whatever_else_can_be_told_of_the_file(on_sqlite: Ground):
    on_sqlite.change(SOUND + "CREATE TABLE notes (said TEXT)")
    path = on_sqlite.engine.address.secret_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(f"/{path.lstrip('/')}")) as db:
        size = db.execute("PRAGMA page_size").fetchone()[0]
        (last,) = db.execute("PRAGMA page_count").fetchone()
    with open(f"/{path.lstrip('/')}", "r+b") as file:
        file.seek(size * (last - 3))
        file.write(b"\xff" * size)
    damaged = on_sqlite.found(SqlitePages())[PAGES]
    assert (damaged.severity, damaged.proposals) == (Severity.CRITICAL, ())
    assert "restore" in damaged.next_step
    assert all(each.margin for each in on_sqlite.look(SqlitePages()) if isinstance(each, Held))  # nobody knows of them
    everything = on_sqlite.found(*(check for check in CHECKS if "sqlite" in check.engines))
    assert {PAGES, "notes"} <= {*everything}


def test_the_file_s_own_check_ends_when_it_is_told_to_and_is_bounded_by_its_size(on_sqlite: Ground):
    on_sqlite.change(SLOW)
    (check,) = on_sqlite.look(SqlitePages(), seconds=0.3)
    assert isinstance(check, Found) and check.failed and check.severity is Severity.CRITICAL
    assert "longer than 0.3 seconds" in check.sentence and "seconds= counts for each GiB" in check.next_step

    class Enough(Exception):
        pass

    with on_sqlite.moment() as moment:

        def look() -> None:
            raise Enough

        with moment.inquiry.ticked(look), pytest.raises(Enough):
            list(SqlitePages().look(moment))
        assert moment.inquiry.ask("SELECT count(*) FROM heavy") == [(100_000,)]  # the moment still stands


@pytest.mark.parametrize(("bytes_", "quick", "words"), [
    (63 << 20, False, ""), (20 << 30, True, ""),
    (1 << 30, False, f"PRAGMA integrity_check of {size(1 << 30)} takes one to three minutes a GiB"),
])  # fmt: skip
def test_somebody_is_told_beforehand_how_long_the_file_s_own_check_takes(bytes_: int, quick: bool, words: str):
    assert how_long(bytes_, quick=quick) == words


def test_amcheck_finds_an_index_out_of_order_and_a_broken_table_and_its_absence_is_told(debian_postgres: Any):
    name = debian_postgres.create_database(debian_postgres.fresh_name("pages"))
    engine = PostgresEngine(PostgresEngine.parse(debian_postgres.url(name)))
    ground = Ground("", engine, lambda script: debian_postgres.run(script, name))
    try:
        ground.change("""
            CREATE TABLE numbers (n integer);
            CREATE TABLE "Odd 'names'" (id integer PRIMARY KEY);
            INSERT INTO "Odd 'names'" VALUES (1);
            CREATE FUNCTION rising(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE AS
                'SELECT CASE WHEN $1 = $2 THEN 0 WHEN $1 > $2 THEN 1 ELSE -1 END';
            CREATE FUNCTION falling(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE AS
                'SELECT CASE WHEN $1 = $2 THEN 0 WHEN $1 < $2 THEN 1 ELSE -1 END';
            CREATE OPERATOR CLASS fickle FOR TYPE integer USING btree AS OPERATOR 1 < , OPERATOR 2 <= , OPERATOR 3 = ,
                OPERATOR 4 >= , OPERATOR 5 > , FUNCTION 1 rising(integer, integer);
            INSERT INTO numbers SELECT generate_series(1, 50);
            CREATE INDEX by_number ON numbers USING btree (n fickle);
        """)
        (absent,) = ground.look(PostgresPages())
        assert isinstance(absent, Found) and absent.failed and absent.severity == Severity.INFO
        assert "CREATE EXTENSION amcheck" in absent.next_step
        ground.change("CREATE EXTENSION amcheck")
        told = ground.look(PostgresPages())
        assert [type(each) for each in told] == [Held] * 4, told
        role = debian_postgres.create_role()
        limited = PostgresEngine(PostgresEngine.parse(debian_postgres.url(name, role=role)))
        forbidden = Ground("", limited, ground.change).found(PostgresPages())
        assert {*forbidden} == {f"Pages of {what} could not be looked at" for what in ("indexes", "tables")}
        ground.change("""
            UPDATE pg_amproc SET amproc = 'falling'::regproc WHERE amproc = 'rising'::regproc;
            UPDATE pg_class SET relfrozenxid = txid_current()::text::xid WHERE relname = 'Odd ''names''';
        """)
        found = ground.found(PostgresPages())
        assert {*found} == {"index public.by_number", "table public.Odd 'names'"}
        assert found["index public.by_number"].proposals[0].statement == (
            'REINDEX INDEX CONCURRENTLY "public"."by_number"'
        )
        quick = [each for each in ground.look(PostgresPages(), quick=True) if isinstance(each, Held)]
        assert {each.subject for each in quick} == {"index public.Odd 'names'_pkey", "table public.numbers"}
        assert all(each.margin for each in quick)  # so that what a full check found there stands on
    finally:
        debian_postgres.drop_database(name)
