"""Tables of all shapes on a real server: rings that nothing puts off, parts, other schemas, triggers, busy ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lifecycle import loading
from lifecycle.loading import Options
from opsconsole.engines.postgresql import in_place
from opsconsole.exceptions import OperationFailed
from tests.lifecycle.loading.conftest import Place
from tests.support.fake_run import FakeRun
from tests.support.memory_documents import MemoryDocument

RING = """
CREATE TABLE hens (id int PRIMARY KEY, egg int NOT NULL, word text CHECK (word <> 'bad'));
CREATE TABLE eggs (id int PRIMARY KEY, hen int NOT NULL REFERENCES hens ON DELETE RESTRICT);
ALTER TABLE hens ADD FOREIGN KEY (egg) REFERENCES eggs;
"""
PARTS = """
CREATE TABLE events (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2000-01-01') TO ('2026-01-01');
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2100-01-01');
INSERT INTO events VALUES (1, '2025-01-01'), (2, '2026-01-01');
"""
TRIGGERS = """
CREATE SCHEMA app;
CREATE TABLE app.log (what text);
CREATE TABLE public.things (id int PRIMARY KEY, name text);
CREATE TABLE app.things (id int PRIMARY KEY, name text);
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO log VALUES (TG_OP || ' ' || coalesce(NEW.name, OLD.name)); RETURN coalesce(NEW, OLD); END $$;
INSERT INTO app.things VALUES (7, 'old');
CREATE TRIGGER noting AFTER INSERT OR DELETE ON app.things FOR EACH ROW EXECUTE FUNCTION public.note();
"""


def hens(*pairs: tuple[int, int]) -> dict[str, list[dict[str, int]]]:
    return {
        "hens": [{"id": h, "egg": e, "word": "ok"} for h, e in pairs],
        "eggs": [{"id": e, "hen": h} for h, e in pairs],
    }


def test_a_ring_that_nothing_puts_off_is_cleared_and_filled_at_once(make_place: Callable[[str], Place]) -> None:
    place = make_place(RING)
    for _ in range(2):
        place.load(MemoryDocument(hens((1, 10), (2, 20))))
    place.load(MemoryDocument(hens((2, 30), (3, 20))), mode="merge")
    assert place.rows("SELECT id, egg FROM hens ORDER BY 1") == [(1, 10), (2, 30), (3, 20)]
    assert place.rows("SELECT id, hen FROM eggs ORDER BY 1") == [(10, 1), (20, 3), (30, 2)]


def test_in_a_ring_a_row_that_does_not_fit_takes_those_that_refer_to_it_along(
    make_place: Callable[[str], Place],
) -> None:
    place, rows = make_place(RING), hens((1, 10), (2, 20), (3, 30))
    rows["hens"][1]["word"] = "bad"  # type: ignore[assignment]
    with pytest.raises(OperationFailed, match=r"Row 2 of public.hens .*breaks a rule"):
        place.load(MemoryDocument(rows))
    facts = place.load(MemoryDocument(rows), on_reject="file")
    assert {name: each["rejected"] for name, each in facts["tables"].items()} == {"public.eggs": 1, "public.hens": 1}
    assert place.rows("SELECT id FROM hens ORDER BY 1") == [(1,), (3,)]


def test_parts_are_covered_by_the_whole_or_one_by_one(make_place: Callable[[str], Place]) -> None:
    place = make_place(PARTS)
    facts = place.load(MemoryDocument({"events": [{"id": 3, "at": "2027-01-01"}]}))
    assert facts["tables"]["public.events"]["before"] == 2
    assert place.rows("SELECT count(*), (SELECT count(*) FROM events_new) FROM events") == [(1, 1)]
    document = MemoryDocument({"public.events_old": [{"id": 4, "at": "2024-01-01"}]})
    place.load(document)
    assert place.rows("SELECT id FROM events ORDER BY 1") == [(3,), (4,)]
    place.load(document, mode="merge")
    with pytest.raises(OperationFailed, match=r"Row 1 of public.events_old"):
        place.load(MemoryDocument({"public.events_old": [{"id": 4, "at": "2030-01-01"}]}))


def test_triggers_fire_as_for_the_application_and_the_schema_is_minded(make_place: Callable[[str], Place]) -> None:
    place = make_place(TRIGGERS)
    with place.server.connect(place.name) as session:
        session.execute(f'ALTER ROLE {place.role.name} IN DATABASE "{place.name}" SET search_path TO app')
    document = MemoryDocument({"app.things": [{"id": 1, "name": "new"}], "things": []})
    found = loading.survey(place.engine(), document, Options())
    assert {table.table: table.triggers for table in found.tables} == {"app.things": ("noting",), "public.things": ()}
    assert not found.truncates
    place.load(document)
    assert place.rows("SELECT what FROM app.log") == [("DELETE old",), ("INSERT new",)]


@pytest.fixture
def quick_to_give_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(in_place, "ATTEMPTS", 1)
    monkeypatch.setitem(in_place.WRITE, "lock_timeout", "200ms")
    yield


@pytest.mark.usefixtures("quick_to_give_up")
def test_tables_that_others_keep_locked_are_left_alone(make_place: Callable[[str], Place]) -> None:
    place = make_place(RING)
    with place.server.connect(place.name) as other, other.transaction():
        other.execute("LOCK TABLE hens IN ROW EXCLUSIVE MODE")
        with pytest.raises(OperationFailed, match="stayed locked"):
            place.load(MemoryDocument(hens((1, 10))))
    place.load(MemoryDocument(hens((1, 10))))


def test_tables_that_changed_since_the_survey_are_left_alone(make_place: Callable[[str], Place]) -> None:
    place, options = make_place(PARTS), Options(accept=frozenset({"uncovered"}))
    document: Any = MemoryDocument({"events": [{"id": 3, "at": "2027-01-01"}]})
    engine = place.engine()
    found = loading.survey(engine, document, options)
    place.run_sql("ALTER TABLE events ADD note text NOT NULL DEFAULT ''")
    with engine.hold() as lock, pytest.raises(OperationFailed, match="changed since they were looked at"):
        loading.load(engine, lock, document, found, options, FakeRun(7, 1))
    assert place.rows("SELECT count(*) FROM events") == [(2,)]


TELLING = """
CREATE TABLE {table} (id int PRIMARY KEY, {column} text);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'not %, 5', NEW.{column}; END $$;
CREATE TRIGGER telling BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION tell();
"""


@pytest.mark.parametrize(("column", "told"), [("colour", True), ("password", False)])
def test_what_a_trigger_says_is_not_told_of_a_table_with_secrets(
    make_place: Callable[[str], Place], column: str, told: bool
) -> None:
    place = make_place(TELLING.format(table="things", column=column))
    with pytest.raises(OperationFailed, match=r"Row 1 of public.things .*refused it") as failed:
        place.load(MemoryDocument({"things": [{"id": 1, column: "hunter2"}]}))
    assert ("hunter2" in failed.value.why) == told


PUT_OFF = """
CREATE TABLE orders (id int PRIMARY KEY, place int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE items (id int PRIMARY KEY, order_id int NOT NULL REFERENCES orders DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION has_items() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF NOT EXISTS (SELECT FROM items WHERE order_id = NEW.id) THEN RAISE EXCEPTION 'an order without items'; END IF;
RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER full_orders AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION has_items();
"""


def test_what_an_application_has_checked_at_the_end_is_checked_at_the_end(make_place: Callable[[str], Place]) -> None:
    place, items = make_place(PUT_OFF), [{"id": 1, "order_id": 1}, {"id": 2, "order_id": 2}]
    orders = [{"id": 1, "place": 1}, {"id": 2, "place": 2}]
    place.load(MemoryDocument({"orders": orders, "items": items}))
    for bad, which in (
        ({"orders": orders, "items": items[:1]}, "could not stay: .*an order without items"),
        ({"orders": [orders[0], {"id": 2, "place": 1}], "items": items}, "of public.orders could not stay: its key"),
        ({"orders": orders, "items": [*items, {"id": 3, "order_id": 9}]}, r"Row 3 of public.items .*not there"),
    ):
        with pytest.raises(OperationFailed, match=which):
            place.load(MemoryDocument(bad))
    assert place.rows("SELECT count(*), (SELECT count(*) FROM items) FROM orders") == [(2, 2)]
