"""Every backup that is listed has the event of its publication."""

from __future__ import annotations

import pytest

from lifecycle.models import Backup
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.models import Database, Environment, Operation, OwnerGroup
from opsconsole.plans import Plan
from tests.opsconsole.triggers.test_append_only import refused
from tests.support.console import Console
from tests.support.people import assemble
from tests.support.rows import DIGEST, SUMMARY, operation_of
from tests.support.tampering import guards_off


@pytest.fixture
def operation(console: Console) -> Operation:
    ada = assemble().ada
    database = Database.objects.create(
        name="savings",
        engine="sqlite",
        display="x",
        environment=Environment.objects.get(name="testing"),
        owner_group=OwnerGroup.objects.get(name="default"),
    )
    made = operation_of(ada, kind="backup", database=database, digest=Plan(kind="backup", summary=SUMMARY).digest)
    audit.record("op.planned", operation=made, data={"digest": made.digest})
    return made


def backup_of(operation: Operation, number: int, manifest: str = DIGEST) -> Backup:
    at = now()
    return Backup.objects.create(
        database=operation.database, operation=operation, key=f"savings/{number}", format="native", engine="sqlite",
        server_version="3", identity="x", incarnation="x", schema_fingerprint=DIGEST, manifest_sha256=manifest,
        tables=1, rows=1, stored_bytes=1, plain_bytes=1, started_at=at, finished_at=at,
    )  # fmt: skip


def publish(operation: Operation, backup: Backup) -> None:
    data = {"backup": backup.pk, "manifest": backup.manifest_sha256}
    audit.record("backup.published", operation=operation, data=data)


def test_a_published_backup_is_accounted_for(operation: Operation) -> None:
    publish(operation, backup_of(operation, 1))
    publish(operation, backup_of(operation, 2))
    assert audit.verify().findings == []


def test_a_backup_that_nobody_published_is_found(operation: Operation) -> None:
    publish(operation, backup_of(operation, 1))
    backup_of(operation, 2)
    assert [finding.code for finding in audit.verify().findings] == ["backup"]


def test_a_backup_that_points_to_another_manifest_is_found(operation: Operation) -> None:
    backup = backup_of(operation, 1)
    publish(operation, backup)
    with guards_off("backup_update_content"):
        Backup.objects.update(manifest_sha256="sha256:" + "b" * 64)
    assert [finding.code for finding in audit.verify().findings] == ["backup"]


def test_a_backup_whose_time_was_over_leaves_its_record_and_its_event(operation: Operation) -> None:
    backup = backup_of(operation, 1)
    publish(operation, backup)
    backup_of(operation, 2)
    at = {"trashed_at": now(), "trash_until": now(), "deleting_at": now()}
    type(backup).objects.filter(pk=backup.pk).update(**at)
    type(backup).objects.filter(pk=backup.pk).update(state="expired", expired_at=now())
    with refused("record"):
        backup.delete()
    assert [finding.code for finding in audit.verify().findings] == ["backup"]  # that the second one has no event
