"""Copies of backups that lie, or will lie, beside something else: nothing of either is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lifecycle.backups import archives, sweeping
from lifecycle.models import Backup, BackupCopy
from lifecycle.retention import trash
from lifecycle.stores import copies
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.exceptions import Refused
from opsconsole.models import Operation
from opsconsole.states import State
from opsconsole.transitions import move
from tests.support.backups import list_backup
from tests.support.commands import Say
from tests.support.registering import register
from tests.support.shops import SqliteShop


@pytest.fixture
def backup(console: Any, cast: Any, say: Say, tmp_path: Path) -> Backup:
    """One in the console's own store, whose operation has ended; there is a second store, the attic."""
    (tmp_path / "attic").mkdir()
    added = say("store", "add", "attic", "--kind", "folder", "--path", str(tmp_path / "attic"), account=cast.admin)
    assert added.code == 0, added.err
    row = register("shop", SqliteShop.make(console.files).url, environment="development")
    found = list_backup(row, cast.ada)
    move(found.operation, State.CANCELLED)
    return found  # type: ignore[no-any-return]


def test_a_wanted_copy_is_made_although_nobody_in_particular_can_ask_for_it(backup: Backup, cast: Any) -> None:
    """So it is with the backups of a schedule, too."""
    left = operations.request_change("account.deactivate", {"login": "ada"}, account=cast.admin, reason="it is wanted")
    assert left.state == State.SUCCEEDED
    BackupCopy.objects.create(backup=backup, store="attic", state="missing")
    assert copies.ask_for_missing() == 1
    asked = Operation.objects.get(kind="copy")
    assert (asked.requester, asked.state) == (None, State.QUEUED)


def test_of_two_tickers_one_asks_for_a_copy(backup: Backup) -> None:
    BackupCopy.objects.create(backup=backup, store="attic", state="missing")
    first, second = BackupCopy.objects.get(store="attic"), BackupCopy.objects.get(store="attic")
    assert (copies.claim(first), copies.claim(second)) == (True, False)


def test_a_copy_on_its_way_is_no_rest_of_a_backup_that_was_never_finished(
    backup: Backup, cast: Any, tmp_path: Path
) -> None:
    asked = operations.request("copy", backup.database, {"store": "attic"}, account=cast.ada)
    part = tmp_path / "attic" / backup.key / "data" / "rows.zst"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"as far as it has come")
    sweeping.tidy_others()
    assert part.exists()
    operations.cancel(asked, account=cast.ada)
    sweeping.tidy_others()
    assert not part.exists()


def test_a_copy_takes_the_place_of_no_other_backup(backup: Backup, cast: Any) -> None:
    """Another console's backup has the name of one of ours: its operation and fence were the same."""
    facts = {field.attname: getattr(backup, field.attname) for field in Backup._meta.concrete_fields}
    theirs = Backup.objects.create(**facts | {"id": None, "console": "another", "manifest_sha256": "sha256:theirs"})
    BackupCopy.objects.create(backup=theirs, store="attic", state="good", made_at=now())
    given = {"backup": str(theirs.pk), "store": "local"}
    with pytest.raises(Refused) as refusal:
        operations.request("copy", backup.database, given, account=cast.ada)
    assert refusal.value.code == "folder_taken"
    BackupCopy.objects.create(backup=theirs, store="local", state="missing")
    trash._remove_objects(theirs, 100)
    assert archives.manifest_of(backup).backup == backup.key
