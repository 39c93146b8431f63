"""What a loss preview says of tables that were added to, changed and deleted from since the backup."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.lifecycle.loss.conftest import Kept

Keep = Callable[..., Kept]

ADDED = "INSERT INTO orders (id, customer_id, cents) VALUES (1001, 1, 5), (1002, 2, 5), (1003, 3, 5)"


def test_rows_added_changed_and_deleted_are_counted_exactly(keep: Keep) -> None:
    kept = keep()
    kept.run(ADDED, "UPDATE orders SET cents = 1 WHERE id IN (7, 8)", "DELETE FROM orders WHERE id = 9")
    orders, customers = kept.table("orders"), kept.table("customers")
    assert (orders.rows_live, orders.rows_other) == (202, 200)
    assert (orders.only_live, orders.changed, orders.only_other, orders.exact) == (3, 2, 1, True)
    assert (customers.only_live, customers.changed, customers.only_other, customers.exact) == (0, 0, 0, True)
    preview = kept.preview()
    assert preview.sentence == "You would lose 3 orders. Changed since and set back: 2 orders."
    assert (preview.number, preview.counts) == (3, "rows that would be lost")
    assert [table.noun for table in preview.tables] == ["orders", "customers"]


def test_where_nothing_moved_nothing_is_lost(keep: Keep) -> None:
    preview = keep().preview()
    assert (preview.sentence, preview.number) == ("No row would be lost or set back.", 0)


def test_changes_alone_are_told_and_counted(keep: Keep) -> None:
    kept = keep()
    kept.run("UPDATE orders SET cents = 1 WHERE id <= 4")
    preview = kept.preview()
    assert preview.sentence == "You would lose the changes of 4 orders; no row would be lost."
    assert (preview.number, preview.counts) == (4, "rows that would go back to how they were")


def test_tables_of_one_side_are_lost_or_come_back(keep: Keep) -> None:
    kept = keep("CREATE TABLE old (id integer primary key)", "INSERT INTO old VALUES (1)")
    kept.run("DROP TABLE old", "CREATE TABLE fresh (id integer primary key)", "INSERT INTO fresh VALUES (1), (2)")
    old, fresh = kept.table("old"), kept.table("fresh")
    assert (old.rows_live, old.rows_other, old.only_live, old.only_other) == (None, 1, 0, 1)
    assert (fresh.rows_live, fresh.rows_other, fresh.only_live) == (2, None, 2)
    actions = {effect.object.removeprefix("public."): effect.action for effect in kept.preview().effects()}
    assert actions == {"orders": "replaced", "customers": "replaced", "old": "created", "fresh": "removed"}


def test_a_table_without_a_key_is_compared_as_a_heap_of_rows(keep: Keep) -> None:
    kept = keep("CREATE TABLE log (word text)", "INSERT INTO log VALUES ('a'), ('a'), ('b')")
    kept.run("INSERT INTO log VALUES ('a'), ('c')", "DELETE FROM log WHERE word = 'b'")
    log = kept.table("log")
    assert (log.only_live, log.changed, log.only_other, log.exact) == (2, None, 1, True)
    assert "no primary key" in log.note


def test_a_table_whose_columns_changed_is_told_by_its_counts(keep: Keep) -> None:
    kept = keep()
    kept.run(ADDED, "ALTER TABLE orders ADD COLUMN colour text")
    orders = kept.table("orders")
    assert (orders.only_live, orders.changed, orders.exact) == (3, None, False)
    assert "columns or its key have changed" in orders.note
    assert kept.table("customers").exact
    assert "Only the counts of orders could be compared" in kept.preview().sentence


def test_a_large_table_is_sampled_and_said_to_be(keep: Keep) -> None:
    kept = keep()
    kept.run(ADDED, "UPDATE orders SET cents = 1 WHERE id <= 100", "DELETE FROM orders WHERE id > 150 AND id <= 200")
    orders = kept.table("orders", exact_rows=100, sample_rows=90)
    assert not orders.exact and orders.note.startswith("estimated from a sample")
    assert 3 <= orders.only_live <= 120 and 40 <= orders.changed <= 160
    assert orders.only_live == 153 - 200 + orders.only_other
    assert "about" in kept.preview(exact_rows=100, sample_rows=90).sentence


def test_a_sample_that_sees_every_row_tells_the_truth(keep: Keep) -> None:
    kept = keep()
    kept.run(ADDED, "UPDATE orders SET cents = 1 WHERE id = 7", "DELETE FROM orders WHERE id = 9")
    orders = kept.table("orders", exact_rows=100, sample_rows=6000)
    assert (orders.only_live, orders.changed, orders.only_other, orders.exact) == (3, 1, 1, False)


def test_when_time_runs_out_what_is_left_is_told_by_counts_at_most(keep: Keep) -> None:
    kept = keep()
    kept.run(ADDED)
    preview = kept.preview(seconds=0.000001)
    assert not preview.exact
    assert all(table.changed is None and "time" in table.note for table in preview.tables)


STAMPS = {
    "sqlite": ("TEXT", "'2026-11-20 10:00:00'", "'2026-11-20T16:10:00Z'"),
    "postgresql": ("timestamptz", "'2026-11-20 10:00:00Z'", "'2026-11-20 16:10:00Z'"),
}


def test_the_sentence_tells_how_much_time_would_be_lost(shop: Any, keep: Keep) -> None:
    kind, before, after = STAMPS[shop.engine]
    kept = keep(
        f"ALTER TABLE orders ADD COLUMN updated_at {kind}",
        f"UPDATE orders SET updated_at = {before}",
    )
    kept.run(f"INSERT INTO orders (id, customer_id, updated_at) VALUES (1001, 1, {after})")
    orders = kept.table("orders")
    assert orders.newest_other == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert orders.newest_live == datetime(2026, 11, 20, 16, 10, tzinfo=UTC)
    early = replace(kept.preview(), other_at=datetime(2026, 11, 20, 11, tzinfo=UTC))
    assert early.sentence == "You would lose 1 row of orders of the last 6 h 10 min."


def test_a_table_that_rested_before_the_backup_loses_no_more_time_than_since_the_backup(keep: Keep, shop: Any) -> None:
    kind, before, _ = STAMPS[shop.engine]
    kept = keep(f"ALTER TABLE orders ADD COLUMN updated_at {kind}", f"UPDATE orders SET updated_at = {before}")
    kept.run(f"INSERT INTO orders (id, customer_id, updated_at) VALUES (1001, 1, '{datetime.now(UTC).isoformat()}')")
    assert re.fullmatch(r"You would lose 1 row of orders of the last (\d+ s|\d min)\.", kept.preview().sentence)
    astray = replace(kept.preview(), other_at=None)
    assert astray.sentence == "You would lose 1 row of orders."


def test_the_number_to_type_stands_in_the_sentence_however_many_tables_lose_rows(keep: Keep) -> None:
    kept = keep()
    kept.run(ADDED, "INSERT INTO customers (name) VALUES ('Ida'), ('Jo')")
    preview = kept.preview()
    assert (preview.number, preview.sentence) == (5, "You would lose 5 rows: 3 orders and 2 customers.")
    kept.run("DELETE FROM orders WHERE id > 1000", "DELETE FROM customers WHERE name IN ('Ida', 'Jo')")
    kept.run("UPDATE orders SET cents = 1 WHERE id <= 4", "UPDATE customers SET name = 'K' WHERE id = 3")
    preview = kept.preview()
    assert preview.number == 5
    assert (
        preview.sentence
        == "You would lose the changes of 5 rows: 4 orders and 1 row of customers; no row would be lost."
    )


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_table_is_compared_too(keep: Keep, rows: int) -> None:
    kept = keep("DELETE FROM orders")
    if rows:
        kept.run("INSERT INTO orders (id, customer_id) VALUES (5, 1)")
    assert (kept.table("orders").only_live, kept.table("orders").exact) == (rows, True)


@pytest.mark.parametrize("shop", ["postgresql"], indirect=True)
def test_a_table_that_another_session_keeps_locked_is_told_by_an_estimate(shop: Any, keep: Keep) -> None:
    kept = keep("ANALYZE")
    with psycopg.connect(shop.url) as holder:
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        orders, customers = kept.table("orders"), kept.table("customers")
    assert "keeps the table locked" in orders.note and not orders.exact
    assert customers.exact


@pytest.mark.parametrize("shop", ["postgresql"], indirect=True)
def test_a_pg_dump_archive_is_told_by_its_counts(keep: Keep) -> None:
    kept = keep(form="custom")
    kept.run(ADDED)
    orders = kept.table("orders")
    assert (orders.only_live, orders.changed, orders.exact) == (3, None, False)
    assert "archive of pg_dump" in orders.note


@pytest.mark.parametrize("shop", ["sqlite"], indirect=True)
def test_a_backup_of_sqlite_that_is_too_large_to_unpack_is_told_by_its_counts(keep: Keep, settings: Any) -> None:
    kept = keep()
    kept.run(ADDED)
    settings.LOSS_UNPACK_BYTES = 1000
    orders = kept.table("orders")
    assert (orders.only_live, orders.exact) == (3, False)
    assert "larger than" in orders.note


def test_nothing_is_left_behind_by_a_comparison(keep: Keep, settings: Any) -> None:
    keep().preview()
    assert list(settings.OPSCONSOLE_STORE.glob("work/*")) == []


AWKWARD = {
    "sqlite": (
        "CREATE TABLE odd (a TEXT COLLATE NOCASE, b BLOB, c REAL, PRIMARY KEY (a, b)) WITHOUT ROWID",
        "INSERT INTO odd VALUES ('it''s|5:x', x'00ff', 1.5), ('tab\t', x'', NULL), ('é', x'41', -0.1)",
    ),
    "postgresql": (
        "CREATE TABLE odd (a text, b bytea, c float8, h pair, PRIMARY KEY (a, b))",
        "INSERT INTO odd VALUES ('it''s|5:x', '\\x00ff', 1.5, '(1,x)'), (E'tab\t\\\\', '', NULL, NULL),"
        " ('é', '\\x41', -0.1, NULL)",
    ),
}


@pytest.mark.parametrize("limits", [{}, {"exact_rows": 1, "sample_rows": 100}], ids=["exact", "sampled"])
def test_awkward_keys_and_values_are_found_again_on_the_other_side(shop: Any, keep: Keep, limits: Any) -> None:
    table, rows = AWKWARD[shop.engine]
    kept = keep(*(["CREATE TYPE pair AS (x int, y text)"] if shop.engine == "postgresql" else []), table, rows)
    odd = kept.table("odd", **limits)
    assert (odd.only_live, odd.changed, odd.only_other) == (0, 0, 0)
    kept.run("UPDATE odd SET c = 7 WHERE a = 'é'", "DELETE FROM odd WHERE c = 1.5")
    odd = kept.table("odd", **limits)
    assert (odd.only_live, odd.changed, odd.only_other) == (0, 1, 1)


MANY = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT {0} UNION ALL SELECT i + 1 FROM n WHERE i < {1}) "
    "INSERT INTO orders SELECT i, 1, i FROM n",
    "postgresql": "INSERT INTO orders (id, customer_id, cents) SELECT i, 1, i FROM generate_series({0}, {1}) i",
}
MIB = 1 << 20


def peak_of(kept: Kept) -> int:
    """Bytes by which this process grew at most while it compared."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    assert kept.table("orders").exact
    return resident("VmHWM") - before


