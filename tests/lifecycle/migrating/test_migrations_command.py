"""`manage.py migrations` says how a folder stands to a database, for people and for scripts, and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lifecycle.migrating import folders
from lifecycle.migrating.recognising import recognise
from lifecycle.migrating.running import execute_all
from lifecycle.migrating.status import status_of
from lifecycle.models import MigrationFolder, MigrationRun
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.databases import engine_for
from tests.support.commands import Said, Say, speaker
from tests.support.people import Cast

ONE = "CREATE TABLE notes (id integer PRIMARY KEY);\nCREATE INDEX idx_notes_id ON notes(id);"
TWO = "CREATE TABLE tags (id integer PRIMARY KEY);"


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Say:
    return speaker(monkeypatch)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    write(folder, "20240101_notes", ONE)
    write(folder, "20240102_tags", TWO)
    return folder


def write(repository: Path, name: str, text: str) -> None:
    place = repository / "db" / "migrations"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.sql").write_text(f"-- migrate:up\n{text}\n-- migrate:down\n")


def apply(database: Any, repository: Path) -> dict[str, str]:
    """As the tool would, all of it; gives back the files' digests by version."""
    engine = engine_for(database)
    subject = recognise(database, engine, folders.read_path(repository))
    seen = status_of(engine, subject).seen
    with engine.script() as script:
        execute_all(script, subject.source.apply(seen.migrations, seen.ledger, seen.place, {}))
    return {migration.key: migration.sha256 for migration in seen.migrations}


def states(said: Said) -> dict[str, tuple[str, str]]:
    return {each["key"]: (each["state"], each["drift"]) for each in said.json["migrations"]}


def test_status_tells_what_is_pending_applied_and_edited(
    say: Say, sqlite_shop: Any, repository: Path, cast: Cast
) -> None:
    database = sqlite_shop[1]
    asked = ("migrations", "status", "shop", "--folder", str(repository))
    said = say(*asked, "--json", account=cast.audrey)
    assert (said.code, said.json["tool"], said.json["counts"], said.json["well"]) == (
        1,
        "dbmate",
        {"pending": 2},
        False,
    )
    applied = apply(database, repository)
    unknown = "not known: dbmate keeps no checksum, and the console did not apply it"
    said = say(*asked, "--json")
    assert (said.code, states(said)) == (0, dict.fromkeys(applied, ("applied", unknown)))
    operation = operations.request("backup", database, {}, account=cast.ada)
    key = "20240101"
    ran = {"database": database, "operation": operation, "tool": "dbmate", "text_sha256": "0" * 64, "began_at": now()}
    MigrationRun.objects.create(
        **ran, key=key, name="20240101_notes", sha256=applied[key], state="done", finished_at=now(), seconds=0.5
    )
    assert states(say(*asked, "--json"))[key] == ("applied", f"as operation {operation.pk} applied it")
    write(repository, "20240101_notes", ONE + " -- edited")
    (repository / "db" / "migrations" / "20240102_tags.sql").unlink()
    said = say(*asked)
    assert said.code == 1
    assert "1 edited since, 1 unknown to the folder" in said.out
    assert f"another one than operation {operation.pk} applied" in said.out
    write(repository, "20240103_late", TWO)
    MigrationRun.objects.create(**ran, key="20240103", name="20240103_late", state="failed", error="table tags exists.")
    assert f"Operation {operation.pk} tried it and failed: table tags exists." in say(*asked).out
    (late,) = (each for each in say(*asked, "--json").json["migrations"] if each["key"] == "20240103")
    assert late["next"].startswith("Ask the doctor what the run left")
    history = say("migrations", "history", "shop", "--json").json["runs"]
    assert [(run["key"], run["state"], run["operation"]) for run in history] == [
        ("20240103", "failed", operation.pk), (key, "done", operation.pk),
    ]  # fmt: skip


def test_validate_fails_where_a_table_is_missing_and_warns_of_an_index(
    say: Say, sqlite_shop: Any, repository: Path
) -> None:
    asked = ("migrations", "validate", "shop", "--folder", str(repository))
    assert say(*asked, "--json").json["expected_tables"] == 0
    apply(sqlite_shop[1], repository)
    said = say(*asked)
    assert (said.code, "2 of 2 tables and 1 of 1 indexes" in said.out, said.err) == (0, True, "")
    with engine_for(sqlite_shop[1]).script() as script:
        script.run("DROP INDEX idx_notes_id")
        assert (said := say(*asked, "--json")).json["missing_indexes"] == ["idx_notes_id"]
        assert (said.code, "idx_notes_id" in said.err) == (0, True)
        script.run("DROP TABLE tags")
    said = say(*asked)
    assert (said.code, "not there: tags" in said.out) == (1, True)


def test_without_a_folder_the_one_brought_last_is_looked_at_and_else_it_is_asked_for(
    say: Say, sqlite_shop: Any, repository: Path, cast: Cast, tmp_path: Path
) -> None:
    assert say("migrations", "status", "shop").code == 2
    assert say("migrations", "status", "shop", "--folder", str(tmp_path / "gone")).code == 2
    folders.from_path(sqlite_shop[1], repository, cast.ada)
    (repository / "db" / "migrations" / "20240103_more.sql").write_text("-- migrate:up\n")
    assert say("migrations", "status", "shop", "--json").json["counts"] == {"pending": 2}
    named = say(
        "migrations", "status", "shop", "--folder", str(repository), "--tool", "dbmate", "--path", "db/migrations"
    )
    assert "3 pending" in named.out and "no block '-- migrate:down'" in named.out
    assert MigrationFolder.objects.count() == 1  # looking keeps nothing
