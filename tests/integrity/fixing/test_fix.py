"""A fix changes exactly the rows that were approved, tells what is found afterwards, and can be taken back."""

from __future__ import annotations

import pytest
from django.test import Client

from integrity.fixing import parts
from integrity.models import Fix
from opsconsole.exceptions import Refused
from opsconsole.states import State
from tests.integrity.fixing.conftest import Scene
from tests.lifecycle.test_crashes import die_at
from tests.support.cases import work
from tests.support.people import PASSWORD
from tests.support.reports import found, list_report

pytestmark = pytest.mark.serial
AT_NIGHT = pytest.mark.nightly
ON_POSTGRES_BY_DAY = pytest.mark.parametrize(
    "any_shop", [pytest.param("sqlite", marks=AT_NIGHT), "postgresql"], indirect=True
)


def test_the_rows_that_are_shown_go_with_what_refers_to_them_and_come_back_as_they_were(scene: Scene) -> None:
    before = scene.everything()
    asked = scene.ask_for_orphans()
    plan = asked.plan
    effects = {effect.object.rpartition(".")[2]: effect for effect in plan.effects}
    assert {name: (each.lost, each.changed) for name, each in effects.items()} == {
        "members": (2, 0), "badges": (2, 0), "notes": (0, 1),
    }  # fmt: skip
    assert plan.confirmation is not None and plan.confirmation.number == 5
    assert plan.confirmation.sentence == "You would delete 4 rows and change 1 row, 5 in all."
    listed = {part.table.rpartition(".")[2]: part for part in parts.opened(plan)}
    assert [str(row[0]) for row in listed["members"].shown] == ["3", "4"]
    assert any("ON DELETE CASCADE" in reason for reason in plan.risk_reasons)
    scene.change("INSERT INTO members VALUES (5, 9, 'a new one', 0)")  # not approved, so not touched
    done = work(scene.console, asked)
    assert done.state == State.SUCCEEDED, done.failure_why
    assert scene.rows("SELECT id FROM members ORDER BY id") == [(1,), (2,), (5,)]
    assert scene.rows("SELECT id FROM badges") == [(1,)]
    assert scene.rows("SELECT id, member_id FROM notes ORDER BY id") == [(1, 1), (2, None)]
    (told,) = done.result["findings"]
    assert (told["before"], told["after"]) == (3, 1)
    assert "1 of 1 findings still stand: check the database, and ask again" in done.result["summary"]
    tab = page(scene, f"/databases/{scene.database.name}/integrity/")
    assert "A fix ran since then" in tab and done.get_absolute_url() in tab
    assert f"Check {scene.database.name}" in page(scene, done.get_absolute_url())
    scene.do("unfix")
    scene.change("DELETE FROM members WHERE id = 5")
    assert scene.everything() == before
    assert Fix.objects.get(pk=done.pk).key_sealed == ""
    with pytest.raises(Refused, match="was taken back"):
        scene.ask("unfix")


@ON_POSTGRES_BY_DAY
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
        pytest.param("sqlite", "UPDATE members SET word = 'found' WHERE id = 4", marks=AT_NIGHT),
        ("sqlite", "INSERT INTO groups VALUES (9, 'found')"),
        pytest.param("postgresql", "DELETE FROM members WHERE id = 4", marks=AT_NIGHT),
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
    assert "if anything is left to be set right, ask again" in done.failure_next
    assert scene.everything() == before
    assert not Fix.objects.exists()


@pytest.mark.parametrize("any_shop", ["sqlite"], indirect=True)
def test_a_statement_whose_finding_is_not_there_any_more_is_not_run(scene: Scene) -> None:
    scene.change(
        "CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO jobs VALUES (5);"
        "UPDATE sqlite_sequence SET seq = 2 WHERE name = 'jobs'"
    )
    scene.report = scene.check()
    asked = scene.ask(finding=f"{scene.finding('jobs.id', 'sequence_behind')},{scene.finding('members')}")
    scene.change("UPDATE sqlite_sequence SET seq = 5 WHERE name = 'jobs'")
    before = scene.everything()
    done = work(scene.console, asked)
    assert (done.state, "this is set right by now: sqlite_sequence" in done.failure_why) == (State.STALE, True)
    assert scene.everything() == before


