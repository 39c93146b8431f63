"""The doctor and what sets a ledger right, for real: prisma's failed row on SQLite, applied by hand on PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lifecycle.doctoring import replaying
from opsconsole import kinds, operations, process
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.states import State
from tests.lifecycle.migrating.conftest import Scene
from tests.support import sqlite_files as files
from tests.support.cases import work

FIRST = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);\n"
HALF = (
    "ALTER TABLE notes ADD COLUMN extra TEXT;\nCREATE INDEX notes_body ON notes (body);\n"
    "INSERT INTO nowhere VALUES (1);\n"
)
MENDED = HALF.replace("nowhere VALUES", "notes (id) VALUES")


def failed_halfway(scene: Scene) -> Scene:
    """A second migration of Prisma that fails at its last statement, and leaves what stands before it."""
    scene.tool = "prisma"
    scene.bring({"migration_lock.toml": 'provider = "sqlite"\n', "0001_first/migration.sql": FIRST})
    # the shop has tables already: what it has is taken as a first migration that somebody made by hand
    (sql,) = ["\n".join(f"{text};" for (text,) in shop_schema(scene))]
    scene.bring({"0000_shop/migration.sql": sql})
    assert run(scene, "resolve", do="baseline", migration="0000_shop").state == State.SUCCEEDED
    assert scene.do().state == State.SUCCEEDED
    scene.bring({"0002_half/migration.sql": HALF})
    assert scene.do().failure_code == "migration_failed"
    return scene


def shop_schema(scene: Scene) -> list[tuple[str]]:
    with sqlite3.connect(scene.shop.path) as db:
        return db.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'").fetchall()


def run(scene: Scene, kind: str, **settings: str) -> Any:
    return scene.do(kind, **settings)


def doctor(scene: Scene) -> Any:
    asked = operations.request("doctor", scene.row, {"tool": scene.tool}, account=scene.cast.ada)
    done = work(scene.console, asked)
    assert done.state == State.SUCCEEDED, done.failure_why
    return done


def tables(scene: Scene) -> set[str]:
    with sqlite3.connect(scene.shop.path) as db:
        return {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE name LIKE '%notes%'")}


def test_what_failed_halfway_is_found_and_taken_back(on_sqlite: Scene) -> None:
    scene = failed_halfway(on_sqlite)
    examined = doctor(scene)
    (found,) = examined.result["diagnoses"]
    assert (found["name"], found["at"], found["of"]) == ("0002_half", 2, 3)
    assert examined.result["sentence"] == "0002_half is half applied at statement 2 of 3."
    finish, undo = kinds.get("doctor").afterwards(examined)
    assert (finish.parameters["do"], undo.parameters["do"], undo.parameters["at"]) == ("finish", "undo", "2")
    plan = scene.plan("resolve", **{name: undo.parameters[name] for name in ("do", "migration", "at")})
    assert f"operation {examined.pk}" in plan.evidence["the doctor"] and plan.confirmation is None
    assert "DROP INDEX notes_body" in kinds.get("resolve").steps(plan)[1].sql
    assert run(scene, "resolve", do="undo", migration="0002_half", at="2").state == State.SUCCEEDED
    assert tables(scene) == {"notes"}
    assert doctor(scene).result["diagnoses"] == []
    scene.bring({"0002_half/migration.sql": MENDED})
    assert scene.do().state == State.SUCCEEDED


def test_what_failed_halfway_is_finished_from_there_and_a_claim_without_proof_is_a_risk(on_sqlite: Scene) -> None:
    scene = failed_halfway(on_sqlite)
    examined = doctor(scene)
    scene.bring({"0002_half/migration.sql": MENDED})
    known = scene.plan("resolve", do="finish", migration="0002_half", at="2")
    assert f"operation {examined.pk}" in known.evidence["the doctor"]
    scene.bring({"0002_half/migration.sql": MENDED.replace("(body)", "(extra)")})
    other = scene.plan("resolve", do="finish", migration="0002_half", at="2")
    assert other.risk == "high" and "Nobody has proven" in other.risk_reasons[0]  # the first two are not those examined
    scene.bring({"0002_half/migration.sql": MENDED})
    claim = scene.plan("resolve", do="applied", migration="0002_half")
    assert claim.risk == "high" and "Nobody has proven" in claim.risk_reasons[0]
    done = run(scene, "resolve", do="finish", migration="0002_half", at="2")
    assert done.state == State.SUCCEEDED, done.failure_why
    with sqlite3.connect(scene.shop.path) as db:
        assert db.execute("SELECT count(*) FROM notes").fetchone() == (1,)
    with pytest.raises(Refused) as refused:
        scene.plan()
    assert refused.value.code == "nothing_pending"


def test_what_somebody_applied_by_hand_is_marked(on_postgres: Scene) -> None:
    """As Ignition's pipeline does, which runs files through psql and never writes sqlx's ledger."""
    scene = on_postgres
    scene.tool = "sqlx"
    with psycopg.connect(scene.shop.url, autocommit=True) as db:
        db.execute("CREATE SCHEMA kept; ALTER TABLE orders SET SCHEMA kept; ALTER TABLE customers SET SCHEMA kept")
        db.execute("DROP SCHEMA kept CASCADE")
        db.execute(FIRST)
    scene.bring({"0001_notes.sql": FIRST, "0002_more.sql": "CREATE TABLE more (id integer);\n"})
    examined = doctor(scene)
    (found,) = examined.result["diagnoses"]
    assert (found["name"], found["verdict"], found["ways"]) == ("0001_notes", "all of it is there", ["applied"])
    done = run(scene, "resolve", do="applied", migration=found["name"])
    assert done.state == State.SUCCEEDED, done.failure_why
    assert done.result["summary"].startswith("Migration 0001_notes is marked as applied on")
    applied = scene.do()
    assert applied.state == State.SUCCEEDED, applied.failure_why
    with psycopg.connect(scene.shop.url) as db:
        rows = db.execute("SELECT version, success FROM _sqlx_migrations ORDER BY version").fetchall()
    assert rows == [(1, True), (2, True)]
    assert doctor(scene).result["diagnoses"] == []


def test_tables_that_are_older_than_the_folder_are_given_as_a_baseline(on_sqlite: Scene, tmp_path: Path) -> None:
    scene = on_sqlite
    base = tmp_path / "base.sql"
    base.write_text("\n".join(f"{text};" for (text,) in shop_schema(scene)))
    scene.bring({"0001_extra.sql": "ALTER TABLE orders ADD COLUMN extra TEXT;\n"})
    assert scene.do().state == State.SUCCEEDED
    stopped = doctor(scene).result
    assert "0001_extra.sql, which the ledger has, cannot be replayed on an empty database" in stopped["sentence"]
    assert (stopped["unchecked"], stopped["diagnoses"]) == (["0001_extra.sql"], [])
    given = {"base": str(base), "tool": scene.tool}
    brought = kinds.get("doctor").bring(scene.row, given, scene.cast.ada, None).parameters
    asked = operations.request("doctor", scene.row, brought, account=scene.cast.ada)
    assert "CREATE TABLE" in asked.plan.steps[0].sql
    done = work(scene.console, asked)
    assert done.state == State.SUCCEEDED, done.failure_why
    assert "nothing is to be set right" in done.result["sentence"] and done.result["changes"] == []
    with pytest.raises(OperationFailed, match="The baseline fails in line 2"):
        replaying.replay(
            files.engine(files.plain(tmp_path / "a.db")), (), (), "", lambda: None, "SELECT 1;\nCREATE nothing;"
        )


@pytest.mark.nightly
def test_a_dump_of_definitions_is_a_baseline(on_postgres: Scene, postgres: Any) -> None:
    scene = on_postgres
    argv = [postgres.bin / "pg_dump", "--schema-only", "--no-owner", "--no-privileges", f"--dbname={scene.shop.url}"]
    base = process.run(argv).stdout.decode()
    assert "CREATE TABLE public.orders" in base
    scene.bring({"0001_extra.sql": "ALTER TABLE orders ADD COLUMN extra text;\n"})
    assert scene.do().state == State.SUCCEEDED
    given = {"tool": scene.tool, "base_sql": base}
    done = work(scene.console, operations.request("doctor", scene.row, given, account=scene.cast.ada))
    assert done.state == State.SUCCEEDED, done.failure_why
    assert "nothing is to be set right" in done.result["sentence"] and done.result["changes"] == []


def test_marking_what_would_have_its_tool_skip_others_for_ever_is_refused(on_sqlite: Scene) -> None:
    scene = on_sqlite
    scene.tool = "drizzle"
    entries = [{"idx": at, "when": 1000 + at, "tag": f"000{at}_a", "breakpoints": True} for at in range(2)]
    journal = json.dumps({"version": "7", "dialect": "sqlite", "entries": entries})
    scene.bring({"meta/_journal.json": journal, "0000_a.sql": FIRST, "0001_a.sql": "SELECT 1;"})
    with pytest.raises(Refused) as refused:
        scene.plan("resolve", do="applied", migration="0001_a")
    assert refused.value.code == "would_skip" and "do=baseline" in refused.value.next_step
    marks = scene.plan("resolve", do="baseline", migration="0001_a").parameters["units"]
    assert [unit["migrations"] for unit in marks] == [["1000"], ["1001"]]
