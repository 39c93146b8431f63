"""What a database, or a trigger in it, would do along with a fix: it is approved with it, or nothing happens."""

from __future__ import annotations

from typing import Any

import pytest

from integrity.fixing import parts
from opsconsole.exceptions import Refused
from opsconsole.states import State
from tests.integrity.fixing.conftest import Scene
from tests.integrity.test_rule_changes import confirmed
from tests.support.cases import work

pytestmark = pytest.mark.serial
PEOPLE = """
CREATE TABLE people (id integer PRIMARY KEY, word text) PARTITION BY RANGE (id);
CREATE TABLE people_a PARTITION OF people FOR VALUES FROM (0) TO (100);
CREATE TABLE letters (id integer PRIMARY KEY, person integer REFERENCES people(id) ON DELETE CASCADE);
INSERT INTO people VALUES (1, 'bad'), (2, 'good'); INSERT INTO letters VALUES (1, 1), (2, 1), (3, 2);
"""
REWRITES = """
CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.group_id := 1; RETURN NEW; END';
CREATE TRIGGER other BEFORE UPDATE ON members FOR EACH ROW EXECUTE FUNCTION other();
"""
PLANTED = """
CREATE TABLE _opsconsole_fixed (operation bigint, part integer, place integer, sealed text NOT NULL);
CREATE TRIGGER other BEFORE INSERT ON _opsconsole_fixed FOR EACH ROW EXECUTE FUNCTION other();
"""
NODES = """
CREATE TABLE nodes (id integer PRIMARY KEY, up integer REFERENCES nodes(id) ON DELETE CASCADE, word text);
INSERT INTO nodes VALUES (1, NULL, 'bad'), (2, 1, 'below'), (3, NULL, 'good');
"""
BACK = "CREATE TRIGGER back AFTER DELETE ON nodes BEGIN INSERT INTO nodes VALUES (OLD.id, NULL, 'back'); END"


def bad(table: str) -> dict[str, Any]:
    return {
        "name": "bad", "kind": "row", "severity": "critical", "health": "bad", "fix": {"action": "delete_rows"},
        "spec": {"table": table, "violates": "t.word = 'bad'"},
    }  # fmt: skip


@pytest.mark.parametrize("any_shop", ["postgresql"], indirect=True)
def test_rows_that_refer_to_a_whole_table_go_along_with_those_of_its_part(scene: Scene, cast: Any) -> None:
    scene.shop.change(PEOPLE)
    confirmed(cast, scene.database, bad("public.people_a"))
    asked = scene.ask(names="bad")
    assert {part.table: len(part.aims) for part in parts.opened(asked.plan)} == {
        "public.letters": 2,
        "public.people_a": 1,
    }
    assert work(scene.console, asked).state == State.SUCCEEDED
    assert scene.rows("SELECT id FROM letters") == [(3,)]
    scene.shop.change("ALTER TABLE _opsconsole_fixed RENAME TO x; CREATE VIEW _opsconsole_fixed AS SELECT * FROM x")
    with pytest.raises(Refused, match="in the place of"):
        scene.ask("unfix")
    scene.shop.change("DROP VIEW _opsconsole_fixed; ALTER TABLE x RENAME TO _opsconsole_fixed")
    scene.do("unfix")
    assert scene.rows("SELECT id FROM letters ORDER BY id") == [(1,), (2,), (3,)]
    scene.shop.change(REWRITES)
    before = scene.everything()
    scene.shop.change(PLANTED)
    done = work(scene.console, scene.ask_for_orphans())
    assert (done.state, "Somebody else made" in done.failure_why) == (State.FAILED, True), done.failure_why
    scene.shop.change("DROP TABLE _opsconsole_fixed")
    assert scene.everything() == before
    done = work(scene.console, scene.ask_for_orphans("set_null"))
    assert (done.state, "a trigger of the table" in done.failure_why) == (State.FAILED, True)
    assert scene.everything() == before


@pytest.mark.parametrize("any_shop", ["sqlite"], indirect=True)
def test_a_new_row_below_one_that_goes_is_not_taken_along(scene: Scene, cast: Any) -> None:
    scene.shop.change(NODES)
    confirmed(cast, scene.database, bad("nodes"))
    asked = scene.ask(names="bad")
    scene.shop.change("INSERT INTO nodes VALUES (4, 1, 'approved by nobody')")
    assert work(scene.console, asked).state == State.STALE
    assert scene.rows("SELECT count(*) FROM nodes") == [(4,)]
    scene.do(names="bad")
    assert scene.rows("SELECT id FROM nodes") == [(3,)]
    scene.do("unfix")
    scene.shop.change(BACK)
    done = work(scene.console, scene.ask(names="bad"))
    assert (done.state, "are there again" in done.failure_why) == (State.FAILED, True)
    assert scene.rows("SELECT id FROM nodes ORDER BY id") == [(1,), (2,), (3,), (4,)]


@pytest.mark.nightly
def test_more_rows_than_one_statement_reads_come_back_although_they_refer_to_each_other(
    scene: Scene, cast: Any
) -> None:
    schema = "public." if scene.shop.engine == "postgresql" else ""
    some = "WITH RECURSIVE k(n) AS (SELECT 10 UNION ALL SELECT n + 1 FROM k WHERE n < 700)"
    scene.shop.change(
        f"CREATE TABLE nodes (id integer PRIMARY KEY, up integer REFERENCES nodes(id), word text);"
        f"INSERT INTO nodes VALUES (900, NULL, 'bad'); {some} INSERT INTO nodes SELECT n, 900, 'bad' FROM k"
    )
    confirmed(cast, scene.database, bad(f"{schema}nodes"))
    before = scene.rows("SELECT * FROM nodes ORDER BY id")
    scene.do(names="bad")
    assert scene.rows("SELECT count(*) FROM nodes") == [(0,)]
    scene.do("unfix")
    assert scene.rows("SELECT * FROM nodes ORDER BY id") == before


PARTED = """
CREATE TABLE visits (id integer PRIMARY KEY, group_id integer CONSTRAINT held REFERENCES groups, word text)
 PARTITION BY RANGE (id);
CREATE TABLE visits_a PARTITION OF visits FOR VALUES FROM (0) TO (100); INSERT INTO visits VALUES (1, 77, 'bad');
"""


@pytest.mark.nightly
@pytest.mark.parametrize("any_shop", ["postgresql"], indirect=True)
def test_a_row_of_a_part_comes_back_although_it_breaks_a_foreign_key_of_the_whole(scene: Scene, cast: Any) -> None:
    scene.change(PARTED)
    confirmed(cast, scene.database, bad("public.visits_a"))
    scene.do(names="bad")
    assert scene.rows("SELECT count(*) FROM visits") == [(0,)]
    assert scene.ask("unfix").plan.parameters["unmet"] == [["public.visits", "held"]]
    scene.do("unfix")
    assert scene.rows("SELECT * FROM visits") == [(1, 77, "bad")]
