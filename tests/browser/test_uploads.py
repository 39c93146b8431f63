"""A file from elsewhere: ada uploads it, reads what it holds, asks for a restore; grace agrees; the rows are there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from playwright.sync_api import expect

from tests.browser.desk import PATIENCE, Demo, Desk
from tests.support.documents import IGNITION

Sit = Callable[..., Desk]
BACKUP = IGNITION / "passion-os-backup-v14-2026-01-05.json"
SCHEMA = Path(__file__).resolve().parents[1] / "fixtures" / "schemas" / "ignition.sql"
REGISTER = """
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.databases.registration import addition
from opsconsole.models import Account
admin, linus = (Account.objects.get(username=name) for name in ("admin", "linus"))
asked = operations.request_change("database.add", addition("app", environment="staging", url="sqlite:///{path}"),
                                  account=admin, reason="for its owners")
if asked.state == "pending_approval":
    operations.approve(asked, account=linus, digest=asked.digest, auth_at=now())
"""


def an_app(demo: Demo) -> Path:
    """A D1-shaped file with one user of today, registered in an environment that is protected."""
    path = demo.running.home / "files" / "app.sqlite3"
    with closing(sqlite3.connect(path)) as line, line:
        line.executescript(SCHEMA.read_text())
        line.execute("INSERT INTO users (id, name, email) VALUES ('today', 'Today', 'today@example.test')")
        line.execute("INSERT INTO market_items VALUES ('m1', 'Tea')")
    demo.manage("shell", "--no-imports", "-c", REGISTER.replace("{path}", str(path)))
    return path


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as line:
        return line.execute(query).fetchall()


def test_ada_restores_an_ignition_backup_that_she_uploads(demo: Demo, sit: Sit) -> None:
    path, ada, grace = an_app(demo), sit("ada"), sit("grace")
    ada.page.goto("/uploads/")
    ada.page.get_by_role("link", name="Upload a file for app").click()
    assert ada.barriers() == []
    ada.page.get_by_label("File, or several files").set_input_files(BACKUP)
    ada.page.get_by_role("button", name="Upload for app").click()
    onward = ada.page.get_by_role("link", name="Request restore of app from this")
    expect(onward).to_be_visible(timeout=PATIENCE)
    expect(ada.page.locator("#oc-upload")).to_contain_text("It is Ignition JSON, version 14")
    upload = ada.page.url.removeprefix(demo.url)

    onward.click()
    ada.page.get_by_label("How the rows go in").select_option("replace")
    expect(ada.page.locator("#oc-preview")).to_contain_text("market_items is not in the document", timeout=PATIENCE)
    for word in ("uncovered", "columns"):
        ada.page.get_by_label(f"{word}: ").check()
    ada.page.get_by_label("Rows that do not fit").select_option("file")
    expect(ada.page.locator("#oc-preview .oc-answer")).to_be_visible(timeout=PATIENCE)
    assert ada.barriers() == []
    asked = ada.send("the users of January")
    assert ada.row_of("users")[:3] == ["1", "2", "1"]

    grace.approves(asked, "app", 1, "they asked for it")
    ada.sees_state("succeeded")
    expect(ada.page.locator("#oc-main")).to_contain_text("2 rows did not fit and are in a file of their own")
    wanted = json.loads(BACKUP.read_text())["tables"]
    columns = list(wanted["users"][0])
    assert rows(path, f"SELECT {', '.join(columns)} FROM users ORDER BY rowid") == [
        tuple(row[name] for name in columns) for row in wanted["users"]
    ]
    assert rows(path, "SELECT id, userId FROM accounts") == [("acc1", wanted["accounts"][0]["userId"])]
    assert rows(path, "SELECT * FROM market_items") == [("m1", "Tea")]
    for address in (upload, "/uploads/", "/databases/app/version/", "/databases/app/backups/"):
        ada.page.goto(address)
        assert ada.barriers() == [], address
        ada.page.set_viewport_size({"width": 390, "height": 800})
        assert not ada.scrolls_sideways(), address
        ada.page.set_viewport_size({"width": 1280, "height": 900})
