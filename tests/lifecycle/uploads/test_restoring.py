"""Data that others wrote goes into tables that are there: asked for knowingly, as a whole or not at all."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connections

from lifecycle.backups import downloads
from lifecycle.models import Patch, Upload
from lifecycle.uploads import bringing, inspection
from lifecycle.versions import declared
from opsconsole import kinds, operations
from opsconsole.audit.reconciliation import reconcile
from opsconsole.exceptions import OpsError
from opsconsole.models import Operation
from opsconsole.states import State
from opsconsole.tasks import be_seen
from opsconsole.verify_audit import Report
from tests.lifecycle.test_crashes import die_at
from tests.lifecycle.uploads.test_bringing import at
from tests.opsconsole.approvals.scenes import approve
from tests.support.cases import start_worker, work
from tests.support.commands import speaker
from tests.support.console import Console
from tests.support.documents import FIXTURES, IGNITION, SOLANA_STAMP, TASKLETS
from tests.support.fake_run import FakeRun
from tests.support.people import Cast
from tests.support.registering import register
from tests.support.waiting import wait_until

SCHEMAS = Path(__file__).resolve().parents[2] / "fixtures" / "schemas"


class Desk:
    """Ada's way from a file to a restore."""

    def __init__(self, console: Console, cast: Cast, database: Any) -> None:
        self.console, self.cast, self.database = console, cast, database

    def bring(self, path: Path) -> Upload:
        """The file as an upload, with the inspection's work done in this process."""
        upload = bringing.from_path(self.database, path, self.cast.ada)
        asked = operations.request("inspect", self.database, {"upload": str(upload.pk)}, account=self.cast.ada)
        run: Any = FakeRun(asked.pk, 1, workdir=self.console.home / f"work-{asked.pk}")
        run.workdir.mkdir()
        inspection.record(asked.pk, upload, inspection.inspect(run, upload))
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
        db.execute("CREATE TABLE _prisma_migrations (id text PRIMARY KEY, checksum text, migration_name text)")
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
    ledger = effects["public._prisma_migrations"]
    assert (ledger.action, ledger.note) == ("kept", "the record of prisma's migrations, which goes with the schema")
    assert "_prisma_migrations" not in refusal.why  # nobody has to say yes to that
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


def test_the_rows_of_a_portable_backup_are_merged_and_a_run_that_died_past_its_commit_is_known_as_done(
    console: Console, cast: Cast, sqlite_shop: Any
) -> None:
    shop, row = sqlite_shop
    desk = Desk(console, cast, row)
    taken = work(console, operations.request("backup", row, {"format": "json"}, account=cast.ada))
    assert taken.state == State.SUCCEEDED, taken.failure_why
    shop.lose(keep=10)
    assert desk.refused(accept="uncovered").code == "mode_needed"
    assert {field.name for field in kinds.get("restore").fields(row, {})} >= {"backup", "method", "mode", "accept"}
    asked = desk.ask(backup="latest", mode="merge")
    orders = next(effect for effect in asked.plan.effects if effect.object == "orders")
    assert (orders.rows_before, orders.rows_after, orders.lost) == (10, 200, 0)
    done = die_at(console, asked, "load.committed", "runner")
    assert done.state == State.SUCCEEDED, done.failure_why
    assert (shop.orders(), done.result["tables"]["orders"]["inserted"]) == (200, 190)
    assert done.result["safety_backup"]


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
    assert (plan["parameters"]["upload"], plan["parameters"]["mode"]) == ("1", "merge")  # the one that was brought
    again = say(*words, *file, "--set", "accept=columns,uncovered,absent,incomplete", "--plan", account=desk.cast.ada)
    assert (again.json["plan"]["parameters"]["upload"], Upload.objects.count()) == ("1", 1)
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
        return Operation.objects.filter(kind="inspect", state=State.QUEUED)

    serving = threading.Thread(target=serve)
    serving.start()
    yield
    serving.join()


