"""Every list asks the database as often with twenty thousand rows as with one thousand, and not often."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.bench.filling import fill
from tests.bench.pages import OURS
from tests.support.people import PASSWORD, Cast

MOST = 20


def asked(client: Client, rows: int) -> dict[str, int]:
    """By page, how many statements it took."""
    return {name: _asked(client, address.format(middle=rows // 2)) for name, address in OURS.items()}


def _asked(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200, address
    return len(captured)


def test_lists_ask_as_often_at_any_size(cast: Cast) -> None:
    fill(1_000)
    client = Client()
    client.post("/login/", {"username": "audrey", "password": PASSWORD})
    asked(client, 1_000)  # what a process reads once is read here
    few = asked(client, 1_000)
    fill(20_000, first=1_001)
    assert asked(client, 20_000) == few
    assert max(few.values()) <= MOST, few


def test_no_list_sorts_or_reads_a_whole_table(cast: Cast) -> None:
    """By the database's own plan: each list is walked along an index, so that a page costs a page's rows."""
    fill(20_000)
    client = Client()
    client.post("/login/", {"username": "audrey", "password": PASSWORD})
    for name, address in OURS.items():
        with CaptureQueriesContext(connection) as captured:
            client.get(address.format(middle=10_000))
        for query in captured.captured_queries:
            if query["sql"].startswith("SELECT") and any(f'FROM "{table}"' in query["sql"] for table in TABLES):
                assert not wide(query["sql"]), (name, query["sql"][:400], plan_of(query["sql"]))


TABLES = ("opsconsole_operation", "opsconsole_auditevent", "lifecycle_backup")


def plan_of(sql: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        rows: list[Any] = cursor.fetchall()
    return [str(row[3]) for row in rows]


def wide(sql: str) -> bool:
    steps = plan_of(sql)
    sorted_ = any("TEMP B-TREE" in step for step in steps)
    scanned = any(step.startswith(tuple(f"SCAN {table}" for table in TABLES)) and "USING" not in step for step in steps)
    return sorted_ or (scanned and "LIMIT" not in sql)
