"""Loading into a real server, by a role that is no superuser: every kind of value, order, key and reference."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from backports import zstd

from lifecycle import loading
from lifecycle.loading import Options
from opsconsole.exceptions import OperationFailed, Refused
from tests.lifecycle.loading.conftest import TENANT, Place
from tests.support.fake_run import FakeRun
from tests.support.memory_documents import MemoryDocument


def person(number: int, **values: Any) -> dict[str, Any]:
    return {"id": number, "tenantId": TENANT, "displayName": f"person {number}", **values}


def people(*persons: dict[str, Any], **tables: Any) -> MemoryDocument:
    return MemoryDocument({"tenants": [{"id": TENANT, "name": "first"}], "User": list(persons), **tables})


ADA = person(
    41, active=0, feeling="happy", tags=["a,b", 'say "hi"', None, "\\"], settings={"deep": [1, Decimal("1.50"), None]},
    picture=b"\x00\xff", balance=Decimal("12345678901234.123456"), born="1815-12-10T00:00:00.000Z",
    createdAt="2026-01-05T14:00:00.123456+02:00", seen=1767600000123, boss=42,
)  # fmt: skip


def test_a_replace_puts_every_kind_of_value_into_its_column(place: Place) -> None:
    place.run_sql(f"INSERT INTO tenants VALUES ('{TENANT}', 'gone soon')")
    document = people(
        ADA,
        person(42, active=True, tags="{x,y}", settings='{"a": 1}', seen="2026-01-05 12:00:00", shout="never written"),
        teams=[{"id": 5, "name": "red", "lead": 9}],
        members=[{"id": 9, "team": 5, "person": 41, "place": 1}],
    )
    facts = place.load(document)
    assert [each["inserted"] for each in facts["tables"].values()] == [1, 2, 1, 1]
    ada, boss = place.rows(
        'SELECT active, feeling::text, tags, settings, picture, balance, born, "createdAt", seen, boss, shout'
        ' FROM "User" ORDER BY id'
    )
    assert ada == (
        False, "happy", ["a,b", 'say "hi"', None, "\\"], {"deep": [1, 1.50, None]}, b"\x00\xff",
        Decimal("12345678901234.123456"), date(1815, 12, 10), datetime(2026, 1, 5, 12, 0, 0, 123456),
        datetime(2026, 1, 5, 8, 0, 0, 123000, tzinfo=UTC), 42, "PERSON 41",
    )  # fmt: skip
    assert boss[2:4] == (["x", "y"], {"a": 1})
    assert boss[8] == datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert place.rows("SELECT lead FROM teams") == [(9,)]


def test_sequences_go_on_behind_what_was_loaded(place: Place) -> None:
    place.load(people(person(1), teams=[{"id": 1, "name": "red"}], members=[]))
    place.run_sql("INSERT INTO teams (name) VALUES ('blue')")
    place.run_sql(f"""INSERT INTO "User" ("tenantId", "displayName") VALUES ('{TENANT}', 'new')""")
    assert place.rows("SELECT max(id) FROM teams") == [(2,)]
    assert place.rows('SELECT max(id) FROM "User"') == [(2,)]


def test_a_survey_tells_what_has_no_partner_and_a_load_waits_for_a_yes(place: Place) -> None:
    place.run_sql(f"INSERT INTO tenants VALUES ('{TENANT}', 'x')")
    document = people(person(1, colour="red"), ghosts=[{"id": 1}])
    found = loading.survey(place.engine(), document, Options())
    assert {question.key for question in found.questions} >= {
        "absent:ghosts", "document_column:User.colour", "target_column:public.User.boss", "uncovered:public.notes",
    }  # fmt: skip
    with pytest.raises(Refused, match="Nobody has said yes") as refused:
        place.load(document)
    assert refused.value.code == "not_accepted"
    assert place.rows("SELECT name FROM tenants") == [("x",)]


def test_a_table_that_refers_to_what_is_cleared_is_cleared_only_by_name(place: Place) -> None:
    place.load(people(person(1)))
    place.run_sql("INSERT INTO notes (person, body) VALUES (1, 'kept'), (NULL, 'free')")
    with pytest.raises(Refused, match=r"1 row of public.notes refer to public.User"):
        place.load(people(person(1)))
    assert place.rows("SELECT count(*) FROM notes") == [(2,)]
    place.load(people(person(1)), accept=frozenset({"uncovered", "target_column", "clear:public.notes"}))
    assert place.rows("SELECT count(*) FROM notes") == [(0,)]


def test_rows_that_came_to_refer_to_what_is_emptied_are_not_lost_without_a_word(place: Place) -> None:
    place.load(people(person(1)))
    document, asked = people(person(2)), Options(accept=frozenset({"uncovered", "target_column"}))
    engine = place.engine()
    found = loading.survey(engine, document, asked)
    place.run_sql(
        "INSERT INTO notes (person, body) VALUES (1, 'mine')"
    )  # would go with the person, by ON DELETE CASCADE
    with engine.hold() as lock, pytest.raises(OperationFailed) as failure:
        loading.load(engine, lock, document, found, asked, FakeRun(7, 1, workdir=place.folder))
    assert failure.value.code == "referred_meanwhile"
    assert place.rows("SELECT person, body FROM notes") == [(1, "mine")]


def test_a_merge_updates_by_key_and_leaves_what_it_does_not_know(place: Place) -> None:
    place.load(people(person(1, feeling="sad"), person(2)))
    place.run_sql("INSERT INTO notes (person, body) VALUES (1, 'kept')")
    facts = place.load(people(person(1, displayName="renamed"), person(3)), mode="merge")
    assert facts["tables"]["public.User"] | {"rejected": 0} == {
        "rows": 2, "inserted": 1, "updated": 1, "unchanged": 0, "rejected": 0, "before": 2, "after": 3,
    }  # fmt: skip
    assert place.rows('SELECT id, "displayName", feeling::text FROM "User" ORDER BY id') == [
        (1, "renamed", "sad"), (2, "person 2", None), (3, "person 3", None),
    ]  # fmt: skip
    assert place.rows("SELECT body FROM notes") == [("kept",)]


def test_a_row_that_leaves_a_column_out_gets_its_default_and_one_with_null_does_not(place: Place) -> None:
    with pytest.raises(OperationFailed, match=r"Row 2 of public.User cannot be loaded: a value is missing .*active"):
        place.load(people(person(1, active=False), person(2, active=None)))
    place.load(people(person(1, active=False), person(2)))
    assert place.rows('SELECT active FROM "User" ORDER BY id') == [(False,), (True,)]


REFUSED = [
    ([person(1), person(2, feeling="furious")], r"Row 2 of public.User .*none of the column's type"),
    ([person(1), person(2, boss=99)], r"Row 2 of public.User .*refers to a row that is not there"),
    ([person(1), person(1, displayName="twice")], r"Row 2 of public.User .*its key is"),
    ([person(1, seen="now")], r"Row 1 of public.User .*seen: it is no time"),
]


def test_a_row_that_does_not_fit_stops_everything_and_is_named(place: Place) -> None:
    place.run_sql("INSERT INTO tenants VALUES (gen_random_uuid(), 'old')")
    for rows, which in REFUSED:
        for mode in ("replace", "merge"):
            with pytest.raises(OperationFailed, match=which):
                place.load(people(*rows), mode=mode)
    assert place.rows("SELECT name FROM tenants") == [("old",)]


def test_rejected_rows_go_to_a_file_and_the_others_in(place: Place) -> None:
    rows = [
        person(1, boss=2), person(2, feeling="furious"), person(3, tenantId="7"), person(4, boss=1), person(5),
        person(6, displayName="person 5"), person(7, active=None),
    ]  # fmt: skip
    notes = [{"id": 1, "person": 5, "body": "ok"}, {"id": 2, "person": 1, "body": "its person was rejected"}]
    facts = place.load(people(*rows, notes=notes), on_reject="file")
    assert place.rows('SELECT id FROM "User"') == [(5,)]
    assert place.rows("SELECT id FROM notes") == [(1,)]
    assert facts["rejected"] == 7
    stored = (place.folder / "store/restores/7/rejects.jsonl.zst").read_bytes()
    kept = [json.loads(line) for line in zstd.decompress(stored).splitlines()]
    assert [(each["table"], each["number"]) for each in kept] == [
        ("public.User", 1), ("public.User", 2), ("public.User", 3), ("public.User", 4), ("public.User", 6),
        ("public.User", 7), ("public.notes", 2),
    ]  # fmt: skip
    assert kept[1]["row"]["feeling"] == "furious"
    assert "furious" not in kept[1]["reason"]


def test_a_preview_tells_by_key_what_would_be_lost_or_overwritten(place: Place) -> None:
    place.load(people(person(1, settings={"a": [1]}, seen="2026-01-05T12:00:00Z"), person(2), person(3, tags=["x"])))
    document = people(
        person(1, settings='{"a":[1]}', seen=1767614400), person(2, displayName="renamed"), person(4), person(5)
    )
    for mode, lost in (("replace", 1), ("merge", 0)):
        asked = Options(mode=mode)
        found = loading.preview(place.engine(), document, loading.survey(place.engine(), document, asked))
        users, tenants = found.tables
        assert (users.table, users.only_live, users.changed, users.only_other, users.exact) == (
            "public.User", lost, 1, 2, True,
        )  # fmt: skip
        assert (tenants.only_live, tenants.changed) == (0, 0)
    assert found.sentence == "You would lose the changes of 1 row of User; no row would be lost."
    assert users.rows_other == 5
