"""The history of whole runs: backup and restore, asked for, decided, run and crashed, as `audit verify` reads it."""

from __future__ import annotations

import io
import json
import sqlite3
from typing import Any

import pytest

from opsconsole import audit, bootstrap, operations
from opsconsole.audit.export import export
from opsconsole.clock import now
from opsconsole.databases import registration
from opsconsole.keys import public_keys
from opsconsole.models import AuditCheckpoint, AuditEvent, Database, Operation
from opsconsole.states import State
from opsconsole.verify_audit import verify_export
from tests.lifecycle.test_crashes import die_at
from tests.support.cases import make_shop, typed, work
from tests.support.console import Console
from tests.support.people import Cast, assemble, close_bootstrap
from tests.support.registering import register


@pytest.fixture
def cast(console: Console) -> Cast:
    audit.console_started("web")
    return assemble()


@pytest.fixture
def shop(console: Console, cast: Cast) -> Any:
    """A protected SQLite database, in a console that has been set up."""
    path = make_shop(console.files / "shop.sqlite3")
    row = register("shop", f"sqlite:///{path}", environment="production")
    close_bootstrap()
    return row


def acting(account: Any) -> Any:
    return audit.acting_as(audit.actor_for(account))


def restored(console: Console, cast: Cast, shop: Any) -> Operation:
    with acting(cast.ada):
        backup = operations.request("backup", shop, {}, account=cast.ada)
    work(console, backup)
    with acting(cast.ada):
        restore = operations.request("restore", shop, {}, account=cast.ada, reason="The orders are gone.")
    with acting(cast.grace):
        operations.approve(restore, account=cast.grace, digest=restore.digest, auth_at=now(), typed=typed(restore))
    return restore


def sentences(operation: Operation) -> list[str]:
    return [audit.describe(event) for event in AuditEvent.objects.filter(operation_id=operation.pk).order_by("id")]


def assert_sound_and_whole() -> None:
    report = audit.verify()
    assert (report.verdict, report.findings, report.unproven) == ("sound", [], [])
    payloads = [json.loads(bytes(event.payload)) for event in AuditEvent.objects.all()]
    assert {p["type"]: p["data"]["left_out"] for p in payloads if "left_out" in p["data"]} == {}


def test_a_restore_that_was_asked_for_approved_and_run_is_accounted_for(
    console: Console, cast: Cast, shop: Any
) -> None:
    restore = work(console, restored(console, cast, shop))
    assert restore.state == State.SUCCEEDED, restore.failure_why
    assert_sound_and_whole()
    told = sentences(restore)
    assert told[0] == "Ada planned the restore of shop (production)"
    assert "Grace approved the restore of shop (production)" in told
    assert told[-1] == "The restore of shop (production) succeeded"


def test_a_checkpoint_outside_covers_the_arming_before_the_first_write(console: Console, cast: Cast, shop: Any) -> None:
    restore = work(console, restored(console, cast, shop))
    armed = AuditEvent.objects.get(type="op.armed", operation_id=restore.pk)
    after = AuditEvent.objects.filter(operation_id=restore.pk, id__gt=armed.pk).earliest("id")
    covering = AuditCheckpoint.objects.filter(seq__gte=armed.seal.seq).earliest("seq")
    assert covering.at <= after.at


def test_a_restore_whose_worker_was_killed_is_accounted_for(console: Console, cast: Cast, shop: Any) -> None:
    restore = die_at(console, restored(console, cast, shop), "arm.committed", "worker")
    assert restore.state == State.FAILED
    assert_sound_and_whole()
    assert "The restore of shop (production) was found not done after its worker was lost" in sentences(restore)


def test_a_rejected_and_a_cancelled_restore_are_accounted_for(console: Console, cast: Cast, shop: Any) -> None:
    with acting(cast.ada):
        work(console, operations.request("backup", shop, {}, account=cast.ada))
        first, second = (operations.request("restore", shop, {}, account=cast.ada) for _ in range(2))
        operations.cancel(second, account=cast.ada, reason="Not needed.")
    with acting(cast.linus):
        operations.reject(first, account=cast.linus, digest=first.digest, reason="Not today.", auth_at=now())
    assert_sound_and_whole()
    assert "Linus rejected the restore of shop (production)" in sentences(first)


def test_a_change_of_the_console_is_accounted_for(console: Console, cast: Cast, shop: Any) -> None:
    with acting(cast.admin):
        change = operations.request_change(
            "membership.add", {"login": "mallory", "role": "approvers"}, account=cast.admin, reason="it is wanted"
        )
    with acting(cast.grace):
        operations.approve(change, account=cast.grace, digest=change.digest, auth_at=now())
    change.refresh_from_db()
    assert change.state == State.SUCCEEDED
    assert_sound_and_whole()


def asked(kind: str, cast: Cast, shop: Any, *voters: Any, **given: str) -> Operation:
    """A run that ada asked for and these people agreed to."""
    with acting(cast.ada):
        operation = operations.request(kind, shop, given, account=cast.ada, reason="A story.")
    for account in voters:
        assert operation.state == State.PENDING_APPROVAL
        with acting(account):
            told = {"digest": operation.digest, "auth_at": now(), "typed": typed(operation)}
            operation = operations.approve(operation, account=account, **told)
    return operation


def test_everything_that_was_replaced_put_back_and_undone_under_a_policy_for_restores_is_proven_again(
    console: Console, cast: Cast
) -> None:
    both = (cast.grace, cast.linus)
    url = f"sqlite:///{make_shop(console.files / 'shop.sqlite3')}"
    with acting(cast.admin):
        told = registration.addition("shop", environment="production", url=url)
        operations.request_change("database.add", told, account=cast.admin, reason="it is wanted")
    assert bootstrap.close_if_ready(cast.grace)
    shop = Database.objects.get(name="shop")
    policy = {"name": "two", "match": {"kinds": ["restore"]}, "clauses": [{"role": "approvers", "count": 2}]}
    with acting(cast.admin):
        change = operations.request_change("policy.set", policy, account=cast.admin, reason="it is wanted")
    with acting(cast.grace):
        operations.approve(change, account=cast.grace, digest=change.digest, auth_at=now())
    work(console, asked("backup", cast, shop))
    with sqlite3.connect(console.files / "shop.sqlite3") as line:
        line.execute("INSERT INTO orders VALUES (1001, 1, 5)")
    line.close()
    for kind, given in (("restore", {"patch": "yes"}), ("reapply", {}), ("undo", {}), ("undo", {})):
        done = work(console, asked(kind, cast, shop, *both, **given))
        assert done.state == State.SUCCEEDED, f"{kind}: {done.failure_why}"
    work(console, asked("verify", cast, shop))
    report = audit.verify(approvals=True)
    assert (report.findings, report.unproven) == ([], [])
    text = "".join(export("jsonl")).encode()
    here = verify_export(lambda: io.BytesIO(text), public_keys(console.home, "audit").values(), approvals=True)
    assert (here.findings, here.unproven) == ([], [])