@pytest.mark.parametrize(
    ("any_shop", "point"),
    [
        ("sqlite", "fix.before_commit"),
        ("postgresql", "fix.committed"),
        pytest.param("postgresql", "fix.before_commit", marks=AT_NIGHT),
        pytest.param("sqlite", "fix.committed", marks=AT_NIGHT),
    ],
    indirect=["any_shop"],
)
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


@ON_POSTGRES_BY_DAY
def test_an_undo_that_is_killed_is_done_or_not_done_and_can_be_asked_for_again(scene: Scene) -> None:
    before = scene.everything()
    fix = scene.do(finding=scene.finding("members.group_id"), action="delete_rows")
    after = scene.everything()
    undo = scene.ask("unfix")
    assert {(part.table.rpartition(".")[2], part.columns): len(part.shown) for part in parts.opened(undo.plan)} == {
        ("members", ()): 2, ("badges", ()): 2, ("notes", ("member_id",)): 1,
    }  # fmt: skip
    listing = page(scene, f"/operations/{undo.pk}/rows/")
    assert "Put back into" in listing and "it&#x27;s lost" in listing and "member_id, again" in listing
    assert "What is put back" in page(scene, undo.get_absolute_url())
    undone = die_at(scene.console, undo, "unfix.before_commit", "runner")
    assert (undone.state, scene.everything()) == (State.FAILED, after), undone.failure_why
    assert Fix.objects.get(pk=fix.pk).state == Fix.State.KEPT
    undone = die_at(scene.console, scene.ask("unfix"), "unfix.committed", "runner")
    assert (undone.state, scene.everything()) == (State.SUCCEEDED, before), undone.failure_why
    row = Fix.objects.get(pk=fix.pk)
    assert (row.state, row.key_sealed, row.undone_by_id) == (Fix.State.UNDONE, "", undone.pk)


def page(scene: Scene, path: str) -> str:
    browser = Client()
    browser.post("/login/", {"username": "ada", "password": PASSWORD})
    return browser.get(path).content.decode()


@pytest.mark.parametrize("any_shop", ["postgresql"], indirect=True)
def test_all_critical_findings_are_one_plan_and_what_a_kill_leaves_undone_is_told(scene: Scene) -> None:
    scene.change(
        "CREATE TABLE tasks (id serial PRIMARY KEY, email text, member_id integer REFERENCES members(id));"
        "INSERT INTO tasks (email, member_id) SELECT 'someone@example.test', 77 FROM generate_series(1, 30) n;"
        "CREATE TABLE jobs (id serial PRIMARY KEY); INSERT INTO jobs SELECT generate_series(1, 30)"
    )
    scene.report = scene.check()
    hopeless = found("nothing is proposed", check="other")
    list_report(scene.database, scene.cast.ada, [hopeless], looked={"other"}, mode="quick")  # what it left out stands
    asked = scene.ask(finding="critical")
    assert asked.plan.risk_reasons[-1] == "1 other critical finding stands on: nothing is proposed for it."
    named = [(each["check"], each["action"]) for each in asked.plan.parameters["findings"]]
    assert sorted(named) == [
        ("orphans", "delete_rows"), ("orphans", "delete_rows"), ("sequence_behind", "advance_sequence"),
    ]  # fmt: skip
    listing = page(scene, f"/operations/{asked.pk}/rows/?part=1&from=20")
    assert "21 to 30 of 30" in listing and "someone@example.test" not in listing
    assert "Exactly these rows" in page(scene, asked.get_absolute_url())
    done = die_at(scene.console, asked, "fix.statement", "runner")
    assert (done.state, done.result["done"], done.result["of"]) == (State.FAILED, 1, 2), done.failure_why
    assert "1 of 2 steps were done before, and stay" in done.failure_why
    assert scene.rows("SELECT count(*) FROM tasks") == [(0,)]
    scene.do("unfix", fix=str(done.pk))
    assert scene.rows("SELECT count(*) FROM tasks") == [(30,)]
    again = die_at(scene.console, scene.ask(finding="critical"), "fix.statement_done", "runner")
    assert again.state == State.SUCCEEDED, again.failure_why
    assert scene.rows("SELECT nextval('jobs_id_seq')") == [(31,)]
    assert [each["after"] for each in again.result["findings"]] == [0, 0, 0]
    assert "a fix has run since" in page(scene, "/databases/shop/")
    assert "The findings before and after" in page(scene, again.get_absolute_url())
