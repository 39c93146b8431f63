"""What a plan says of migrations, worked out from reviews, counts and rehearsals: no database is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lifecycle.migrating import counting, effects, selecting
from lifecycle.migrating.counting import Counted
from lifecycle.migrating.findings import _in_turn, _Text
from lifecycle.migrating.patience import Limits, leaves_nothing
from lifecycle.migrating.rehearsals import Rehearsed
from lifecycle.sources.acts import Act, Phase, Unit
from lifecycle.sources.base import Entry, Migration, Row, State
from opsconsole.engines.structure import ForeignKey, Relation, Structure
from opsconsole.exceptions import OpsError, Usage
from opsconsole.review import Dialect, Live, review

KEY = ForeignKey(
    name="k", table="messages", columns=("room",), parent="rooms", parent_columns=("id",), on_delete="CASCADE"
)
LIVE = Live(rows={"rooms": 12, "messages": 18_402, "users": 3}, structure=Structure(relations={}, foreign_keys=(KEY,)))


def announced(text: str, rehearsed: Rehearsed | None = None) -> effects.Announced:
    return effects.announce([review(text, Dialect.SQLITE, LIVE)], LIVE, rehearsed)


def rehearsal(**tables: tuple[int | None, int | None]) -> Rehearsed:
    return Rehearsed(operation=7, at=datetime(2026, 1, 1, tzinfo=UTC), verdict="", held=True, tables=tables)


def test_a_dropped_table_takes_its_rows_and_those_that_cascade() -> None:
    found = announced("DROP TABLE rooms;")
    assert [(e.object, e.action, e.lost, e.exact) for e in found.effects] == [
        ("rooms", "removed", 12, True), ("messages", "reduced", 18_402, False),
    ]  # fmt: skip
    assert found.losses == {"rooms": None, "messages": None}
    asked = effects.confirmation(found)
    assert asked is not None
    assert (asked.number, asked.counts) == (18_402, "rows of messages that would be lost")
    assert asked.sentence.startswith("You would lose up to 18") and "1 more table" in asked.sentence


def test_a_rehearsal_says_how_many_rows_go_and_which_nobody_names() -> None:
    text = "DELETE FROM messages WHERE room = 1;"
    found = announced(text, rehearsal(rooms=(12, 12), messages=(18_402, 18_000), users=(3, 2)))
    assert [(e.object, e.lost, e.exact) for e in found.effects] == [("messages", 402, True), ("users", 1, True)]
    assert found.losses == {"messages": 402, "users": 1}
    assert "not named in the SQL" in found.effects[1].note


def test_what_a_rehearsal_emptied_costs_the_rows_that_are_there_now() -> None:
    found = announced("DELETE FROM rooms WHERE id = 1;", rehearsal(messages=(40_000, 0), rooms=(40, 20), users=(9, 4)))
    assert [(e.object, e.rows_before, e.rows_after, e.lost, e.exact) for e in found.effects] == [
        ("rooms", 12, None, 12, False), ("messages", 18_402, 0, 18_402, True), ("users", 3, None, 3, False),
    ]  # fmt: skip
    assert found.losses == {"messages": 18_402, "rooms": 12, "users": 3}
    more = announced("DROP TABLE rooms;", rehearsal(rooms=(12, None), messages=(5, 0), users=(3, 3)))
    assert {e.object: (e.rows_after, e.lost) for e in more.effects} == {"rooms": (0, 12), "messages": (0, 18_402)}


def test_what_only_adds_loses_nothing() -> None:
    found = announced("CREATE TABLE tags (id INTEGER);\nALTER TABLE users ADD COLUMN tag INTEGER;")
    assert [(e.object, e.action, e.lost or 0) for e in found.effects] == [
        ("users", "changed", 0),
        ("tags", "created", 0),
    ]
    assert (found.losses, found.unmentioned, effects.confirmation(found)) == ({}, 2, None)


def test_a_second_file_knows_what_the_first_has_made_and_keeps_its_own_lines() -> None:
    one, two = "CREATE TABLE tags (id INTEGER)", "\n\nDROP TABLE tags;\nDROP TABLE users;"
    _, second = _in_turn([_Text(one, True, "0001"), _Text(two, True, "0002")], Dialect.SQLITE, LIVE, {})
    assert [(finding.rule, finding.line, finding.statement) for finding in second.findings] == [
        ("drop-own-table", 3, 1), ("drop-table", 4, 2),
    ]  # fmt: skip


def test_a_renamed_table_is_the_same_and_a_dropped_one_is_gone() -> None:
    before = Counted(rows={"a": 5, "b": 7, "c": 9, "huge": None}, ids={"a": 1, "b": 2, "c": 3, "huge": 4})
    after = Counted(rows={"z": 5, "c": 8, "huge": None, "new": 1}, ids={"z": 1, "c": 3, "huge": 4, "new": 5})
    found = counting.shrunk(before, after, ours=[3])
    assert [(each.table, each.lost, each.gone, each.ours) for each in found] == [
        ("b", 7, True, True),
        ("c", 1, False, True),
    ]
    assert not counting.shrunk(before, after, ours=[])[1].ours
    assert before.after(after)["new"] == (None, 1, True)


def test_a_table_that_takes_the_name_of_another_does_not_hide_it() -> None:
    before = Counted(rows={"a": 5, "a_new": 0}, ids={"a": 1, "a_new": 2}, lasting=True)
    after = Counted(rows={"a_old": 5, "a": 0}, ids={"a_old": 1, "a": 2}, lasting=True)
    assert counting.shrunk(before, after) == []
    reused = Counted(rows={"a": 5, "b": 0}, ids={"a": 2, "b": 1})  # SQLite built a anew, and gave its page to b
    assert counting.shrunk(Counted(rows={"a": 5}, ids={"a": 1}), reused) == []


def test_parts_go_with_their_table_and_truncate_cascade_takes_whatever_refers_to_it() -> None:
    whole = Relation(schema="public", name="logs", fields=(), partitioned=True, whole="public.logs")
    part = Relation(schema="public", name="logs_1", fields=(), whole="public.logs")
    key = replace(KEY, table="public.notes", parent="public.rooms", on_delete="NO ACTION")
    structure = Structure(relations={"public.logs": whole, "public.logs_1": part}, foreign_keys=(key,))
    live = Live(rows={"public.logs_1": 9, "public.rooms": 2, "public.notes": 4}, structure=structure)
    text = "DROP TABLE logs; TRUNCATE rooms CASCADE;"
    found = effects.announce([review(text, Dialect.POSTGRESQL, live)], live, None)
    lost = {effect.object: (effect.action, effect.lost) for effect in found.effects}
    assert lost["public.logs_1"] == ("removed", 9)
    assert (lost["public.rooms"], lost["public.notes"]) == (("emptied", 2), ("emptied", 4))


def test_statements_get_the_time_of_their_class() -> None:
    limits = Limits.read("schema=10 data=20")
    texts = ("ALTER TABLE t ADD COLUMN c int", "UPDATE t SET c = 1", "CREATE INDEX i ON t (c)")
    assert [limits.of(text) for text in texts] == [10, 20, 43200]
    assert [Limits.read("0").of(text) for text in texts] == [0, 0, 0]
    for wrong in ("fast", "schema=1 other=2", ""):
        with pytest.raises(Usage):
            Limits.read(wrong)
    assert leaves_nothing("ALTER TABLE t ADD c int; UPDATE t SET c = 1")
    assert not leaves_nothing("CREATE INDEX CONCURRENTLY i ON t (c)") and not leaves_nothing(
        "UPDATE t SET c = 1; COMMIT"
    )


def test_a_unit_is_all_or_nothing_only_with_its_ledger_in_the_same_transaction() -> None:
    text, row = Act(sql="SELECT 1", script=True), Act(sql="INSERT INTO ledger VALUES (1)")
    shapes = [
        ((Phase(acts=(text, row), transaction=True),), True),
        ((Phase(acts=(text, row), transaction=True), Phase(acts=(row,))), True),
        ((Phase(acts=(text, row)),), False),
        ((Phase(acts=(row,)), Phase(acts=(text,)), Phase(acts=(row,))), False),
        ((Phase(acts=(row,), transaction=True), Phase(acts=(text,), transaction=True)), False),
    ]
    for phases, whole in shapes:
        assert Unit(title="", migrations=("1",), phases=phases).atomic is whole


def entry(name: str, state: State, *, row: bool = False) -> Entry:
    made = Migration(key=name, name=name, path=name, text="")
    return Entry(state=state, sentence="", migration=made, row=Row(key=name) if row else None)


LINES = [
    entry("0001_a", State.APPLIED, row=True), entry("0002_b", State.APPLIED, row=True), entry("0003_c", State.PENDING),
    entry("0004_d", State.UNDONE, row=True), entry("0005_e", State.PENDING),
]  # fmt: skip


def test_migrations_are_meant_by_name_or_how_it_begins() -> None:
    def names(**given: str) -> list[str]:
        return [each.name for each in selecting.pending(LINES, **given)]

    assert names() == ["0003_c", "0004_d", "0005_e"]
    assert (names(to="0004"), names(only="0005_e")) == (["0003_c", "0004_d"], ["0005_e"])
    wrong = [({"to": "0001_a"}, "not_pending"), ({"only": "9"}, "unknown_migration")]
    wrong += [({"to": "000"}, "unknown_migration"), ({"to": "0003", "only": "0003"}, "two_ends")]
    for given, code in wrong:
        with pytest.raises(OpsError) as refused:
            names(**given)
        assert refused.value.code == code
    assert [each.name for each in selecting.applied(LINES)] == ["0002_b"]
    assert [each.name for each in selecting.applied(LINES, to="0001")] == ["0002_b"]
    with pytest.raises(OpsError):
        selecting.applied(LINES, to="0002_b")