def resident(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def test_memory_stays_flat_whatever_the_size(shop: Any, keep: Keep) -> None:
    kept = keep()
    kept.run(MANY[shop.engine].format(1001, 3000))
    peak_of(kept)  # what is loaded once
    small = peak_of(kept)
    kept.run(MANY[shop.engine].format(3001, 83000))
    assert peak_of(kept) - small < 24 * MIB


@pytest.mark.parametrize("shop", ["postgresql"], indirect=True)
def test_a_time_in_a_type_of_its_own_or_in_an_array_tells_nothing_and_breaks_nothing(keep: Keep) -> None:
    kept = keep(
        "CREATE DOMAIN timestamp_text AS text",
        "CREATE TABLE a (id int PRIMARY KEY, updated_at timestamptz[])",
        "CREATE TABLE b (id int PRIMARY KEY, updated_at timestamp_text)",
        "INSERT INTO a VALUES (1, '{2026-11-20 10:00:00Z}')",
        "INSERT INTO b VALUES (1, 'some day')",
    )
    kept.run("INSERT INTO a VALUES (2, '{2026-11-21 10:00:00Z}')", "INSERT INTO b VALUES (2, 'another')")
    assert [(kept.table(name).only_live, kept.table(name).newest_live) for name in "ab"] == [(1, None), (1, None)]


@pytest.mark.parametrize("shop", ["postgresql"], indirect=True)
def test_arrays_of_types_that_were_made_anew_are_equal_when_their_values_are(keep: Keep) -> None:
    made = (
        "CREATE TYPE mood AS ENUM ('good', 'bad')",
        "CREATE DOMAIN moods AS mood[]",
        "CREATE TABLE days (id int PRIMARY KEY, few mood[], more moods)",
        "INSERT INTO days SELECT n, '{good,bad}', '{bad}' FROM generate_series(1, 50) n",
    )
    kept = keep(*made)  # a swap makes every type anew, under another number
    kept.run("DROP TABLE days", "DROP TYPE mood CASCADE", *made, "UPDATE days SET more = '{good}' WHERE id = 7")
    for limits in ({}, {"exact_rows": 10}):
        days = kept.table("days", **limits)
        assert (days.only_live, days.changed, days.only_other) == (0, 1, 0)
