"""A copy tells what units do to it: rows, values, storage, locks, schema, and whether the way back leads back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lifecycle.rehearsing.recording import Manner, record
from lifecycle.rehearsing.values import Recording, recording_from
from lifecycle.sources.acts import Act, Phase, Unit
from tests.opsconsole.test_engine_contract import Shop, engine_of
from tests.opsconsole.test_engine_contract import shop as shop
from tests.support.shops import PostgresShop, SqliteShop


def unit(*texts: str, transaction: bool = True, direction: str = "up") -> Unit:
    acts = tuple(Act(sql=text, script=True, migration=f"000{n}_step") for n, text in enumerate(texts, 1))
    return Unit(
        title="Apply", migrations=("0001_step",), phases=(Phase(acts=acts, transaction=transaction),),
        direction=direction,
    )  # fmt: skip


def rehearse(shop: Shop, *units: Unit, back: tuple[Unit, ...] = (), flavour: str = "", **manner: Any) -> Recording:
    found = record(engine_of(shop), units, Manner(flavour=flavour or shop.engine, **manner), back=back)
    assert recording_from(json.loads(json.dumps(found.to_json()))) == found
    return found


def table(found: Recording, name: str) -> Any:
    return next(each for each in found.tables if each.name.removeprefix("public.") == name)


def test_rows_that_go_are_told_first_and_tables_that_stay_are_proven_untouched(shop: Shop) -> None:
    found = rehearse(shop, unit("CREATE TABLE extra (id integer);\n\nDELETE FROM orders WHERE cents > 500;"))
    orders, customers, extra = (table(found, name) for name in ("orders", "customers", "extra"))
    assert found.tables[0] == orders
    assert orders.sentence.endswith("orders: 200 → 100")
    assert (customers.untouched, customers.same, customers.before) == (True, True, 10)
    assert (extra.before, extra.after) == (None, 0)
    assert [(each.line, each.text[:6]) for each in found.statements] == [(1, "CREATE"), (3, "DELETE")]
    assert found.verdict.startswith("It takes away: ") and "1 of 3 tables are proven untouched" in found.verdict


def test_a_new_column_changes_the_schema_and_no_earlier_value(shop: Shop) -> None:
    found = rehearse(shop, unit("ALTER TABLE orders ADD COLUMN note text DEFAULT 'none'"))
    orders = table(found, "orders")
    assert (orders.same, orders.altered, orders.untouched) == (True, True, False)
    added = [change for change in found.changes if change.name.startswith("column")]
    assert [(change.change, change.name.rpartition(".")[2]) for change in added] == [("added", "note")]
    assert found.fingerprint_before != found.fingerprint_after
    assert found.lost_rows == 0 and found.verdict.startswith("It loses no row")


def test_a_column_that_goes_takes_its_values_and_one_that_is_renamed_keeps_them(shop: Shop) -> None:
    gone = table(rehearse(shop, unit("ALTER TABLE orders DROP COLUMN cents")), "orders")
    assert gone.lost_columns == ("cents",) and gone.weight == 200
    kept = table(rehearse(shop, unit("ALTER TABLE customers RENAME COLUMN name TO title")), "customers")
    assert (kept.lost_columns, kept.same, kept.weight) == ((), True, 0)


def test_a_table_under_another_name_is_the_same_table(shop: Shop) -> None:
    found = rehearse(shop, unit("ALTER TABLE orders RENAME TO purchases"))
    purchases = table(found, "purchases")
    assert purchases.was.removeprefix("public.") == "orders"
    assert (purchases.before, purchases.after, purchases.weight) == (200, 200, 0)


def test_where_it_fails_is_a_result_with_line_and_message(shop: Shop) -> None:
    found = rehearse(shop, unit("CREATE TABLE extra (id integer);\n-- then\nINSERT INTO nowhere VALUES (1);"))
    assert found.failure is not None
    assert (found.failure.migration, found.failure.line) == ("0001_step", 3)
    assert found.failure.text == "INSERT INTO nowhere VALUES (1)" or found.failure.text.endswith("VALUES (1);")
    assert found.verdict.startswith("It fails in 0001_step, line 3: ") and "nowhere" in found.verdict
    assert all(each.untouched for each in found.tables)


@pytest.mark.parametrize(
    ("back", "leads"),
    [
        ("DROP TABLE extra; ALTER TABLE orders DROP COLUMN note;", True),
        ("DROP TABLE extra; DELETE FROM orders;", False),
    ],
)
def test_the_way_back_is_tried_and_compared(shop: Shop, back: str, leads: bool) -> None:
    forth = unit("CREATE TABLE extra (id integer); ALTER TABLE orders ADD COLUMN note text;")
    found = rehearse(shop, forth, back=(unit(back, direction="down"),))
    assert found.back is not None and found.back.leads_back is leads, found.back
    assert found.back.differences == () if leads else len(found.back.differences) >= 2
    assert ("The way back does not bring everything back" in found.verdict) is not leads


def test_postgresql_tells_locks_rewrites_and_why_a_text_is_timed_as_a_whole(postgres: Any) -> None:
    shop = PostgresShop.make(postgres)
    text = "ALTER TABLE orders ALTER cents TYPE bigint; UPDATE customers SET name = name; SELECT pg_sleep(0.05);"
    found = rehearse(shop, unit(text, transaction=False))
    orders, customers = table(found, "orders"), table(found, "customers")
    assert (orders.rewritten, orders.same, orders.lock) == (True, True, "AccessExclusiveLock")
    assert (customers.rewritten, customers.lock) == (False, "RowExclusiveLock")
    assert orders.lock_ms >= 50 and found.longest_lock == orders
    ending = rehearse(shop, unit("CREATE TABLE a (i int); COMMIT; SELECT 1/0;", transaction=False))
    assert [change.name for change in ending.changes if change.name.startswith("relation")] == ["relation public.a"]
    assert ending.failure and "division by zero" in ending.failure.why

    found = rehearse(shop, unit("CREATE UNIQUE INDEX CONCURRENTLY i ON orders (customer_id)", transaction=False))
    assert "outside of a transaction" in found.whole[0]
    assert found.failure is not None and found.failure.code == "23505"
    assert found.invalid_indexes == ("public.i",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("CREATE UNIQUE INDEX i ON orders (customer_id)", "200 rows of orders share their customer_id"),
        ("CREATE UNIQUE INDEX i ON orders (customer_id) WHERE id <= 20", "20 rows of orders share their customer_id"),
    ],
)
def test_rows_that_are_in_the_way_are_counted(shop: Shop, text: str, told: str) -> None:
    found = rehearse(shop, unit(f"{text};"))
    assert found.failure is not None and found.failure.in_the_way == told
    assert told in found.verdict


def test_postgresql_counts_nulls_and_lost_references(postgres: Any) -> None:
    shop = PostgresShop.make(postgres)
    rehearse(shop, unit("UPDATE orders SET cents = NULL WHERE id <= 7; ALTER TABLE orders ADD boss bigint DEFAULT 99;"))
    for text, told in (
        ("ALTER TABLE orders ALTER COLUMN cents SET NOT NULL", "7 rows of orders have no cents"),
        ("ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (boss) REFERENCES customers (id)",
         "200 rows of orders refer to nothing in customers"),
    ):  # fmt: skip
        found = rehearse(shop, unit(text))
        assert found.failure is not None and found.failure.in_the_way == told


REBUILD = (
    "PRAGMA foreign_keys=OFF;\n"
    "CREATE TABLE new_people (id INTEGER PRIMARY KEY, name TEXT);\n"
    "INSERT INTO new_people SELECT id, name FROM people;\n"
    "DROP TABLE people;\n"
    "ALTER TABLE new_people RENAME TO people;\n"
)
PEOPLE = (
    "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
    "CREATE TABLE messages (id INTEGER PRIMARY KEY, person INTEGER REFERENCES people(id) ON DELETE CASCADE);"
    "INSERT INTO people VALUES (1, 'a'), (2, 'b'); INSERT INTO messages (person) VALUES (1), (1), (2);"
)


def test_d1_empties_child_tables_by_a_rebuild_that_sqlite_gets_through(tmp_path: Any) -> None:
    found = {}
    for flavour, foreign_keys in (("sqlite", False), ("d1", True)):
        (tmp_path / flavour).mkdir()
        shop = SqliteShop.make(tmp_path / flavour)
        rehearse(shop, unit(PEOPLE))
        found[flavour] = rehearse(
            shop, unit(REBUILD, transaction=False), flavour=flavour, foreign_keys=foreign_keys
        )  # fmt: skip
    assert found["sqlite"].lost_rows == 0
    assert table(found["sqlite"], "people").rewritten and table(found["sqlite"], "people").same
    messages = found["d1"].tables[0]
    assert messages.sentence == "messages: 3 → 0, not named in the SQL"
    assert table(found["d1"], "people").same is True


def test_d1_refuses_what_only_sqlite_takes(tmp_path: Any) -> None:
    found = rehearse(SqliteShop.make(tmp_path), unit("BEGIN;\nCOMMIT;"), flavour="d1", foreign_keys=True)
    assert found.failure is not None and found.failure.why.startswith("D1 does not run BEGIN")
