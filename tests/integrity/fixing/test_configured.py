"""SQL that people configured computes what rows get, and nothing else: that is listed, and written as values."""

from __future__ import annotations

from typing import Any

import pytest

from integrity.fixing import parts
from opsconsole.exceptions import Refused, Usage
from opsconsole.states import State
from tests.integrity.fixing.conftest import Scene
from tests.integrity.fixing.test_fix import ON_POSTGRES_BY_DAY
from tests.integrity.test_rule_changes import confirmed
from tests.support.cases import work

pytestmark = pytest.mark.serial
HOURS = "(SELECT max(m.hours) FROM {0}members AS m WHERE m.word IS NOT NULL)"
WRITES = """
CREATE FUNCTION spoil(integer) RETURNS float LANGUAGE plpgsql AS
 'BEGIN UPDATE public.members SET word = ''spoilt''; RETURN 1; END';
CREATE VIEW spoiling AS SELECT spoil(1) AS v;
"""


def rule(value: str, *, table: str) -> dict[str, Any]:
    return {
        "name": "hours", "kind": "row", "severity": "critical", "health": "tooManyHours",
        "spec": {"table": table, "violates": "t.hours > 0.25"},
        "fix": {"action": "sql_update", "column": "hours", "value": value},
    }  # fmt: skip


@ON_POSTGRES_BY_DAY
def test_what_configured_sql_computes_is_written_into_the_listed_rows_only_and_comes_back(
    scene: Scene, cast: Any
) -> None:
    on_postgres = scene.shop.engine == "postgresql"
    schema, table = ("public.", "public.members") if on_postgres else ("", "members")
    before = scene.everything()
    for value in ("1; DELETE FROM members", "spoil(t.id)"):
        with pytest.raises(Usage, match="the fix's value"):
            confirmed(cast, scene.database, rule(value, table=table))
    confirmed(cast, scene.database, rule(f"{HOURS.format(schema)} / 3 + t.id", table=table))
    asked = scene.ask(names="tooManyHours")
    (part,) = parts.opened(asked.plan)
    place = part.titles.index("hours, then")
    assert [(str(row[0]), str(row[place])) for row in part.shown] == [("3", "3.1"), ("4", "4.1")]
    scene.change("INSERT INTO members VALUES (5, 1, NULL, 7)")  # at fault as well, and approved by nobody
    done = work(scene.console, asked)
    assert done.state == State.SUCCEEDED, done.failure_why
    assert scene.rows("SELECT id, hours FROM members ORDER BY id") == [(1, 0.1), (2, 0.2), (3, 3.1), (4, 4.1), (5, 7.0)]
    scene.do("unfix")
    scene.change("DELETE FROM members WHERE id = 5")
    assert scene.everything() == before
    scene.change("CREATE TABLE few (id integer PRIMARY KEY, hours float CHECK (hours < 9), word text)")
    scene.change("INSERT INTO few VALUES (1, 1, NULL), (2, 2, NULL)")
    confirmed(cast, scene.database, rule("t.hours * 5", table=table.replace("members", "few")))
    done = work(scene.console, scene.ask(names="tooManyHours"))
    assert (done.state, "would break a rule of the table" in done.failure_why) == (State.FAILED, True)
    assert scene.rows("SELECT hours FROM few ORDER BY id") == [(1.0,), (2.0,)]


@pytest.mark.parametrize("any_shop", ["postgresql"], indirect=True)
def test_a_view_that_would_write_is_ended_before_anything_is_planned(scene: Scene, cast: Any) -> None:
    scene.shop.change(WRITES)
    before = scene.everything()
    confirmed(cast, scene.database, rule("(SELECT s.v FROM public.spoiling AS s)", table="public.members"))
    with pytest.raises(Refused, match=r"read-only transaction|permission denied"):
        scene.ask(names="tooManyHours")
    assert scene.everything() == before
