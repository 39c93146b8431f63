"""What the engine says about a database: identity, tables, counts, pages, leftovers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from opsconsole.engines.labels import Label
from opsconsole.engines.postgresql import PostgresEngine, databases
from opsconsole.exceptions import TargetProblem, Usage

Opener = Callable[..., PostgresEngine]
SCRIPT = """
    CREATE SCHEMA "Shop";
    CREATE TABLE "Shop"."Order Lines" ("order" int, line int, note text, PRIMARY KEY ("order", line));
    INSERT INTO "Shop"."Order Lines" SELECT 1 + n / 10, n % 10, repeat('x', n * 40) FROM generate_series(0, 99) n;
    CREATE TABLE loose (a int);
    INSERT INTO loose SELECT generate_series(1, 30);
    CREATE TABLE _opsconsole_undo (a int);
    CREATE VIEW seen AS SELECT 1 AS a;
"""


def test_the_identity_stays_and_the_incarnation_changes_with_a_new_database(
    postgres: Any, database: str, open_database: Opener
) -> None:
    before = open_database().identity()
    postgres.drop_database(database)
    postgres.create_database(database)
    after = open_database().identity()
    assert before.key == after.key
    assert before.incarnation != after.incarnation


def test_a_server_of_another_age_is_refused(open_database: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opsconsole.engines.postgresql.connect.NEWEST", 15)
    with pytest.raises(TargetProblem) as refused:
        open_database().identity()
    assert refused.value.code == "version"


def test_tables_are_listed_with_exact_counts_and_without_ours(
    postgres: Any, database: str, open_database: Opener
) -> None:
    postgres.run(SCRIPT, database)
    found = {table.full_name: table for table in open_database().tables(exact=True)}
    assert {name: table.rows for name, table in found.items()} == {"Shop.Order Lines": 100, "public.loose": 30}
    assert found["Shop.Order Lines"].primary_key == ("order", "line")
    assert [column.type for column in found["Shop.Order Lines"].columns] == ["integer", "integer", "text"]


@pytest.mark.parametrize(("table", "rows"), [("Shop.Order Lines", 100), ("public.loose", 30)])
def test_pages_go_through_all_rows_once(
    postgres: Any, database: str, open_database: Opener, table: str, rows: int
) -> None:
    postgres.run(SCRIPT, database)
    engine, seen, after = open_database(), [], None
    while True:
        page = engine.page(table, limit=7, after=after)
        seen += page.rows
        if (after := page.next_after) is None:
            break
    assert len(seen) == len(set(seen)) == rows


def test_long_values_are_cut(postgres: Any, database: str, open_database: Opener) -> None:
    postgres.run(SCRIPT, database)
    longest = max(len(row[2]) for row in open_database().page("Shop.Order Lines", limit=500).rows)
    assert longest == 1001


@pytest.mark.parametrize("name", ["loose", "public._opsconsole_undo", "pg_catalog.pg_authid", "public.seen", "x; DROP"])
def test_only_tables_of_the_list_can_be_looked_into(
    postgres: Any, database: str, open_database: Opener, name: str
) -> None:
    postgres.run(SCRIPT, database)
    with pytest.raises(Usage):
        open_database().page(name)


def test_a_cursor_that_was_tampered_with_is_refused(postgres: Any, database: str, open_database: Opener) -> None:
    postgres.run(SCRIPT, database)
    with pytest.raises(Usage):
        open_database().page("public.loose", after="bm90IGpzb24=")


def test_staging_copies_are_leftovers_and_kept_ones_are_not(
    postgres: Any, database: str, open_database: Opener
) -> None:
    run = Label("opsconsole/us", 7, 2)
    staging, kept, first_version = databases.staging_name(database, run), databases.old_name(database, run), "__oc_7_2"
    for name in (staging, kept, database + first_version):
        postgres.create_database(name)
    assert open_database().leftovers() == [f"database {database}{first_version}", f"database {staging}"]
    for name in (staging, kept, database + first_version):
        postgres.drop_database(name)
    assert postgres.rows(f"SELECT count(*) FROM pg_database WHERE datname LIKE '{database}_%'") == [(0,)]


def test_names_that_do_not_fit_are_cut_and_still_tell_databases_apart() -> None:
    run = Label("opsconsole/us", 12, 3)
    one, two = (databases.staging_name("ä" * 40 + end, run) for end in ("x", "y"))
    assert one != two
    assert len(one.encode()) <= 63
    assert one.endswith(f"__oc_{run.tag}_12_3")


def test_copies_of_two_consoles_with_equal_numbers_have_names_of_their_own() -> None:
    us, them = Label("opsconsole/us", 7, 2), Label("opsconsole/them", 7, 2)
    assert databases.staging_name("shop", us) != databases.staging_name("shop", them)
    assert databases.old_name("shop", us) != databases.old_name("shop", them)
