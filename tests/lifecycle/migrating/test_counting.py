"""Counting rows around a migration, in a real PostgreSQL."""

from __future__ import annotations

from typing import Any

import psycopg

from lifecycle.migrating.counting import count
from opsconsole.databases import engine_for


def test_only_what_a_transaction_touched_is_read_again_and_hidden_rows_are_not_taken_for_lost(
    postgres_shop: Any,
) -> None:
    shop, row = postgres_shop
    with engine_for(row).script() as script:
        script.write("BEGIN")
        before = count(script)
        script.run("DELETE FROM orders WHERE id <= 50")
        with psycopg.connect(shop.url) as other:
            other.execute("INSERT INTO customers (name) VALUES ('of another session')")
            other.commit()
            assert count(script, since=before).rows == {**before.rows, "public.orders": 150}
        script.run(
            "CREATE ROLE counting_reader; GRANT SELECT ON orders TO counting_reader;"
            "ALTER TABLE orders ENABLE ROW LEVEL SECURITY; SET LOCAL ROLE counting_reader"
        )
        assert count(script).rows == {"public.orders": None}
        script.write("ROLLBACK")
