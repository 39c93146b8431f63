"""Data that others wrote goes into tables that are there: asked for knowingly, as a whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connections

from lifecycle.models import Upload
from lifecycle.uploads import bringing
from opsconsole import operations
from opsconsole.exceptions import OpsError
from opsconsole.models import Operation
from opsconsole.states import State
from opsconsole.tasks import be_seen
from tests.support.cases import start_worker, work
from tests.support.commands import speaker
from tests.support.console import Console
from tests.support.documents import TASKLETS
from tests.support.people import Cast
from tests.support.registering import register
from tests.support.waiting import wait_until

SCHEMAS = Path(__file__).resolve().parents[2] / "fixtures" / "schemas"


class Desk:
    """Ada's way from a file to a restore. What is inspected is inspected in this process, which is quicker."""

    def __init__(self, console: Console, cast: Cast, database: Any) -> None:
        self.console, self.cast, self.database = console, cast, database

    def bring(self, path: Path) -> Upload:
        upload = bringing.from_path(self.database, path, self.cast.ada)
        asked = operations.request("inspect", self.database, {"upload": str(upload.pk)}, account=self.cast.ada)
        done = work(self.console, asked)
        assert done.state == State.SUCCEEDED, done.failure_why
        upload.refresh_from_db()
        return upload

    def refused(self, **given: str) -> OpsError:
        with pytest.raises(OpsError) as refusal:
            self.draft(**given)
        return refusal.value

    def draft(self, **given: str) -> Any:
        return operations.draft("restore", self.database, given, account=self.cast.ada)

    def ask(self, **given: str) -> Operation:
        return operations.request("restore", self.database, given, account=self.cast.ada, confirm=self.database.name)

    def restore(self, **given: str) -> Operation:
        done = work(self.console, self.ask(**given))
        assert done.state == State.SUCCEEDED, done.failure_why
        return done


@pytest.fixture
def tasklets(console: Console, cast: Cast, postgres: Any) -> tuple[Desk, str]:
    name = postgres.create_database(postgres.fresh_name("tasklets"))
    with psycopg.connect(postgres.url(name)) as db:
        db.execute((SCHEMAS / "tasklets.sql").read_text())
        db.execute("INSERT INTO tenants (id, name) VALUES (1, 'Old'), (2, 'Gone')")
        db.execute("INSERT INTO comments (body) VALUES ('mine')")
    return Desk(console, cast, register("tasklets", postgres.url(name), environment="development")), postgres.url(name)


def test_a_tasklets_backup_replaces_what_it_holds_and_nothing_else(tasklets: tuple[Desk, str]) -> None:
    desk, url = tasklets
    upload = desk.bring(TASKLETS / "backup-2026-01-08T14-30-45-123Z.json")
    assert upload.state == "readable", upload.inspection.summary
    assert desk.refused(upload=str(upload.pk)).code == "mode_needed"
    given = {"upload": str(upload.pk), "mode": "replace"}
    refusal = desk.refused(**given)
    assert refusal.code == "not_accepted"
    assert "public.comments is not in the document and keeps its 1 row" in refusal.why
    accept = refusal.next_step.partition("accept=")[2].rstrip(".")
    plan = desk.draft(**given, accept=accept)
    effects = {effect.object: effect for effect in plan.effects}
    assert (effects["public.tenants"].rows_before, effects["public.tenants"].rows_after) == (2, 1)
    assert effects["public.comments"].action == "kept"
    assert plan.confirmation.number == 1
    done = desk.restore(**given, accept=accept)
    with psycopg.connect(url) as db:
        assert db.execute("SELECT id, name, created_at FROM tenants").fetchall() == [
            (1, "Example Ltd", datetime(2026, 1, 8, 14, 30, 45))
        ]
        assert db.execute("SELECT labels, metadata FROM epics").fetchone() == (
            ["a;b", "c,d", "{x}"], {"k": [1, {"n": None}]},
        )  # fmt: skip
        assert db.execute("SELECT body FROM comments").fetchall() == [("mine",)]
        assert db.execute("SELECT nextval('epics_id_seq')").fetchone() == (4,)
    assert done.result["tables"]["public.tenants"]["after"] == 1


def test_the_command_line_brings_a_file_has_it_inspected_and_plans(
    tasklets: tuple[Desk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, _ = tasklets
    say, words = speaker(monkeypatch), ["operate", "restore", "tasklets", "--json", "--set", "mode=merge"]
    file = ["--set", f"file={TASKLETS / 'backup-2025-12-20T00-00-00-000Z'}"]
    idle = say(*words, *file, account=desk.cast.ada)
    assert (idle.code, idle.json["refused"]) == (4, "no_worker")
    be_seen()
    with one_inspection(desk.console):
        planned = say(
            *words, *file, "--set", "accept=columns,uncovered,absent,incomplete", "--plan", account=desk.cast.ada
        )
    assert planned.code == 0, planned.out + planned.err
    plan = planned.json["plan"]
    assert (plan["parameters"]["upload"], plan["parameters"]["mode"]) == ("2", "merge")
    assert {effect["object"] for effect in plan["effects"]} >= {"public.tenants", "public.clients"}
    unknown = say(*words, "--set", "upload=99", account=desk.cast.ada)
    assert unknown.json["refused"] == "unknown_upload"
    assert say("operate", "backup", "tasklets", "--set", "file=/etc/passwd", account=desk.cast.ada).code == 2


@contextmanager
def one_inspection(console: Console) -> Iterator[None]:
    """A worker that carries out the next inspection which is queued."""

    def serve() -> None:
        wait_until(lambda: queued().exists(), "an inspection is queued")
        worker = start_worker(console, queued().get())
        worker.wait(60)
        connections.close_all()

    def queued() -> Any:
        return Operation.objects.filter(kind="inspect", state=State.QUEUED, pk__gt=before)

    before = Operation.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    serving = threading.Thread(target=serve)
    serving.start()
    yield
    serving.join()
