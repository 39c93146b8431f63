"""What asking about one moment of a database promises on every engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from opsconsole.engines.inquiry import AskFailed, Inquiry
from tests.opsconsole.test_engine_contract import Shop, engine_of
from tests.opsconsole.test_engine_contract import shop as shop
from tests.support.shops import ORDERS

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n"
COUNT = "SELECT count(*) AS n FROM orders"


class Enough(Exception):
    pass


@pytest.fixture
def inquiry(shop: Shop) -> Iterator[Inquiry]:
    with engine_of(shop).inquiry(seconds=30) as opened:
        yield opened


def name(shop: Shop) -> str:
    return "orders" if shop.engine == "sqlite" else "public.orders"


def why(inquiry: Inquiry, statement: str) -> str:
    """Why a statement of people got no answer; others get one after it."""
    with pytest.raises(AskFailed) as failed:
        inquiry.ask_people(statement)
    assert inquiry.ask_people("SELECT 1 AS one") == [{"one": 1}]
    return failed.value.why


def test_everything_is_asked_of_the_same_moment(shop: Shop, inquiry: Inquiry) -> None:
    assert inquiry.ask(f"SELECT count(*) FROM {name(shop)} WHERE id > ? AND id % 2 < ?", [0, 2]) == [(ORDERS,)]
    with inquiry.beside() as other:
        shop.lose(1)
        for session in (inquiry, other):
            assert session.ask(f"SELECT count(*) FROM {name(shop)}") == [(ORDERS,)]
            assert session.ask_people(COUNT) == [{"n": ORDERS}]
    with engine_of(shop).inquiry(seconds=30) as later:
        assert later.ask_people(COUNT + ";") == [{"n": 1}]


def test_values_are_those_of_json_and_rows_are_bounded(inquiry: Inquiry) -> None:
    assert inquiry.ask_people("SELECT 1.5 AS part, NULL AS gone, 'a' || '\"' AS text -- all") == [
        {"part": "1.5", "gone": None, "text": 'a"'}
    ]
    assert len(inquiry.ask_people("SELECT id FROM orders", most=7)) == 7


WRITES = (
    "DELETE FROM orders RETURNING id",
    "WITH gone AS (DELETE FROM orders RETURNING id) SELECT count(*) FROM gone",
    "SELECT 1; DELETE FROM orders",
    "SELECT 1) AS asked; DELETE FROM orders; SELECT * FROM (SELECT 1",
    "SELECT 1) AS asked; SELECT 'more' FROM (SELECT 1 AS one",
    "CREATE TABLE more (id integer)",
    "SELECT no_such_column FROM orders",
    "SELECT 1 /* never ends",
)


def test_what_does_more_than_one_read_gets_no_answer(shop: Shop, inquiry: Inquiry) -> None:
    for statement in WRITES:
        assert why(inquiry, statement)
    assert shop.orders() == ORDERS


TELL_TALES = {
    "postgresql": (
        "SELECT ('zz' || count(*))::regclass FROM named",
        "SELECT ('zz' || name)::int FROM named",
        "SELECT to_tsquery('zz ! ' || name) FROM named",
    ),
    "sqlite": (
        "SELECT json_extract('{}', 'zz' || name) FROM named",
        "SELECT json_set('{}', 'zz' || name, 1) FROM named",
    ),
}


def test_an_error_tells_what_is_wrong_with_the_words_and_never_quotes_a_value(shop: Shop, inquiry: Inquiry) -> None:
    assert "no_such_column" in why(inquiry, "SELECT no_such_column FROM orders")
    named = "WITH named AS (SELECT 'a \"hunter2\" b ''c' || count(*) AS name FROM orders)"
    for statement in TELL_TALES[shop.engine]:
        said = why(inquiry, f"{named} {statement}")
        assert "…" in said and "hunter2" not in said and "zz" not in said


def test_our_own_questions_cannot_write_either(shop: Shop, inquiry: Inquiry) -> None:
    for statement in (f"DELETE FROM {name(shop)}", "CREATE TABLE more (id integer)"):
        with pytest.raises(AskFailed):
            inquiry.ask(statement)
    assert inquiry.ask("SELECT 1") == [(1,)]
    assert shop.orders() == ORDERS


def test_a_question_without_an_end_is_stopped_and_the_next_one_is_answered(inquiry: Inquiry) -> None:
    for asking in (inquiry.ask, inquiry.ask_people):
        with pytest.raises(AskFailed, match=r"longer than 0\.3 seconds") as failed:
            asking(ENDLESS, seconds=0.3)  # type: ignore[operator]
        assert failed.value.timeout
    assert inquiry.ask("SELECT 1") == [(1,)]


def test_rows_too_large_to_look_at_get_no_answer(shop: Shop, inquiry: Inquiry) -> None:
    long = "hex(zeroblob(60000))" if shop.engine == "sqlite" else "repeat('ab', 60000)"
    assert "too large" in why(inquiry, f"SELECT {long} AS long FROM orders")
    assert len(inquiry.ask_people(f"SELECT {long} AS long FROM orders", most=2)) == 2


def test_whoever_waits_ends_a_long_question(inquiry: Inquiry) -> None:
    began = time.monotonic()

    def tick() -> None:
        if time.monotonic() - began > 0.2:
            raise Enough

    for asking in (inquiry.ask, inquiry.ask_people):
        with pytest.raises(Enough), inquiry.ticked(tick):
            asking(ENDLESS)  # type: ignore[operator]
    assert inquiry.ask("SELECT 1") == [(1,)]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("asking")]
