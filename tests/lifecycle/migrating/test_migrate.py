"""Migrating for real: planned, run by a worker, told by rows, results and the tool's own ledger."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lifecycle import posture
from lifecycle.migrating import asking
from lifecycle.models import Backup, MigrationRun
from opsconsole import kinds, operations
from opsconsole.exceptions import Refused
from opsconsole.models import AuditEvent
from opsconsole.states import State
from tests.lifecycle.migrating.conftest import Scene
from tests.support.cases import runners_of, stopped_at, work
from tests.support.registering import register
from tests.support.tampering import guards_off

NOTES = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);\n"
FILL = "INSERT INTO notes (body) VALUES ('one');\n"


def rows(scene: Scene, sql: str) -> list[tuple[Any, ...]]:
    if scene.shop.engine == "postgresql":
        with psycopg.connect(scene.shop.url) as db:
            return db.execute(sql.encode()).fetchall()
    with sqlite3.connect(scene.shop.path) as db:
        return db.execute(sql).fetchall()


def states() -> list[str]:
    return list(MigrationRun.objects.order_by("operation_id", "pk").values_list("state", flat=True))


def test_what_is_pending_is_applied_backed_up_and_told(on_sqlite: Scene) -> None:
    scene = on_sqlite
    scene.bring({"0001_notes.sql": NOTES, "0002_fill.sql": FILL})
    plan = scene.plan()
    assert (plan.risk, plan.confirmation) == ("low", None)
    assert [effect.object for effect in plan.effects] == ["notes"]
    assert NOTES in kinds.get("migrate").steps(plan)[1].sql and not any(step.sql for step in plan.steps)
    operation = scene.do(backup="yes")
    assert operation.state == State.SUCCEEDED, operation.failure_why
    assert rows(scene, "SELECT name FROM d1_migrations ORDER BY id") == [("0001_notes.sql",), ("0002_fill.sql",)]
    assert operation.result["tables"]["notes"] == [None, 1]
    backup = Backup.objects.get(pk=operation.result["safety_backup"])
    assert backup.purpose == "safety"
    runs = list(MigrationRun.objects.order_by("key"))
    assert [(run.state, run.rows["notes"]) for run in runs] == [("done", [None, 0]), ("done", [0, 1])]
    assert runs[0].schema_after == runs[1].schema_before != runs[0].schema_before
    assert [change["name"] for change in runs[0].changes if change["change"] == "added"][-1:] == ["table notes"]
    assert (runs[0].changed, runs[1].changed) == (len(runs[0].changes), 0)
    offers = kinds.get("migrate").afterwards(operation)
    assert [(offer.kind, offer.parameters) for offer in offers] == [("restore", {"backup": str(backup.pk)})]
    with pytest.raises(Refused) as refused:
        scene.plan()
    assert refused.value.code == "nothing_pending"
    with pytest.raises(Refused) as refused:
        scene.plan("rollback")
    assert refused.value.code == "no_way_down" and f"backup={backup.pk}" in refused.value.next_step


def test_the_first_failure_stops_with_what_the_tool_would_leave(on_sqlite: Scene) -> None:
    scene = on_sqlite
    scene.bring({"0001_a.sql": NOTES, "0002_bad.sql": f"CREATE TABLE half (id);\n\n{NOTES}", "0003_c.sql": "SELECT 1;"})
    operation = scene.do()
    assert (operation.state, operation.failure_code) == (State.FAILED, "migration_failed")
    assert "0002_bad.sql failed, line 3" in operation.failure_why and "Applied 1 of 3" in operation.failure_why
    assert operation.result["not_done"] == ["0002_bad.sql", "0003_c.sql"]
    assert rows(scene, "SELECT name FROM d1_migrations") == [("0001_a.sql",)]
    assert rows(scene, "SELECT name FROM sqlite_schema WHERE name = 'half'") == []
    assert states() == ["done", "failed"]
    doctor = kinds.get("migrate").afterwards(operation)[0]
    assert (doctor.kind, doctor.parameters["brought"]) == ("doctor", operation.plan.parameters["brought"])
    assert [line.level.word for line in posture.read_migrations([scene.row])[scene.row.pk]] == ["needs you"]
    pending = [each["name"] for each in scene.plan().parameters["migrations"]]
    assert pending == ["0002_bad.sql", "0003_c.sql"]


def test_rows_that_nobody_announced_are_rolled_back(on_sqlite: Scene) -> None:
    """A trigger takes rows of a table that no file names."""
    scene = on_sqlite
    with sqlite3.connect(scene.shop.path) as db:
        db.executescript(f"{NOTES}CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM orders; END;")
    scene.bring({"0001_fill.sql": FILL})
    operation = scene.do()
    assert (operation.state, operation.failure_code) == (State.FAILED, "unannounced_loss")
    assert "orders would have 0 rows instead of 200" in operation.failure_why
    assert (scene.shop.orders(), rows(scene, "SELECT count(*) FROM notes")) == (200, [(0,)])


def test_a_text_that_leaves_its_transaction_and_begins_another_is_refused(on_sqlite: Scene) -> None:
    """What it committed could not be rolled back, whatever was said of it afterwards."""
    on_sqlite.bring({"1_notes.sql": f"-- migrate:up\nDELETE FROM orders; COMMIT;\nBEGIN;\n{NOTES}-- migrate:down\n"})
    with pytest.raises(Refused, match="has COMMIT in line 2"):
        on_sqlite.plan(tool="dbmate")


def test_what_the_plan_announces_is_done_and_a_guarded_table_is_told_of(on_postgres: Scene) -> None:
    scene = on_postgres
    scene.row.guarded_tables = ["orders"]
    type(scene.row).objects.filter(pk=scene.row.pk).update(guarded_tables=["orders"])
    scene.bring({"0001_drop.sql": "DELETE FROM orders WHERE id <= 50;\n"})
    plan = scene.plan()
    assert plan.confirmation is not None and plan.confirmation.number == 200
    assert plan.confirmation.sentence == "You would lose up to 200 rows of public.orders."
    assert (plan.risk, plan.risk_reasons) == ("high", ("It takes rows away.",))
    assert [step.commit_point for step in plan.steps] == [False, True]
    operation = scene.do()
    assert operation.state == State.SUCCEEDED, operation.failure_why
    assert operation.result["tables"]["public.orders"] == [200, 150]
    (alert,) = operation.result["alerts"]
    assert "public.orders has 150 rows instead of 200" in alert and "guarded" in alert
    assert AuditEvent.objects.filter(operation_id=operation.pk, type="migration.alert").count() == 1
    assert [line.sentence for line in posture.read_migrations([scene.row])[scene.row.pk]] == [alert]


def test_a_ledger_that_somebody_else_wrote_makes_it_stale(on_sqlite: Scene) -> None:
    scene = on_sqlite
    scene.bring({"0001_notes.sql": NOTES})
    operation = scene.ask()
    with sqlite3.connect(scene.shop.path) as db:
        db.execute("CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT UNIQUE, applied_at TEXT)")
        db.execute("INSERT INTO d1_migrations (name) VALUES ('0001_notes.sql')")
    assert work(scene.console, operation).state == State.STALE
    assert rows(scene, "SELECT name FROM sqlite_schema WHERE name = 'notes'") == []


def test_a_database_that_became_protected_is_not_migrated_without_a_backup(on_sqlite: Scene) -> None:
    scene = on_sqlite
    scene.bring({"0001_notes.sql": NOTES})
    operation = scene.ask()
    asking.refuse_without_backup(scene.row, "no")
    with guards_off():
        type(scene.row.environment).objects.filter(pk=scene.row.environment_id).update(protected=True)
    done = work(scene.console, operation)
    assert done.state != State.SUCCEEDED
    assert rows(scene, "SELECT name FROM sqlite_schema WHERE name = 'notes'") == []
    with pytest.raises(Refused) as refused:
        asking.refuse_without_backup(type(scene.row).objects.get(pk=scene.row.pk), "no")
    assert refused.value.code == "backup_needed"


def test_the_last_ones_are_taken_back_by_their_own_way(on_postgres: Scene) -> None:
    scene = on_postgres
    notes = NOTES.replace("INTEGER", "integer")
    scene.bring(
        {
            "1_notes.up.sql": notes, "1_notes.down.sql": "DROP TABLE notes;\n",
            "2_more.up.sql": "ALTER TABLE notes ADD COLUMN extra text;\n",
            "2_more.down.sql": "ALTER TABLE notes DROP COLUMN extra;\n",
        }
    )  # fmt: skip
    applied = scene.do(tool="sqlx")
    assert applied.state == State.SUCCEEDED, applied.failure_why
    assert kinds.get("migrate").afterwards(applied) == ()  # both were the first: there is nothing to go back to
    operation = scene.do("rollback", tool="sqlx")
    assert operation.state == State.SUCCEEDED, operation.failure_why
    assert rows(scene, "SELECT version FROM _sqlx_migrations") == [(1,)]
    assert operation.result["summary"].startswith("Migration 2_more is taken back")


def test_a_busy_table_is_waited_for_and_an_invalid_index_is_told_of(on_postgres: Scene) -> None:
    """CREATE UNIQUE INDEX CONCURRENTLY on doubled values fails, and leaves an index that is not valid."""
    scene = on_postgres
    text = "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY one_cent ON orders ((cents % 2));\n"
    scene.bring({"0001_index.sql": text})
    operation = scene.do()
    assert operation.state == State.FAILED
    assert any("public.one_cent" in alert and "invalid" in alert for alert in operation.result["alerts"])
    scene.files.clear()
    with psycopg.connect(scene.shop.url) as db:
        db.execute("DROP INDEX one_cent")
    scene.bring({"0001_extra.sql": "ALTER TABLE orders ADD COLUMN extra text;\n"})
    with psycopg.connect(scene.shop.url) as other:
        other.execute("LOCK TABLE orders IN SHARE MODE")
        operation = scene.do(lock_wait="1", lock_tries="2")
    assert operation.state == State.FAILED and "lock timeout" in operation.failure_why
    assert operation.failure_why.endswith("nothing was changed.")
    assert any("trying again" in line.text for line in operation.lines.all())


def test_a_folder_of_this_machine_is_brought_and_a_protected_database_keeps_its_backup(
    on_sqlite: Scene, tmp_path: Path
) -> None:
    scene = on_sqlite
    (tmp_path / "repository" / "migrations").mkdir(parents=True)
    (tmp_path / "repository" / "migrations" / "0001_notes.sql").write_text(NOTES)
    errand = kinds.get("migrate").bring(scene.row, {"folder": str(tmp_path / "repository")}, scene.cast.ada, None)
    plan = scene.plan(**errand.parameters, backup="no")
    assert plan.parameters["path"] == "migrations" and "folder" not in plan.parameters
    assert [step.title for step in plan.steps] == ["Apply 0001_notes.sql"]
    register("twin", scene.shop.url, environment="production")
    with pytest.raises(Refused) as refused:
        scene.plan(**errand.parameters, backup="no")
    assert refused.value.code == "backup_needed"


def test_cancelling_stops_between_two_migrations_and_says_what_stays(on_sqlite: Scene) -> None:
    scene = on_sqlite
    scene.bring({"0001_notes.sql": NOTES, "0002_fill.sql": FILL})
    operation = scene.ask()
    worker = stopped_at(scene.console, operation, "migrate.between")
    operations.cancel(operation, account=scene.cast.ada)
    for pid in runners_of(operation):
        os.kill(pid, signal.SIGCONT)
    worker.wait(60)
    operation.refresh_from_db()
    assert (operation.state, operation.failure_code) == (State.FAILED, "cancelled")
    assert "Applied 1 of 2" in operation.failure_why and states()[0] == "done"
    assert rows(scene, "SELECT count(*) FROM notes") == [(0,)]
