"""Import and export of databases in the browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from opsconsole.models import AuditEvent, Database, Operation
from opsconsole.states import State
from tests.support import people
from tests.support.people import PASSWORD, Cast

WHERE = "/admin/opsconsole/database"


def browser(login: str) -> Client:
    client = Client()
    assert client.post("/login/", {"username": login, "password": PASSWORD}).status_code == 302
    return client


@pytest.fixture
def admin(team: Cast) -> Client:
    people.close_bootstrap()
    return browser("admin")


def upload(client: Client, text: str) -> Any:
    file = SimpleUploadedFile("databases.csv", text.encode())
    return client.post(f"{WHERE}/import/", {"format": "0", "import_file": file, "reason": "the move"})


def confirm(client: Client, preview: Any) -> Any:
    """Send the form that the preview shows."""
    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', preview.content.decode()))
    return client.post(f"{WHERE}/process_import/", fields, follow=True)


def test_an_administrator_exports_without_secrets(savings: Any, admin: Client) -> None:
    answer = admin.post(f"{WHERE}/export/", {"format": "0", "resource": "0"})
    text = answer.content.decode()
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert "savings" in text
    assert savings.url_sealed not in text
    assert AuditEvent.objects.filter(type="database.exported").count() == 1


def test_an_import_is_shown_first_and_then_asked_for(savings: Any, admin: Client) -> None:
    preview = upload(admin, "name,environment\nsavings,development\n")
    assert not Operation.objects.exists()
    answer = confirm(admin, preview)
    assert "1 changes were asked for" in answer.content.decode()
    operation = Operation.objects.get()
    assert (operation.state, operation.reason) == (State.PENDING_APPROVAL, "the move")
    assert Database.objects.get(name="savings").environment.name == "production"


def test_a_row_that_makes_no_sense_is_shown_with_the_reason(savings: Any, admin: Client) -> None:
    answer = upload(admin, "name,environment\nsavings,prod\n")
    assert "There is no environment called prod" in answer.content.decode()
    assert "process_import" not in answer.content.decode()


@pytest.mark.parametrize("login", ["ada", "grace", "audrey", "mallory"])
def test_nobody_else_may_import_or_export(savings: Any, team: Cast, login: str) -> None:
    client = browser(login)
    for path in ("import", "export"):
        assert client.get(f"{WHERE}/{path}/").status_code == 403
        assert client.post(f"{WHERE}/{path}/", {"format": "0"}).status_code == 403
    assert client.post(f"{WHERE}/process_import/", {}).status_code == 403


def test_the_buttons_stand_on_the_list_for_administrators_only(savings: Any, team: Cast) -> None:
    assert "/import/" in browser("admin").get(f"{WHERE}/").content.decode()
    assert "/import/" not in browser("ada").get(f"{WHERE}/").content.decode()
