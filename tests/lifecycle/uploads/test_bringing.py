"""Files are brought as a whole or not at all, by those who may ask for a restore, and go when their time is over."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pyrage import encrypt, x25519

from lifecycle.models import Inspection, Upload
from lifecycle.uploads import bringing, inspection, listing
from lifecycle.uploads.receiving import Receiving, clean_name
from opsconsole import operations
from opsconsole.audit.reconciliation import reconcile
from opsconsole.clock import now
from opsconsole.exceptions import OperationFailed, Refused, Usage
from opsconsole.models import AuditEvent, Operation
from opsconsole.states import State
from opsconsole.verify_audit import Report
from tests.lifecycle.conftest import stored_files
from tests.support.cases import work
from tests.support.console import Console
from tests.support.people import PASSWORD, Cast

PORTABLE = b"""{"version":14,"versionName":"0014_x","exportedAt":"2026-01-05T12:00:00.000000Z","tables":{
"customers":[
{"id":1,"name":"Ada"},
{"id":2,"name":"Grace"}
],
"empty":[
]
}}
"""


def at(login: str, *, csrf: bool = False) -> Client:
    client = Client()
    assert client.post("/login/", {"username": login, "password": PASSWORD}).status_code == 302
    client.handler.enforce_csrf_checks = csrf
    return client


def files(*contents: tuple[str, bytes]) -> dict[str, Any]:
    return {"files": [SimpleUploadedFile(name, content) for name, content in contents]}


def test_a_file_is_brought_in_the_browser_inspected_by_a_worker_and_read_as_a_document(
    console: Console, cast: Cast, sqlite_shop: Any
) -> None:
    client = at("ada")
    answer = client.post("/databases/shop/upload/", files(("backup.json", PORTABLE)))
    upload = Upload.objects.get()
    assert answer.headers["Location"] == f"/uploads/{upload.pk}/"
    assert (upload.title, upload.size, upload.state) == ("backup.json", len(PORTABLE), "received")
    assert "reads it now" in client.get(f"/uploads/{upload.pk}/").content.decode()
    done = work(console, Operation.objects.get(kind="inspect"))
    assert done.state == State.SUCCEEDED, done.failure_why
    upload.refresh_from_db()
    document = inspection.document_of(upload)
    assert upload.state == "readable"
    assert [row["name"] for row in document.rows("customers")] == ["Ada", "Grace"]
    assert (list(document.rows("empty")), document.summary.version) == ([], 14)
    page = client.get(f"/uploads/{upload.pk}/").content.decode()
    assert "Request restore of shop from this" in page and "0014_x" in page
    told = AuditEvent.objects.filter(type__startswith="upload.").order_by("id").values_list("type", flat=True)
    assert list(told) == ["upload.received", "upload.inspected"]
    report = Report()
    reconcile(report)
    assert report.findings == []
    Inspection.objects.update(document_sha256="sha256:" + "0" * 64)
    with pytest.raises(OperationFailed):
        inspection.document_of(Upload.objects.get())
    reconcile(report)
    assert [finding.code for finding in report.findings] == ["inspection"]


def test_what_no_reader_understands_is_refused_with_the_reason_and_a_next_step(
    console: Console, cast: Cast, sqlite_shop: Any, tmp_path: Path
) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a backup")
    upload = bringing.from_path(sqlite_shop[1], tmp_path / "holiday.jpg", cast.ada)
    asked = operations.request("inspect", sqlite_shop[1], {"upload": str(upload.pk)}, account=cast.ada)
    done = work(console, asked)
    upload.refresh_from_db()
    assert (done.state, upload.state) == (State.SUCCEEDED, "refused")
    assert done.result["summary"].startswith(f"Upload {upload.pk} cannot be used: The content is of no format")
    page = at("audrey").get(f"/uploads/{upload.pk}/").content.decode()
    assert "It cannot be used: The content is of no format that is read here." in page and "What next:" in page
    with pytest.raises(Refused, match=r"cannot be used: The content is of no format.* Formats: "):
        inspection.document_of(upload)


def test_an_encrypted_file_waits_for_a_key_that_opens_it(console: Console, cast: Cast, sqlite_shop: Any) -> None:
    key, client = x25519.Identity.generate(), at("ada")
    client.post("/databases/shop/upload/", files(("backup.json.age", encrypt(PORTABLE, [key.to_public()]))))
    upload = Upload.objects.get()
    first = work(console, Operation.objects.get(kind="inspect"))
    assert (first.state, first.failure_code) == (State.FAILED, "identity_needed")
    page = client.get(f"/uploads/{upload.pk}/").content.decode()
    assert 'name="identity"' in page
    assert "encrypted with age" in page
    assert client.post(f"/uploads/{upload.pk}/inspect/", {"identity": "no key"}).status_code >= 400
    client.post(f"/uploads/{upload.pk}/inspect/", {"identity": str(key)})
    second = work(console, Operation.objects.filter(kind="inspect").latest("id"))
    assert second.state == State.SUCCEEDED, second.failure_why
    assert [row["name"] for row in inspection.document_of(Upload.objects.get()).rows("customers")] == ["Ada", "Grace"]
    assert str(key) not in str(second.__dict__)


def test_files_that_may_not_come_are_never_written(
    console: Console, cast: Cast, sqlite_shop: Any, settings: Any
) -> None:
    body = files(("a.json", PORTABLE))
    assert at("audrey").post("/databases/shop/upload/", body).status_code == 403
    assert at("mallory").post("/databases/shop/upload/", files(("a.json", PORTABLE))).status_code == 404
    assert Client().post("/databases/shop/upload/", files(("a.json", PORTABLE))).status_code == 302
    assert at("ada", csrf=True).post("/databases/shop/upload/", files(("a.json", PORTABLE))).status_code == 403
    settings.UPLOAD_MAX_BYTES = 10
    too_large = at("ada").post("/databases/shop/upload/", files(("a.json", PORTABLE)))
    assert too_large.status_code == 409
    assert "OPSCONSOLE_UPLOAD_MAX_BYTES" in too_large.content.decode()
    settings.UPLOAD_MAX_BYTES = 10**6
    assert at("ada").post("/databases/shop/upload/", files(("a.json", b""))).status_code == 400
    assert (Upload.objects.count(), stored_files(console)) == (0, [])


def test_an_upload_that_is_cut_off_leaves_nothing(console: Console, cast: Cast, sqlite_shop: Any) -> None:
    boundary = "cut"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.json"\r\n\r\n'
    answer = at("ada").generic(
        "POST", "/databases/shop/upload/", head.encode() + PORTABLE, f"multipart/form-data; boundary={boundary}"
    )
    assert answer.status_code == 409
    assert "ended in the middle" in answer.content.decode()
    assert (Upload.objects.count(), stored_files(console)) == (0, [])


def test_a_folder_is_brought_with_all_its_files(cast: Cast, sqlite_shop: Any, tmp_path: Path) -> None:
    for name in ("tenants.json", "_summary.json", ".hidden"):
        (tmp_path / name).write_text(json.dumps([]))
    upload = bringing.from_path(sqlite_shop[1], tmp_path, cast.ada)
    assert [each["name"] for each in upload.files] == ["_summary.json", "tenants.json"]
    with pytest.raises(Usage, match="no file"):
        bringing.from_path(sqlite_shop[1], tmp_path / "gone", cast.ada)
    with pytest.raises(Refused):
        bringing.from_path(sqlite_shop[1], tmp_path, cast.audrey)


def test_the_very_same_files_brought_again_are_one_upload_as_long_as_that_is_whole_and_kept(
    console: Console, cast: Cast, sqlite_shop: Any, tmp_path: Path
) -> None:
    path, database = tmp_path / "a.json", sqlite_shop[1]

    def known() -> Upload | None:
        return bringing.brought_already(database, path, cast.ada)

    path.write_bytes(PORTABLE)
    assert known() is None
    upload = bringing.from_path(database, path, cast.ada)
    assert known() == upload
    path.write_bytes(PORTABLE.replace(b"Ada", b"Eve"))
    assert known() is None
    path.write_bytes(PORTABLE)
    Upload.objects.update(received_by=cast.grace)  # who brought it stands in the history
    assert known() is None
    Upload.objects.update(received_by=cast.ada, expires_at=now() + timedelta(days=1))
    assert known() is None  # it would be gone before anybody has agreed
    Upload.objects.update(expires_at=upload.expires_at, state="refused")
    assert known() is None  # a newer reader may understand it
    Upload.objects.update(state="readable")
    (stored,) = stored_files(console)
    stored.unlink()
    assert known() is None


def test_its_time_over_an_upload_goes_unless_an_open_operation_reads_it(
    console: Console, cast: Cast, sqlite_shop: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_bytes(PORTABLE)
    upload = bringing.from_path(sqlite_shop[1], tmp_path / "a.json", cast.ada)
    asked = operations.request("inspect", sqlite_shop[1], {"upload": str(upload.pk)}, account=cast.ada)
    Upload.objects.update(expires_at=now() - timedelta(seconds=1))
    assert listing.drop_expired() == 0
    work(console, asked)
    assert listing.drop_expired() == 1
    upload.refresh_from_db()
    assert (upload.state, stored_files(console)) == ("expired", [])
    assert at("ada").get(f"/uploads/{upload.pk}/").status_code == 200
    with pytest.raises(Refused, match="was kept until"):
        inspection.document_of(upload)


def test_what_a_killed_process_left_is_removed_after_a_day(console: Console, sqlite_shop: Any) -> None:
    left = Receiving()
    left.folder = f"uploads/20200101T000000Z-{left.token}"
    left.begin("a.json").write(b"some")
    fresh = Receiving()
    fresh.begin("b.json").write(b"some")
    assert len(stored_files(console)) == 2
    assert listing.tidy() == 1
    assert [path.parts[-3] for path in stored_files(console)] == [fresh.folder.rpartition("/")[2]]
    fresh.discard()
    left.discard()


@pytest.mark.parametrize(
    ("given", "kept"),
    [("../../etc/passwd", "passwd"), ("C:\\backups\\a.json", "a.json"), ("\0\n", "__"), ("", "file"), ("...", "file")],
)
def test_a_name_is_cleaned(given: str, kept: str) -> None:
    assert clean_name(given) == kept
