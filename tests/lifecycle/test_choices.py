"""Which backup `latest` means."""

from __future__ import annotations

from datetime import timedelta

from lifecycle.backups.choices import choose
from lifecycle.kinds.backup import BackupKind
from lifecycle.models import Backup
from opsconsole.models import Database
from tests.support.backups import list_backup

SAFETY = Backup.Purpose.SAFETY


def test_the_latest_backup_is_the_newest_good_one_that_was_asked_for(console, cast, sqlite_shop):
    _, row = sqlite_shop
    asked_for = list_backup(row, cast.ada, age=timedelta(hours=2))
    list_backup(row, cast.ada, age=timedelta(hours=1), state=Backup.State.BAD)
    list_backup(row, cast.ada, purpose=SAFETY)  # what the last restore replaced
    assert choose(row, "latest") == asked_for


def test_without_one_that_was_asked_for_the_newest_safety_backup_is_the_latest(console, cast, sqlite_shop):
    _, row = sqlite_shop
    list_backup(row, cast.ada, purpose=SAFETY, age=timedelta(hours=1))
    newest = list_backup(row, cast.ada, purpose=SAFETY)
    assert choose(row, "latest") == newest


def test_a_form_names_only_the_formats_of_its_engine():
    shown = {engine: BackupKind().fields(Database(engine=engine), {})[0].help for engine in ("sqlite", "postgresql")}
    assert shown["sqlite"] == "native or json (portable)"
    assert "custom (an archive that pg_restore reads" in shown["postgresql"]
