"""What every engine promises. A new engine adds one shop to tests/support/shops.py and one line here."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsconsole.engines import engine_class_for, open_engine
from opsconsole.engines.base import Engine, TargetBusy
from opsconsole.exceptions import Usage
from tests.support.shops import ORDERS, PostgresShop, SqliteShop

Shop = SqliteShop | PostgresShop


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    if request.param == "sqlite":
        return SqliteShop.make(tmp_path)
    return PostgresShop.make(request.getfixturevalue("postgres"))


def engine_of(shop: Shop, label: str = "opsconsole/1/1") -> Engine:
    address = engine_class_for(shop.url).parse(shop.url, roots=[Path("/")])
    return open_engine(address, label)


def orders(engine: Engine) -> str:
    return next(table.full_name for table in engine.tables() if table.name == "orders")


def test_its_identity_stays_the_same_while_rows_change(shop: Shop) -> None:
    before = engine_of(shop).identity()
    shop.lose(1)
    after = engine_of(shop).identity()
    assert (before.key, before.incarnation) == (after.key, after.incarnation)
    assert before.key.startswith(f"{shop.engine}:")
    assert before.version_number > 0 and before.server_version


def test_its_check_of_a_sound_database_is_well(shop: Shop) -> None:
    checks = engine_of(shop).check()
    assert [check for check in checks if not check.ok] == []
    assert "ok" in {check.code for check in checks}


def test_its_tables_come_by_name_with_columns_keys_and_exact_counts(shop: Shop) -> None:
    tables = engine_of(shop).tables(exact=True)
    assert [(table.name, table.rows, table.exact) for table in tables] == [
        ("customers", 10, True),
        ("orders", ORDERS, True),
    ]
    assert [table.primary_key for table in tables] == [("id",), ("id",)]
    assert [column.name for column in tables[1].columns][:3] == ["id", "customer_id", "cents"]


def test_its_fingerprint_is_of_the_schema_and_not_of_the_rows(shop: Shop) -> None:
    before = engine_of(shop).schema_fingerprint()
    shop.lose(1)
    assert engine_of(shop).schema_fingerprint() == before
    assert before.startswith("sha256:")


def test_its_pages_cover_a_table_once(shop: Shop) -> None:
    engine = engine_of(shop)
    seen: list[object] = []
    page = engine.page(orders(engine), limit=64)
    while page.next_after is not None:
        seen += [row[0] for row in page.rows]
        page = engine.page(orders(engine), limit=64, after=page.next_after)
    seen += [row[0] for row in page.rows]
    assert [int(str(key)) for key in seen] == list(range(1, ORDERS + 1))


def test_it_reads_only_tables_that_it_lists(shop: Shop) -> None:
    with pytest.raises(Usage):
        engine_of(shop).page("nothing")


def test_its_lock_has_one_holder_who_is_named(shop: Shop) -> None:
    with engine_of(shop).hold() as lock:
        lock.confirm()
        with pytest.raises(TargetBusy) as busy, engine_of(shop, "opsconsole/2/1").hold():
            pass
    assert "opsconsole/1/1" in busy.value.holder.label
    with engine_of(shop, "opsconsole/2/1").hold() as lock:
        lock.confirm()


def test_it_leaves_nothing_behind(shop: Shop) -> None:
    engine = engine_of(shop)
    with engine.hold():
        engine.tables(exact=True)
    assert engine.leftovers() == []
    assert shop.leftovers() == []


def test_its_size_is_that_of_the_data(shop: Shop) -> None:
    assert engine_of(shop).size_bytes() >= 8192


def test_its_display_can_be_shown(shop: Shop) -> None:
    engine = engine_of(shop)
    assert engine.address.name in engine.address.display
    assert "secret_url" not in repr(engine.address)
