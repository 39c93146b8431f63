"""Downloads: with the password, with another's agreement where it is protected, once, recorded, and never damaged."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lifecycle.backups import downloads
from lifecycle.backups.archives import manifest_bytes, store
from lifecycle.models import Backup, DownloadGrant
from opsconsole import bootstrap, operations, reauth
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.models import AuditEvent, Operation
from tests.opsconsole.approvals.scenes import approve, later
from tests.opsconsole.pages.conftest import Office
from tests.support.backups import list_backup
from tests.support.cases import work
from tests.support.people import PASSWORD
from tests.support.registering import register
from tests.support.shops import SqliteShop


def fetch(client: Client, backup: Backup, password: str = PASSWORD) -> Any:
    return client.post(f"/backups/{backup.pk}/download/", {"password": password})


def asked(office: Office, backup: Backup) -> Operation:
    """Ada has asked for the download and waits for somebody."""
    office.at("ada").post(f"/backups/{backup.pk}/ask-download/", {"reason": "To look into an incident"})
    return Operation.objects.get(kind="change", requester=office.ada)


def test_the_download_is_a_tar_with_the_manifest_first(office: Office) -> None:
    backup = list_backup(office.sandbox, office.ada, content=b"x" * 1_500_000)
    answer = fetch(office.at("ada"), backup)
    body = b"".join(answer.streaming_content)
    assert answer.headers["Content-Length"] == str(len(body))
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        first, second = tar.getmembers()
        assert first.name == f"sandbox-backup-{backup.pk}/manifest.json"
        assert tar.extractfile(first).read() == manifest_bytes(backup)  # type: ignore[union-attr]
        assert tar.extractfile(second).read() == b"x" * 1_500_000  # type: ignore[union-attr]


def test_the_answer_is_an_attachment_that_no_browser_guesses_about(office: Office) -> None:
    answer = fetch(office.at("ada"), list_backup(office.sandbox, office.ada))
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="sandbox-')
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Type"] == "application/x-tar"
    assert "no-store" in answer.headers["Cache-Control"]


def test_a_download_is_recorded_before_its_first_byte(office: Office) -> None:
    backup = list_backup(office.sandbox, office.ada)
    fetch(office.at("ada"), backup)
    event = AuditEvent.objects.get(type="backup.downloaded")
    assert (event.actor_name, event.database_name) == ("Ada", "sandbox")


def test_the_password_is_asked_when_it_was_not_given_lately(office: Office) -> None:
    backup, client = list_backup(office.sandbox, office.ada), office.at("ada")
    session = client.session
    del session[reauth.PROVED_AT]
    session.save()
    assert fetch(client, backup, password="").status_code == 409
    assert fetch(client, backup, password="something else entirely").status_code == 409
    assert not DownloadGrant.objects.exists()
    assert fetch(client, backup).status_code == 200


def test_a_protected_database_needs_another_person(office: Office) -> None:
    backup = list_backup(office.savings, office.ada)
    answer = fetch(office.at("ada"), backup)
    assert answer.status_code == 409
    assert "needs another person" in answer.content.decode()
    assert "Ask for the download of backup" in office.at("ada").get(f"/backups/{backup.pk}/").content.decode()


def test_what_another_person_agreed_to_can_be_fetched_once(office: Office) -> None:
    backup = list_backup(office.savings, office.ada)
    approve(office.grace, asked(office, backup))
    client = office.at("ada")
    assert "You may download it once" in client.get(f"/backups/{backup.pk}/").content.decode()
    assert fetch(client, backup).status_code == 200
    assert fetch(client, backup).status_code == 409


def test_the_requester_cannot_agree_and_nobody_else_can_use_the_right(office: Office) -> None:
    backup = list_backup(office.savings, office.ada)
    operation = asked(office, backup)
    with pytest.raises(Refused):
        approve(office.ada, operation)
    approve(office.grace, operation)
    assert fetch(office.at("bob"), backup).status_code == 409


def test_the_right_lapses(office: Office) -> None:
    backup = list_backup(office.savings, office.ada)
    approve(office.grace, asked(office, backup))
    with later(minutes=downloads.GRANT_MINUTES + 1), pytest.raises(Refused) as refused:
        downloads.begin(backup, office.ada)
    assert refused.value.code == "needs_approval"


def test_a_right_is_redeemed_once(office: Office) -> None:
    right = downloads.grant(list_backup(office.sandbox, office.ada), office.ada)
    downloads.redeem(right)
    with pytest.raises(Refused) as refused:
        downloads.redeem(right)
    assert refused.value.code == "grant_used"


def test_an_auditor_may_not_download(office: Office) -> None:
    backup = list_backup(office.sandbox, office.ada)
    assert fetch(office.at("audrey"), backup).status_code == 403
    with pytest.raises(Refused):
        downloads.begin(backup, office.audrey)


def test_bytes_that_are_not_those_that_were_signed_end_the_stream_early(office: Office) -> None:
    backup = list_backup(office.sandbox, office.ada, content=b"rows and rows")
    path = Path(store().path(f"{backup.key}/data/rows.zst"))  # type: ignore[attr-defined]
    path.write_bytes(b"rows and r0ws")
    got = b""
    with pytest.raises(OperationFailed) as failed:
        for piece in downloads.stream_tar(backup):
            got += piece
    assert failed.value.code == "backup_damaged"
    assert len(got) < downloads.tar_size(backup)


def test_an_object_is_streamed_in_small_pieces(office: Office) -> None:
    backup = list_backup(office.sandbox, office.ada, content=b"y" * (5 << 20))
    assert max(len(piece) for piece in downloads.stream_tar(backup)) <= 1 << 20


def test_setting_the_console_up_frees_nobody_from_asking_for_protected_data(console, cast):
    row = register("shop", SqliteShop.make(console.files).url, environment="production")
    backup = work(console, operations.request("backup", row, {}, account=cast.ada)).backups.get()
    assert bootstrap.is_open()
    asked = operations.request_change("backup.download", {"backup": backup.id}, account=cast.ada, reason="it is wanted")
    assert asked.state == "pending_approval"
