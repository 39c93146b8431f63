"""What a fix refuses, what people's rules compute for it, and what is kept of it until its time is over."""

from __future__ import annotations

from typing import Any

import pytest

from integrity.fixing import keeping, parts
from integrity.models import Fix
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.masking import MASK
from opsconsole.models import AuditEvent
from opsconsole.states import State
from tests.integrity.fixing.conftest import Scene
from tests.integrity.fixing.test_fix import ON_POSTGRES_BY_DAY
from tests.integrity.test_rule_changes import confirmed
from tests.support.cases import work

pytestmark = pytest.mark.serial
TOTALS: dict[str, Any] = {
    "name": "totals", "kind": "aggregate", "severity": "critical", "health": "wrongTotals",
    "spec": {"table": "groups", "column": "total", "of": "members", "by": "group_id", "aggregate": "sum(s.hours)"},
}  # fmt: skip
WORDS: dict[str, Any] = {
    "name": "words", "kind": "row", "severity": "warning", "health": "noWords",
    "spec": {"table": "members", "violates": "t.word IS NULL"},
    "fix": {"action": "set_value", "column": "word", "value": "'number ' || t.id"},
}  # fmt: skip


@ON_POSTGRES_BY_DAY
def test_what_people_compute_is_listed_before_and_written_only_while_it_is_still_so(scene: Scene, cast: Any) -> None:
    scene.change("ALTER TABLE groups ADD COLUMN total float; UPDATE groups SET total = 7")
    before = [*scene.everything(), scene.rows("SELECT * FROM groups")]
    confirmed(cast, scene.database, TOTALS, WORDS)
    asked = scene.ask(names="all")
    shown = {part.table.rpartition(".")[2]: (part.titles[:3], part.shown[0][2]) for part in parts.opened(asked.plan)}
    assert shown["groups"] == (("id", "total", "total, then"), "0.1")  # beside what it holds now
    assert shown["members"] == (("id", "word", "word, then"), "number 4")
    scene.change("INSERT INTO members VALUES (6, 1, 'more', 0.5)")
    done = work(scene.console, asked)
    assert (done.state, "another value by now" in done.state_reason + done.failure_why) == (State.STALE, True)
    scene.change("DELETE FROM members WHERE id = 6")
    again = scene.do(names="wrongTotals, noWords")
    assert scene.rows("SELECT total FROM groups") == [(0.1,)]
    assert scene.rows("SELECT word FROM members WHERE id = 4") == [("number 4",)]
    assert [each["after"] for each in again.result["findings"]] == [0, 0]
    scene.do("unfix")
    assert [*scene.everything(), scene.rows("SELECT * FROM groups")] == before
    scene.change("ALTER TABLE members ADD COLUMN password text; UPDATE members SET password = 'hunter2'")
    asked = scene.ask(names="noWords")
    confirmed(cast, scene.database, {**WORDS, "fix": {**WORDS["fix"], "value": "t.password"}})
    done = work(scene.console, asked)
    assert (done.state, "rule:words was changed or removed since" in done.failure_why) == (State.STALE, True)
    (part,) = parts.opened(scene.ask(names="noWords").plan)
    assert (part.aims[0].values[0] is not None, part.shown[0][2]) == (True, MASK)
    scene.do(names="noWords")
    (part,) = parts.opened(scene.ask("unfix").plan)
    assert "hunter2" not in str(part.shown)


@pytest.mark.parametrize("any_shop", ["sqlite"], indirect=True)
def test_rows_that_nothing_names_or_that_others_refer_to_are_refused_with_the_reason(scene: Scene) -> None:
    scene.change(
        "CREATE TABLE heap (group_id integer REFERENCES groups(id)); INSERT INTO heap VALUES (5);"
        "CREATE TABLE votes (id integer PRIMARY KEY, member_id integer REFERENCES members(id));"
        "INSERT INTO votes VALUES (1, 3)"
    )
    scene.report = scene.check()
    with pytest.raises(Refused, match="heap has no primary key"):
        scene.ask(finding=scene.finding("heap.group_id"), action="delete_rows")
    with pytest.raises(Refused, match="1 row of votes refers to rows of members that would be deleted"):
        scene.ask_for_orphans()
    with pytest.raises(Refused, match="Choose one with action="):
        scene.ask(finding=scene.finding("members.group_id"))
    with pytest.raises(Usage, match="no finding"):
        scene.ask(finding="0123456789abcdef")
    with pytest.raises(Usage, match="Either findings of a report or names"):
        scene.ask()
    scene.change("UPDATE members SET group_id = 1 WHERE id IN (3, 4)")
    with pytest.raises(Refused, match="is not there any more"):
        scene.ask_for_orphans()


@pytest.mark.parametrize("any_shop", ["sqlite"], indirect=True)
def test_what_is_kept_cannot_be_put_over_the_work_of_others_and_goes_in_time(scene: Scene) -> None:
    done = scene.do(finding=scene.finding("members.group_id"), action="set_null")
    scene.change("UPDATE members SET word = 'mine' WHERE id = 3")
    with pytest.raises(Refused, match=r"Since the fix, 1 row of [a-z.]*members was changed \(word\)"):
        scene.ask("unfix")
    assert keeping.drop_expired() == 0
    Fix.objects.update(expires_at=now())
    assert keeping.drop_expired() == 1
    row = Fix.objects.get(pk=done.pk)
    assert (row.state, row.key_sealed) == (Fix.State.DROPPED, "")
    assert scene.rows("SELECT count(*) FROM sqlite_schema WHERE name = '_opsconsole_fixed'") == [(0,)]
    assert AuditEvent.objects.filter(type="fix.dropped").count() == 1
    with pytest.raises(Refused, match="could be taken back until"):
        scene.ask("unfix")
