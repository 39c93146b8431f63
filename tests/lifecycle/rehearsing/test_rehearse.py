"""Rehearsals as operations: asked for, run by a worker, kept as evidence, demanded by policies."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from integrity.rules import taking
from lifecycle.models import Backup, Rehearsal
from lifecycle.rehearsing import keeping
from opsconsole import heads, kinds, operations
from opsconsole.arming import arm
from opsconsole.embedded.postgresql import folder_for
from opsconsole.exceptions import Refused, Stale, Usage
from opsconsole.models import AuditEvent, Operation
from opsconsole.states import State
from opsconsole.worker import claim
from tests.lifecycle.migrating.conftest import Scene, on_postgres, on_sqlite  # noqa: F401
from tests.lifecycle.pages.test_migrations_page import at, read
from tests.lifecycle.test_crashes import assert_nothing_left, die_at
from tests.opsconsole.approvals.scenes import approve, later
from tests.support.cases import work
from tests.support.sqlite_files import run_sql

UP = "CREATE TABLE notes (id bigint PRIMARY KEY, body text);\nDELETE FROM orders WHERE id > 150;\n"
DOWN = "DROP TABLE notes;\n"


@pytest.fixture(autouse=True)
def no_programs_left(console: Any) -> Iterator[None]:
    yield
    shutil.rmtree(folder_for(settings.OPSCONSOLE_HOME), ignore_errors=True)


def rehearse(scene: Scene, **given: str) -> Operation:
    asked = operations.request("rehearse", scene.row, {"tool": scene.tool} | given, account=scene.cast.ada)
    return work(scene.console, asked)


def test_a_rehearsal_on_a_backup_is_evidence_of_exactly_the_same_migration(on_postgres: Scene) -> None:  # noqa: F811
    scene = on_postgres
    work(scene.console, operations.request("backup", scene.row, {}, account=scene.cast.ada))
    scene.bring({"0001_notes.sql": UP, "0001_notes.down.sql": DOWN})
    operation = rehearse(scene)
    assert operation.state == State.SUCCEEDED, operation.failure_why
    row = Rehearsal.objects.get(pk=operation.pk)
    backup = Backup.objects.get()
    assert (row.backup, row.data_at, row.held) == (backup, backup.started_at, True)
    assert "public.orders: 200 → 150" in operation.result["summary"]
    back = keeping.report_of(row).recording.back
    assert back is not None and not back.leads_back
    assert back.differences == ("public.orders has 150 rows instead of 200",)
    event = AuditEvent.objects.get(type="migration.rehearsed", operation_id=operation.pk)
    assert b"nothing failed, and nothing went that the SQL does not name" in bytes(event.payload)
    assert {each.migration for each in keeping.report_of(row).recording.statements} == {"0001_notes"}
    assert not any(step.sql for step in operation.plan.steps)
    assert UP in "".join(step.sql for step in kinds.get("rehearse").steps(operation.plan))
    (offer,) = kinds.get("rehearse").afterwards(operation)
    plan = operations.draft("migrate", scene.row, dict(offer.parameters), account=scene.cast.ada)
    assert plan.parameters["rehearsal"] == operation.pk
    assert plan.evidence["rehearsal"]["made on"].startswith(f"backup {backup.pk}, taken ")
    effect = next(each for each in plan.effects if each.object == "public.orders")
    assert (effect.rows_after, effect.lost) == (150, 50)
    (delete,) = (found for found in plan.parameters["findings"] if found["rule"] == "delete")
    assert delete["reason"] == "Deletes 50 rows of 200 of orders, as counted in the rehearsal."
    assert (delete["severity"], plan.risk) == ("destructive", "high")
    scene.bring({"0002_more.sql": "SELECT 1;"})
    assert scene.plan().parameters["rehearsal"] == 0
    assert_nothing_left(scene.console, scene.shop, operation)
    assert scene.shop.orders() == 200


def test_a_backup_with_another_schema_gives_way_to_a_copy_of_the_database(on_sqlite: Scene) -> None:  # noqa: F811
    scene = on_sqlite
    work(scene.console, operations.request("backup", scene.row, {}, account=scene.cast.ada))
    run_sql(scene.shop.path, "CREATE TABLE notes (id INTEGER PRIMARY KEY)")
    scene.bring({"0001_more.sql": "ALTER TABLE notes ADD COLUMN more text;\n"})
    with pytest.raises(Refused, match="another schema"):
        rehearse(scene, source="backup")
    operation = rehearse(scene)
    assert operation.state == State.SUCCEEDED, operation.failure_why
    row = Rehearsal.objects.get(pk=operation.pk)
    assert row.backup is None and row.data_at is not None
    report = keeping.report_of(row)
    assert {each.flavour for each in report.recordings} == {"sqlite", "d1"} and report.main == "sqlite"
    assert report.recording.failure is None and report.recording.lost_rows == 0
    assert_nothing_left(scene.console, scene.shop, operation)


def test_a_whole_folder_and_its_seed_are_tried_on_an_empty_database(on_sqlite: Scene, tmp_path: Path) -> None:  # noqa: F811
    scene = on_sqlite
    scene.bring({"0001_notes.sql": "CREATE TABLE notes (id INTEGER PRIMARY KEY);\n"})
    seed = tmp_path / "seed.sql"
    seed.write_text("INSERT INTO notes VALUES (1);")
    given = {"mode": "fresh", "seed": str(seed), "tool": scene.tool}
    brought = kinds.get("rehearse").bring(scene.row, given, scene.cast.ada, None)
    operation = work(
        scene.console, operations.request("rehearse", scene.row, brought.parameters, account=scene.cast.ada)
    )
    assert operation.state == State.SUCCEEDED, operation.failure_why
    report = keeping.report_of(Rehearsal.objects.get(pk=operation.pk))
    assert report.fresh is not None and report.fresh.failure is None
    assert next(table.after for table in report.fresh.tables if table.name == "notes") == 1
    missing = {change.name for change in report.drift.changes}  # type: ignore[union-attr]
    head = heads.newest(scene.row)
    assert head is not None and head.tables["notes"] == (("id", "INTEGER"),)
    rule, _ = taking.take_head(scene.row)
    assert [table["name"] for table in rule.spec["tables"]] == list(head.tables) == ["d1_migrations", "notes"]
    assert len(taking.differences(rule, scene.row)) == 2  # nothing is applied yet
    assert missing == {"table customers", "table orders", "index idx_orders_customer"}  # they came to be by hand
    assert scene.plan().parameters["rehearsal"] == 0


@pytest.mark.serial
@pytest.mark.parametrize("point", ["rehearse.restored"])
def test_a_rehearsal_that_is_killed_leaves_nothing_and_is_repeated(on_postgres: Scene, point: str) -> None:  # noqa: F811
    scene = on_postgres
    scene.bring({"0001_notes.sql": UP})
    asked = operations.request("rehearse", scene.row, {"tool": scene.tool}, account=scene.cast.ada)
    operation = die_at(scene.console, asked, point, "worker")
    if operation.state == State.QUEUED:
        assert scene.shop.leftovers() == []
        Operation.objects.filter(pk=operation.pk).update(run_after=None)
        work(scene.console, operation)
    assert operation.state == State.SUCCEEDED, f"{operation.state_reason} {operation.failure_why}"
    assert Rehearsal.objects.count() == 1
    assert_nothing_left(scene.console, scene.shop, operation)


def test_a_policy_demands_a_fresh_rehearsal_when_asked_and_when_armed(on_sqlite: Scene) -> None:  # noqa: F811
    scene = on_sqlite
    change = {"name": "migrations", "title": "m", "match": {"kinds": ["migrate"]}, "rehearsal_hours": 4}
    change |= {"valid_minutes": 1440}
    clauses = {"clauses": [{"role": "approvers", "count": 1}], "rehearsal_data_hours": 24}
    operations.request_change("policy.set", change | clauses, account=scene.cast.admin, reason="it is wanted")
    scene.bring({"0001_notes.sql": UP})
    with pytest.raises(Refused) as refused:
        scene.ask()
    assert refused.value.code == "not_rehearsed" and "operate rehearse" in refused.value.next_step
    ada = at("ada")
    preview = f"/databases/shop/request/migrate/plan/?tool={scene.tool}&backup=no"
    assert "exactly this was not rehearsed" in read(ada, preview)
    rehearsal = rehearse(scene)
    assert rehearsal.state == State.SUCCEEDED
    page = read(ada, f"/operations/{rehearsal.pk}/")
    assert "What the rehearsal found" in page and "orders: 200 → 150" in page
    assert "1 table proven untouched" in page and "column notes.body" in page
    assert "exactly this was not rehearsed" not in read(ada, preview)
    asked = scene.ask()
    assert "The rehearsal of exactly this" in (page := read(ada, asked.get_absolute_url()))
    assert f"Operation {rehearsal.pk}</a>" in page and "stale by now" not in page
    approve(scene.cast.grace, asked)
    with later(hours=5):
        assert "It would be stale by now" in read(at("ada"), f"/operations/{asked.pk}/live/?seen=")
    with later(hours=5), pytest.raises(Refused, match="5 h old, and policies demand at most 4 h"):
        scene.ask()
    claimed = claim(asked.pk)
    assert claimed is not None
    with later(hours=5), pytest.raises(Stale, match="5 h old, and policies demand at most 4 h"):
        arm(claimed.id, claimed.fence, {})
    arm(claimed.id, claimed.fence, {})


def test_what_a_policy_demands_of_migrations_it_demands_of_taking_them_back(on_sqlite: Scene) -> None:  # noqa: F811
    scene = on_sqlite
    scene.tool = "plain"
    scene.bring({"0001_notes.sql": "CREATE TABLE notes (id INTEGER PRIMARY KEY);\n", "0001_notes.down.sql": DOWN})
    forth = rehearse(scene)  # with its way back, on a copy in which nobody wrote since
    applied = scene.do()
    assert (forth.state, applied.state) == (State.SUCCEEDED, State.SUCCEEDED), applied.failure_why
    change = {"name": "migrations", "title": "m", "match": {"kinds": ["migrate"]}, "rehearsal_hours": 4}
    change |= {"clauses": [{"role": "approvers", "count": 1}], "valid_minutes": 1440}
    operations.request_change("policy.set", change, account=scene.cast.admin, reason="it is wanted")
    with pytest.raises(Refused, match="exactly this was not rehearsed") as refused:
        scene.ask("rollback")
    assert refused.value.code == "not_rehearsed" and "--set mode=back" in refused.value.next_step
    ada, preview = at("ada"), f"/databases/shop/request/rollback/plan/?tool={scene.tool}&backup=no"
    assert "exactly this was not rehearsed" in read(ada, preview)
    run_sql(scene.shop.path, "INSERT INTO notes VALUES (1), (2)")
    back = rehearse(scene, mode="back")
    assert back.state == State.SUCCEEDED, back.failure_why
    assert back.plan.summary == "It is known what taking back migration 0001_notes would do to shop, tried on a copy."
    assert "notes: 2 → the table is gone" in back.result["summary"]
    assert "_opsconsole_migrations" not in back.result["summary"]
    (offer,) = kinds.get("rehearse").afterwards(back)
    assert offer.kind == "rollback"
    asked = scene.ask("rollback")
    assert asked.plan.parameters["rehearsal"] == back.pk
    assert "The rehearsal of exactly this" in read(ada, asked.get_absolute_url())
    approve(scene.cast.grace, asked)
    claimed = claim(asked.pk)
    assert claimed is not None
    with later(hours=5), pytest.raises(Stale, match="5 h old, and policies demand at most 4 h"):
        arm(claimed.id, claimed.fence, {})
    with pytest.raises(Usage, match="only= means nothing"):
        rehearse(scene, mode="back", only="0001_notes")