@pytest.fixture
def ignition(console: Console, cast: Cast) -> tuple[Desk, Path]:
    """A D1-shaped file with a user of today, a market, and no declared version."""
    path = console.files / "ignition.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript((SCHEMAS / "ignition.sql").read_text())
        db.execute("INSERT INTO users (id, name, email) VALUES ('today', 'Today', 'today@example.test')")
        db.execute("INSERT INTO market_items VALUES ('m1', 'Tea')")
    db.close()
    return Desk(console, cast, register("ignition", f"sqlite:///{path}", environment="development")), path


def rows_in(path: Path, query: str) -> list[Any]:
    with sqlite3.connect(path) as db:
        found = db.execute(query).fetchall()
    db.close()
    return found


def declare(desk: Desk, version: str) -> None:
    given = {"database": desk.database.pk, "version": version, "name": "", "rules": "ignition"}
    asked = operations.request_change(declared.ACTION, given, account=desk.cast.ada, reason="as the migrations say")
    assert approve(desk.cast.grace, asked).state == State.SUCCEEDED


def test_an_ignition_backup_with_orphans_stops_or_leaves_them_in_a_file_that_can_be_fetched(
    ignition: tuple[Desk, Path],
) -> None:
    desk, path = ignition
    upload = desk.bring(IGNITION / "passion-os-backup-v14-2026-01-05.json")
    given = {"upload": str(upload.pk), "mode": "replace", "accept": "uncovered,columns,emptied"}
    stopped = work(desk.console, desk.ask(**given))
    assert (stopped.state, stopped.failure_code) == (State.FAILED, "row_refused")
    assert rows_in(path, "SELECT id FROM users") == [("today",)]
    done = desk.restore(**given, rejects="file")
    assert "rows did not fit" in done.result["summary"]
    rejected = Patch.objects.get(operation=done)
    assert rejected.tables == {"accounts": 1, "sessions": 1} == done.result["rejects"]["tables"]
    document = json.loads((IGNITION / "passion-os-backup-v14-2026-01-05.json").read_text())["tables"]
    assert rows_in(path, "SELECT id, email, emailVerified, created_at FROM users ORDER BY id") == [
        tuple(row[name] for name in ("id", "email", "emailVerified", "created_at"))
        for row in sorted(document["users"], key=lambda row: row["id"])
    ]
    assert rows_in(path, "SELECT description FROM quests") == [('r; "x"',)]
    assert rows_in(path, "SELECT * FROM market_items") == [("m1", "Tea")]
    stream = b"".join(downloads.stream_tar(rejected))
    assert b"rejected.jsonl.zst" in stream
    page = at("ada").get(rejected.get_absolute_url()).content.decode()
    assert "that did not fit" in page and f"Download patch {rejected.pk}" in page and "Reapply" not in page
    assert reapply_refused(desk).code == "unknown_patch"
    report = Report()
    reconcile(report)
    assert report.findings == []


def test_a_table_that_the_plan_does_not_empty_is_not_emptied_however_few_rows_it_has(
    ignition: tuple[Desk, Path],
) -> None:
    """`clear` was said to badges; when it runs, medals refers to users as well."""
    desk, path = ignition
    with sqlite3.connect(path) as db:
        for table in ("badges", "medals"):
            db.execute(f"CREATE TABLE {table} (user_id TEXT REFERENCES users (id) ON DELETE CASCADE)")
        db.execute("INSERT INTO badges VALUES ('today')")
    db.close()
    upload = desk.bring(IGNITION / "passion-os-backup-v14-2026-01-05.json")
    asked = desk.ask(upload=str(upload.pk), mode="replace", accept="uncovered,columns,emptied,clear", rejects="file")
    effects = {effect.object: effect.action for effect in asked.plan.effects}
    assert (effects["badges"], effects["medals"]) == ("replaced", "kept")
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO medals VALUES ('today')")
    db.close()
    stale = work(desk.console, asked)
    assert (stale.state, "medals is cleared as well" in stale.state_reason) == (State.STALE, True)
    assert rows_in(path, "SELECT * FROM medals") == [("today",)]


