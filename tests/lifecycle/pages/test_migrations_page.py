"""The tab of migrations: a folder is brought in the browser and stands beside the ledger, with what to do next."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from lifecycle.models import MigrationFolder
from lifecycle.uploads import streaming
from opsconsole.databases import engine_for
from tests.support.console import Console
from tests.support.people import PASSWORD, Cast

TAB = "/databases/shop/migrations/"
BRING = f"{TAB}folder/"
NOTES = "-- migrate:up\nCREATE TABLE notes (id integer PRIMARY KEY);\n-- migrate:down\nDROP TABLE notes;\n"


def at(login: str) -> Client:
    client = Client()
    assert client.post("/login/", {"username": login, "password": PASSWORD}).status_code == 302
    return client


def form(files: dict[str, str], **more: str) -> dict[str, Any]:
    return {"files": [SimpleUploadedFile(path, text.encode()) for path, text in files.items()], **more}


def read(client: Client, path: str = TAB) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_folder_is_brought_and_its_next_step_is_a_link_that_is_filled(cast: Cast, sqlite_shop: Any) -> None:
    ada = at("ada")
    assert "Bring a folder of migrations" in read(ada)
    assert "ask an engineer" in read(at("audrey"))
    paths = ["repo/db/migrations/1_notes.sql", "repo/db/migrations/2_tags.sql"]
    tags = NOTES.replace("notes", "tags")
    answer = ada.post(BRING, form(dict(zip(paths, (NOTES, tags), strict=True)), paths=json.dumps(paths)))
    row = MigrationFolder.objects.get()
    assert (answer.headers["Location"], row.files, row.way) == (f"{TAB}?folder={row.pk}", 2, "upload")
    page = read(ada)
    assert "dbmate: 2 pending." in page
    link = f"/databases/shop/request/migrate/?brought={row.pk}&amp;path=db%2Fmigrations&amp;tool=dbmate&amp;to="
    assert f'{link}1_notes" aria-label="Apply it: 1_notes"' in page
    assert f'{link}2_tags" aria-label="Apply up to here: 2_tags"' in page
    rehearsing = link.replace("/migrate/", "/rehearse/")
    assert f'{rehearsing}1_notes" aria-label="Rehearse it: 1_notes"' in page and ">Ask the doctor<" in page
    assert "/request/" not in read(at("audrey"))
    with engine_for(sqlite_shop[1]).script() as script:
        script.run(
            "CREATE TABLE schema_migrations (version varchar PRIMARY KEY); INSERT INTO schema_migrations VALUES (1)"
        )
    page = read(ada)
    assert "dbmate: 1 applied, 1 pending." in page and "Tables of applied files are not there: notes." in page
    assert 'aria-label="Take it back: 1_notes"' in page
    with engine_for(sqlite_shop[1]).script() as script:
        script.run("INSERT INTO schema_migrations VALUES (3)")
    asked = "tool=dbmate&amp;migration=3&amp;do=rolled_back"
    assert f'{asked}" aria-label="Mark it as not applied: 3"' in read(ada)


def test_an_archive_whose_tool_is_not_clear_is_asked_about(cast: Cast, sqlite_shop: Any) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in ("sql/1_a.up.sql", "sql/1_a.down.sql"):
            member = tarfile.TarInfo(name)
            archive.addfile(member, io.BytesIO())
    ada = at("ada")
    ada.post(BRING, {"files": [SimpleUploadedFile("repo.tar.gz", packed.getvalue())]})
    number = MigrationFolder.objects.get().pk
    page = read(ada, f"{TAB}?folder={number}")
    assert f'href="?folder={number}&amp;tool=golang-migrate"' in page
    assert "golang-migrate: 1 pending." in read(ada, f"{TAB}?folder={number}&tool=golang-migrate")


def test_a_form_with_too_many_files_is_refused_in_words(cast: Cast, sqlite_shop: Any, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 3
    ada = at("ada")
    ada.handler.enforce_csrf_checks = True
    token = {"csrfmiddlewaretoken": str(ada.cookies["csrftoken"].value)}
    for csrf, code in ((token, 409), ({}, 403)):
        answer = ada.post(BRING, csrf | form({f"{number}_a.sql": "SELECT 1;" for number in range(9)}))
        assert answer.status_code == code
        assert ("More than 3 files were sent" in answer.content.decode()) == (code == 409)
    assert not MigrationFolder.objects.exists()


def test_what_cannot_be_brought_is_refused_in_words(
    console: Console, cast: Cast, sqlite_shop: Any, monkeypatch: Any, settings: Any, tmp_path: Path
) -> None:
    ada = at("ada")
    assert "Nothing was brought" in ada.post(BRING, {"path": ""}).content.decode()
    assert "is not below a folder" in ada.post(BRING, {"path": "/etc"}).content.decode()
    monkeypatch.setattr(streaming.IntoPieces, "most", 10)
    assert "Bring only the folder" in ada.post(BRING, form({"1_a.sql": NOTES})).content.decode()
    assert at("audrey").post(BRING, form({"1_a.sql": NOTES})).status_code == 403
    assert MigrationFolder.objects.count() == 0
    settings.OPSCONSOLE_ROOTS = [tmp_path]
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1_a.sql").write_text(NOTES)
    assert ada.post(BRING, {"path": str(tmp_path / "m")}).status_code == 302
    assert MigrationFolder.objects.get().way == "root"
