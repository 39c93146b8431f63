"""A verification holds for a sound backup and fails for a damaged one, at every level; what it finds is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lifecycle.backups.archives import manifest_of
from lifecycle.models import Backup
from lifecycle.proving.drills import measured_of
from opsconsole import operations
from opsconsole.models import AuditEvent, Operation
from opsconsole.pages.looks import title_of
from opsconsole.states import State
from tests.lifecycle.conftest import stored_files
from tests.support.cases import work
from tests.support.console import Console


def backed_up(console: Console, cast: Any, row: Any, **given: str) -> Backup:
    work(console, operations.request("backup", row, given, account=cast.ada))
    return Backup.objects.get(database=row)


def verify(console: Console, cast: Any, row: Any, level: str, **given: str) -> Operation:
    return work(console, operations.request("verify", row, {"level": level, **given}, account=cast.ada))


def test_a_sound_backup_holds_at_every_level_and_a_drill_measures_the_restore(console, cast, any_shop):
    shop, row = any_shop
    backup = backed_up(console, cast, row)
    shop.lose(3)  # what has become of the database does not matter
    for level in ("V0", "V1", "V2"):
        operation = verify(console, cast, row, level)
        assert operation.state == State.SUCCEEDED, operation.failure_why
        backup.refresh_from_db()
        check = backup.checks[-1]
        assert (check["level"], check["ok"], check["operation"]) == (level, True, operation.id)
        assert (backup.state, backup.drilled_at is not None) == ("good", level == "V2")
        assert AuditEvent.objects.filter(type="backup.verified", operation_id=operation.id).count() == 1
    assert (operation.result["where"], operation.result["restore_seconds"] >= 1) == ("same_server", True)
    assert title_of(operation) == "Verification of shop"
    where = "beside the live file" if row.engine == "sqlite" else "on the same server"
    assert operation.plan.evidence["where"].startswith(where)
    assert measured_of(backup).place == where
    assert "a drill restored it on" in operations.draft("restore", row, {}, account=cast.ada).evidence["backup"]
    assert "about" in operations.draft("restore", row, {}, account=cast.ada).evidence["a restore takes"]
    assert (shop.orders(), shop.leftovers()) == (3, [])
    assert not list((console.home / "store" / "work").glob("*"))


def object_of(console: Console, backup: Backup) -> Path:
    """The file of its largest object."""
    item = max(manifest_of(backup).contents.objects, key=lambda found: found.size)
    return console.home / "store" / backup.key / item.key


def flip(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:])


def test_damage_in_the_store_fails_every_level_and_marks_the_backup(console, cast, any_shop):
    shop, row = any_shop
    backup = backed_up(console, cast, row)
    flip(object_of(console, backup))
    for level in ("V0", "V1", "V2"):
        operation = verify(console, cast, row, level, backup=str(backup.id))
        assert (operation.state, operation.failure_code) == (State.FAILED, "backup_damaged"), operation.failure_why
        backup.refresh_from_db()
        assert (backup.state, backup.checks[-1]["level"], backup.checks[-1]["ok"]) == ("bad", level, False)
        assert AuditEvent.objects.get(type="backup.damaged", operation_id=operation.id)
    assert shop.leftovers() == []


def test_a_manifest_that_was_tampered_with_marks_the_backup_too(console, cast, sqlite_shop):
    _, row = sqlite_shop
    backup = backed_up(console, cast, row)
    manifest = next(path for path in stored_files(console) if path.name == "manifest.json")
    manifest.write_bytes(manifest.read_bytes().replace(b'"rows":200', b'"rows":201'))
    operation = verify(console, cast, row, "V2")
    assert (operation.state, operation.failure_code) == (State.FAILED, "manifest_signature")
    backup.refresh_from_db()
    assert backup.state == Backup.State.BAD


def test_a_damaged_backup_stays_damaged_when_a_later_check_holds(console, cast, sqlite_shop):
    _, row = sqlite_shop
    backup = backed_up(console, cast, row)
    path = object_of(console, backup)
    flip(path)
    verify(console, cast, row, "V0")
    flip(path)
    operation = verify(console, cast, row, "V2", backup=str(backup.id))
    assert operation.state == State.SUCCEEDED
    assert "stays marked as damaged" in operation.result["summary"]
    backup.refresh_from_db()
    assert backup.state == Backup.State.BAD


def test_what_cannot_be_verified_is_not_called_damaged(console, cast, sqlite_shop):
    _, row = sqlite_shop
    backup = backed_up(console, cast, row)
    asked = operations.request("verify", row, {"level": "V2"}, account=cast.ada)
    operation = work(console, asked, OPSCONSOLE_FAILPOINT="verify.restored:raise")
    assert (operation.state, operation.failure_code) == (State.FAILED, "failpoint")
    backup.refresh_from_db()
    assert (backup.state, len(backup.checks)) == ("good", 1)