def reapply_refused(desk: Desk) -> OpsError:
    with pytest.raises(OpsError) as refusal:
        operations.draft("reapply", desk.database, {}, account=desk.cast.ada)
    return refusal.value


def test_an_old_backup_is_brought_to_the_declared_version_and_a_newer_one_refused(
    ignition: tuple[Desk, Path],
) -> None:
    desk, path = ignition
    old = desk.bring(IGNITION / "old-v3.json")
    given = {"mode": "merge", "accept": "uncovered,columns", "rejects": "file"}
    assert "nobody has declared which version" in desk.refused(upload=str(old.pk), mode="merge").next_step
    declare(desk, "14")
    asked = desk.ask(upload=str(old.pk), **given)
    assert "below 4: users gets approved = 0, denial_reason = NULL where absent" in asked.plan.evidence["upgrades"]
    assert asked.plan.evidence["database's version"].startswith("version 14, rules of ignition is declared")
    bound = {condition.probe: condition for condition in asked.plan.preconditions}["declared"]
    assert work(desk.console, asked).state == State.SUCCEEDED
    declare(desk, "15")
    assert kinds.get("restore").probe("declared", bound.subject, {}) != bound.value
    assert rows_in(path, "SELECT count(*), min(approved), max(age_verified), min(role) FROM users") == [
        (3, 0, 0, "user")
    ]
    new = desk.bring(IGNITION / "documented-v20.json")
    refusal = desk.refused(upload=str(new.pk), **given)
    assert (refusal.code, "version 20" in refusal.why) == ("newer_document", True)


AVDAILY = (
    'SELECT u.id::text, email, kyc_tier, m::text, balance::text FROM "user" u JOIN wallets w ON user_id = u.id'
    " ORDER BY w.id",
    [
        ("22222222-2222-4222-8222-222222222222", "tab\tand\\backslash", 2, "ok", "-5.00"),
        ("33333333-3333-4333-8333-333333333333", None, 7, None, "10.00"),
    ],
)
KIT = (
    'SELECT f."followerId", l.id, c.text, p.metadata, a.icon, u."createdAt"::text FROM "Follow" f, "Like" l,'
    ' "Comment" c, "PointTransaction" p, "Achievement" a, "User" u WHERE u."privyDid" = p."userId"',
    [
        (
            "did:privy:synthetic000000002", "l1", "hi; there", {"username": "ada", "firstProfile": True},
            "\N{DIRECT HIT}", "2025-07-05 07:30:59.279",
        ),
    ],
)  # fmt: skip


@pytest.mark.parametrize(("project", "accept", "read"), [("avdaily", "", AVDAILY), ("solana", "uncovered", KIT)])
def test_dumps_and_sets_of_files_come_back_equal(
    console: Console, cast: Cast, postgres: Any, tmp_path: Path, project: str, accept: str, read: tuple[str, list[Any]]
) -> None:
    url = postgres.url(postgres.create_database(postgres.fresh_name(project)))
    with psycopg.connect(url) as db:
        db.execute((SCHEMAS / f"{project}.sql").read_text())
    brought = tmp_path / "brought"
    brought.mkdir()
    for path in (FIXTURES / project).iterdir():
        if project != "solana" or SOLANA_STAMP in path.name:
            shutil.copy(path, brought)
    desk = Desk(console, cast, register(project, url, environment="development"))
    upload = desk.bring(brought)
    assert upload.state == "readable", upload.inspection.summary
    given = {"upload": str(upload.pk), "mode": "replace"}
    desk.restore(**given, accept=accept)
    with psycopg.connect(url) as db:
        assert db.execute(read[0]).fetchall() == read[1]
