"""A fix changes exactly the rows that were approved, tells what is found afterwards, and can be taken back."""

from __future__ import annotations

import pytest

from integrity.fixing import parts
from integrity.models import Fix
from opsconsole.exceptions import Refused
from opsconsole.states import State
from tests.integrity.fixing.conftest import Scene
from tests.lifecycle.test_crashes import die_at
from tests.support.cases import work

pytestmark = pytest.mark.serial


def test_the_rows_that_are_shown_go_with_what_refers_to_them_and_come_back_as_they_were(scene: Scene) -> None:
    before = scene.everything()
    asked = scene.ask_for_orphans()
    plan = asked.plan
    effects = {effect.object.rpartition(".")[2]: effect for effect in plan.effects}
    assert {name: (each.lost, each.changed) for name, each in effects.items()} == {
        "members": (2, 0), "badges": (2, 0), "notes": (0, 1),
    }  # fmt: skip
    assert plan.confirmation is not None and plan.confirmation.number == 5
    listed = {part.table.rpartition(".")[2]: part for part in parts.opened(plan)}
    assert [row[0] for row in listed["members"].shown] == [3, 4]
    assert any("ON DELETE CASCADE" in reason for reason in plan.risk_reasons)
    scene.change("INSERT INTO members VALUES (5, 9, 'a new one', 0)")  # not approved, so not touched
    done = work(scene.console, asked)
    assert done.state == State.SUCCEEDED, done.failure_why
    assert scene.rows("SELECT id FROM members ORDER BY id") == [(1,), (2,), (5,)]
    assert scene.rows("SELECT id FROM badges") == [(1,)]
    assert scene.rows("SELECT id, member_id FROM notes ORDER BY id") == [(1, 1), (2, None)]
    (told,) = done.result["findings"]
    assert (told["before"], told["after"]) == (3, 1)
    assert "1 of 1 findings still stand" in done.result["summary"]
    scene.do("unfix")
    scene.change("DELETE FROM members WHERE id = 5")
    assert scene.everything() == before
    assert Fix.objects.get(pk=done.pk).key_sealed == ""
    with pytest.raises(Refused, match="was taken back"):
        scene.ask("unfix")


def test_what_the_rows_held_is_unreadable_in_the_database_and_hidden_from_everybody(scene: Scene) -> None:
    from opsconsole.databases import engine_for

    engine = engine_for(scene.database)
    before = (engine.schema_fingerprint(), [table.name for table in engine.tables()])
    done = scene.do(finding=scene.finding("members.group_id"), action="set_null")
    assert scene.rows("SELECT count(*) FROM members WHERE group_id IS NULL") == [(3,)]
    kept = scene.rows("SELECT sealed FROM _opsconsole_fixed")
    assert len(kept) == 2 and all("s lost" not in sealed for (sealed,) in kept)
    assert (engine.schema_fingerprint(), [table.name for table in engine.tables()]) == before
    assert "s lost" not in done.plan_text
    assert done.result["findings"][0]["after"] == 0


@pytest.mark.parametrize(
    ("any_shop", "meanwhile"),
    [
        ("sqlite", "UPDATE members SET word = 'found' WHERE id = 4"),
        ("sqlite", "INSERT INTO groups VALUES (9, 'found')"),
        ("postgresql", "DELETE FROM members WHERE id = 4"),
        ("postgresql", "INSERT INTO badges VALUES (4, 4)"),
    ],
    indirect=["any_shop"],
)
def test_a_plan_that_does_not_fit_any_more_changes_nothing(scene: Scene, meanwhile: str) -> None:
    asked = scene.ask_for_orphans()
    scene.change(f"{meanwhile};")
    before = scene.everything()
    done = work(scene.console, asked)
    assert done.state == State.STALE, (done.state, done.failure_why)
    assert scene.everything() == before
    assert not Fix.objects.exists()


@pytest.mark.parametrize("point", ["fix.before_commit", "fix.committed"])
def test_killed_around_its_commit_point_it_is_done_or_not_done_and_can_be_taken_back(scene: Scene, point: str) -> None:
    before = scene.everything()
    done = die_at(scene.console, scene.ask_for_orphans(), point, "runner")
    if point == "fix.before_commit":
        assert (done.state, scene.everything()) == (State.FAILED, before), done.failure_why
        assert not Fix.objects.exists()
        return
    assert done.state == State.SUCCEEDED, done.failure_why
    assert scene.rows("SELECT id FROM members ORDER BY id") == [(1,), (2,)]
    assert done.result["findings"][0]["after"] == 0
    scene.do("unfix", fix=str(done.pk))
    assert scene.everything() == before
