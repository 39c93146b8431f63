"""Kill -9 in the middle of a migration, in every shape that tools give it: the ledger says what stands."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from lifecycle.models import MigrationRun
from opsconsole.states import State
from tests.lifecycle.migrating.conftest import Scene
from tests.lifecycle.migrating.test_migrate import FILL, NOTES, rows, states
from tests.lifecycle.test_crashes import die_at

TWO = {"0001_notes.sql": NOTES, "0002_fill.sql": FILL}
PRISMA = {
    "migration_lock.toml": 'provider = "postgresql"\n',
    "0001_notes/migration.sql": "CREATE TABLE notes (id serial PRIMARY KEY, body text);\n",
    "0002_fill/migration.sql": FILL,
}
GOLANG = {"1_notes.up.sql": "CREATE TABLE notes (id integer PRIMARY KEY, body text);\n", "2_fill.up.sql": FILL}
ON_POSTGRES = {**TWO, "0001_notes.sql": NOTES.replace("INTEGER", "serial")}


@pytest.mark.parametrize(
    ("engine", "tool", "files", "point", "applied", "known"),
    [
        # one transaction a file
        ("sqlite", "wrangler", TWO, "migrate.in_tx", 0, ["lost"]),
        pytest.param("sqlite", "wrangler", TWO, "migrate.before_commit", 0, ["lost"], marks=pytest.mark.nightly),
        ("sqlite", "wrangler", TWO, "migrate.committed", 1, ["done"]),
        ("postgresql", "plain", ON_POSTGRES, "migrate.between", 1, ["done"]),
        # phases of their own, of which the first says in the ledger that it was begun
        ("postgresql", "prisma", PRISMA, "migrate.in_tx", 0, ["lost"]),
        pytest.param("postgresql", "golang-migrate", GOLANG, "migrate.in_tx", 0, ["lost"], marks=pytest.mark.nightly),
        pytest.param("sqlite", "golang-migrate", GOLANG, "migrate.in_tx", 0, ["lost"], marks=pytest.mark.nightly),
    ],
)  # fmt: skip
def test_a_run_that_is_killed_says_how_many_stand(
    scene_on: Callable[[str], Scene], engine: str, tool: str, files: dict[str, str], point: str, applied: int,
    known: list[str],
) -> None:  # fmt: skip
    scene = scene_on(engine)
    scene.bring(files)
    if tool == "prisma":  # it refuses a database that has tables and no ledger
        scene.shop.empty()
    operation = die_at(scene.console, scene.ask(tool=tool), point, "runner")
    assert operation.state == State.FAILED
    assert operation.result.get("applied", 0) == applied
    assert ("Applied 1 of 2" in operation.failure_why) == bool(applied), operation.failure_why
    assert states() == known
    if tool in ("prisma", "golang-migrate"):
        assert "marks it as failed" in operation.failure_why
        kept = "finished_at IS NULL FROM _prisma_migrations" if tool == "prisma" else "dirty FROM schema_migrations"
        assert rows(scene, f"SELECT {kept}") == [(True,)]
    elif point == "migrate.between":  # what is left is done by asking again
        again = scene.do(tool=tool)
        assert again.state == State.SUCCEEDED, again.failure_why
        assert rows(scene, "SELECT count(*) FROM notes") == [(1,)]


def drizzle(*texts: str) -> dict[str, str]:
    entries = [{"idx": n, "version": "7", "when": 1700000000000 + n, "tag": f"{n:04}_m", "breakpoints": True}
               for n in range(len(texts))]  # fmt: skip
    import json

    journal: dict[str, Any] = {"version": "7", "dialect": "postgresql", "entries": entries}
    return {"meta/_journal.json": json.dumps(journal), **{f"{n:04}_m.sql": text for n, text in enumerate(texts)}}


def test_all_in_one_transaction_are_all_there_or_none(on_postgres: Scene) -> None:
    scene = on_postgres
    scene.bring(drizzle("CREATE TABLE notes (id serial PRIMARY KEY, body text);", FILL))
    operation = die_at(scene.console, scene.ask(tool="drizzle"), "migrate.in_tx", "runner")
    assert (operation.state, states()) == (State.FAILED, ["lost", "lost"])
    assert "Nothing was changed" in operation.failure_why
    operation = die_at(scene.console, scene.ask(tool="drizzle"), "migrate.committed", "runner")
    assert operation.state == State.SUCCEEDED, operation.failure_why
    assert states()[2:] == ["done", "done"]
    assert MigrationRun.objects.filter(state="running").count() == 0


def test_what_a_tool_runs_piece_by_piece_stays_in_part_and_is_told_so(on_sqlite: Scene) -> None:
    """Prisma on SQLite: statements commit by themselves, and its ledger keeps a row of the failure."""
    scene = on_sqlite
    with sqlite3.connect(scene.shop.path) as db:
        db.executescript("DROP TABLE orders; DROP TABLE customers;")
    scene.bring(
        {
            "migration_lock.toml": 'provider = "sqlite"\n',
            "0001_a/migration.sql": "CREATE TABLE notes (id INTEGER PRIMARY KEY);\nINSERT INTO nowhere VALUES (1);\n",
        }
    )
    operation = scene.do(tool="prisma")
    assert (operation.state, operation.failure_code) == (State.FAILED, "migration_failed")
    assert "line 2" in operation.failure_why and "Applied 0 of 1" in operation.failure_why
    assert "part of it may be in effect" in operation.failure_why
    assert rows(scene, "SELECT finished_at, logs IS NOT NULL FROM _prisma_migrations") == [(None, 1)]
    assert rows(scene, "SELECT count(*) FROM notes") == [(0,)]
