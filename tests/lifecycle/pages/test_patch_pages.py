"""A patch in the browser and on the command line: listed where people look, downloaded by the rules of backups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lifecycle.backups import downloads
from lifecycle.backups.archives import store
from lifecycle.models import Patch
from lifecycle.patches import listing
from opsconsole.clock import now
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.models import AuditEvent, Operation
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.pages.conftest import Office
from tests.support.backups import list_backup, list_patch
from tests.support.commands import speaker
from tests.support.people import PASSWORD


def read(office: Office, path: str, login: str = "ada") -> str:
    return office.at(login).get(path).content.decode()


def test_a_patch_is_listed_on_the_tab_of_backups_with_what_can_be_done(office: Office) -> None:
    list_backup(office.sandbox, office.ada)
    assert "None is kept. Ask for a restore with <strong>Keep the lost rows in a patch" in read(
        office, "/databases/sandbox/backups/"
    )
    patch = list_patch(office.sandbox, office.ada, tables={"orders": 1200, "customers": 4})
    html = read(office, "/databases/sandbox/backups/")
    assert "1\N{NARROW NO-BREAK SPACE}204 rows of orders and 1 more table" in html
    assert f"/databases/sandbox/request/reapply/?restore={patch.pk}" in html
    assert f"/patches/{patch.pk}/#download" in html
    seen_by_audrey = read(office, "/databases/sandbox/backups/", "audrey")
    assert f"Patch {patch.pk}" in seen_by_audrey
    assert f"Download patch {patch.pk}" not in seen_by_audrey


def test_the_page_of_a_patch_offers_what_can_be_done_until_its_time_is_over(office: Office) -> None:
    patch = list_patch(office.sandbox, office.ada)
    html = read(office, f"/patches/{patch.pk}/")
    assert f"Reapply patch {patch.pk}" in html
    assert f"Download patch {patch.pk}" in html
    Patch.objects.update(expires_at=now())
    assert listing.drop_expired() == 1
    gone = read(office, f"/patches/{patch.pk}/")
    assert "has been removed" in gone
    assert f"Reapply patch {patch.pk}" not in gone
    assert f"Download patch {patch.pk}" not in gone


def test_the_password_gives_the_patch_of_an_unprotected_database_as_an_attachment(office: Office) -> None:
    patch = list_patch(office.sandbox, office.ada)
    answer = office.at("ada").post(f"/patches/{patch.pk}/download/", {"password": PASSWORD})
    body = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert answer.headers["Content-Length"] == str(len(body))
    assert answer.headers["Content-Disposition"].endswith(f'-patch-{patch.pk}.tar"')
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    event = AuditEvent.objects.get(type="patch.downloaded")
    assert (event.actor_name, event.database_name) == ("Ada", "sandbox")
    assert office.at("audrey").post(f"/patches/{patch.pk}/download/", {"password": PASSWORD}).status_code == 403
    assert office.at("mallory").get(f"/patches/{patch.pk}/").status_code == 404


def test_on_a_protected_database_another_person_agrees_and_it_is_fetched_once(office: Office) -> None:
    patch, backup = list_patch(office.savings, office.ada), list_backup(office.savings, office.ada)
    client = office.at("ada")
    assert client.post(f"/patches/{patch.pk}/download/", {"password": PASSWORD}).status_code == 409
    client.post(f"/patches/{patch.pk}/ask-download/", {"reason": "To look into an incident"})
    asked = Operation.objects.get(kind="change", requester=office.ada)
    assert "every row that the restore took away" in asked.plan.effects[0].note
    with pytest.raises(Refused):
        approve(office.ada, asked)
    approve(office.grace, asked)
    with pytest.raises(Refused):  # the right is for this patch and for nothing else
        downloads.begin(backup, office.ada)
    assert client.post(f"/patches/{patch.pk}/download/", {"password": PASSWORD}).status_code == 200
    assert client.post(f"/patches/{patch.pk}/download/", {"password": PASSWORD}).status_code == 409


def test_a_damaged_patch_ends_its_download_early(office: Office) -> None:
    patch = list_patch(office.sandbox, office.ada)
    path = Path(store().path(f"{patch.key}/data/rows.zst"))  # type: ignore[attr-defined]
    path.write_bytes(b"two l0st rows")
    got = b""
    with pytest.raises(OperationFailed) as failed:
        for piece in downloads.stream_tar(patch):
            got += piece
    assert failed.value.code == "patch_damaged"
    assert len(got) < downloads.tar_size(patch)


def test_the_command_line_lists_and_fetches_patches(office: Office, monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    say = speaker(monkeypatch)
    open_one, guarded = list_patch(office.sandbox, office.ada), list_patch(office.savings, office.ada)
    listed = say("patch", "list", "sandbox", "--json", account=office.ada).json["patches"]
    assert [(each["restore"], each["rows"], each["tables"]) for each in listed] == [(open_one.pk, 2, {"orders": 2})]
    words = ("--password-stdin", "--json", "--output", "patch.tar")
    said = say("patch", "download", str(open_one.pk), *words, account=office.ada, stdin=PASSWORD + "\n")
    assert (said.code, said.json["bytes"]) == (0, (tmp_path / "patch.tar").stat().st_size)
    waits = say("patch", "download", str(guarded.pk), "--json", "--reason", "an incident", account=office.ada)
    assert (waits.code, waits.json["patch"]) == (3, guarded.pk)
    unknown = say("patch", "download", "99999", "--json", account=office.ada)
    assert (unknown.code, unknown.json["refused"]) == (2, "unknown_patch")
