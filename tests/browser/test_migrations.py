"""A migration that would empty a table nobody named: caught, tried on a copy, approved by number, run, and undone."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import FilePayload, expect

from tests.browser.desk import PATIENCE, Demo, Desk, Ignition

Sit = Callable[..., Desk]
STREAKS = """-- Habits get a streak: D1 cannot do it in place, somebody thought.
PRAGMA foreign_keys=OFF;
CREATE TABLE habits_new (
    id         TEXT PRIMARY KEY,
    member_id  TEXT NOT NULL REFERENCES members (id) ON DELETE CASCADE,
    title      TEXT NOT NULL,
    frequency  TEXT NOT NULL DEFAULT 'daily',
    is_active  INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    streak     INTEGER NOT NULL DEFAULT 0
);
INSERT INTO habits_new SELECT *, 0 FROM habits;
DROP TABLE habits;
ALTER TABLE habits_new RENAME TO habits;
PRAGMA foreign_keys=ON;
"""
BOOKS = "DROP TABLE books;\n"


class Books(Ignition):
    table = "books"


def payload(name: str, text: str) -> FilePayload:
    return {"name": name, "mimeType": "application/sql", "buffer": text.encode()}


def test_a_migration_that_empties_a_child_table_is_caught_rehearsed_approved_applied_and_undone(
    demo: Demo, sit: Sit
) -> None:
    ada, grace = sit("ada"), sit("grace")
    logs, books = Ignition(demo).count(), Books(demo).count()
    assert logs and books

    ada.page.goto("/databases/ignition/migrations/")
    files = [payload("0005_streaks.sql", STREAKS), payload("0006_no_books.sql", BOOKS)]
    ada.page.get_by_label("Or an archive, or files").set_input_files(files)
    ada.page.get_by_role("button", name="Bring these files for ignition").click()
    ada.page.get_by_role("link", name="Rehearse up to here: 0006_no_books.sql").click()
    ada.send("what would it do?")
    ada.sees_state("succeeded")
    expect(ada.page.locator("#oc-panels")).to_contain_text(re.compile(r"habit_logs.*not named in the SQL", re.DOTALL))
    assert Ignition(demo).count() == logs

    ada.page.get_by_role("button", name="Migrate ignition").click()
    wanted = ada.send("release 42")
    ada.sees_state("waits")
    expect(ada.page.get_by_role("button", name="Approve")).to_have_count(0)

    grace.page.goto(wanted)
    grace.page.locator("#oc-sql").get_by_role("link", name="0005_streaks.sql line 13").first.click()
    marked = grace.page.locator(".oc-sql-marked:target")
    expect(marked).to_contain_text("destructive")
    expect(marked).to_contain_text("DROP TABLE habits;")
    expect(marked).to_contain_text(re.compile(r"habit_logs \(.* rows, CASCADE\)"))
    expect(grace.page.locator("#oc-rehearsal-title")).to_have_text("The rehearsal of exactly this")
    assert (grace.barriers(), grace.scrolls_sideways()) == ([], False)
    grace.approves(wanted, "ignition", logs, "we keep the backup", counts="rows of habit_logs")
    ada.sees_state("succeeded")
    expect(ada.page.locator("#oc-panels")).to_contain_text("changes of the schema")
    assert Ignition(demo).count() == 0

    ada.page.goto("/databases/ignition/migrations/")
    for name in ("0005_streaks.sql", "0006_no_books.sql"):
        line = ada.page.get_by_role("row").filter(has=ada.page.get_by_role("rowheader", name=name))
        expect(line.locator(".oc-badge").first).to_have_text(re.compile("applied$"))

    ada.page.goto(wanted)
    ada.page.get_by_role("button", name=re.compile("^Restore safety backup")).click()
    undo = ada.send("the logs were still wanted")
    expect(ada.page.locator(".oc-cost")).to_contain_text("You would lose 2 d1_migrations")  # of this release
    grace.approves(undo, "ignition", 2, "all of it comes back")
    expect(grace.page.locator("#oc-approvals")).to_contain_text("Grace Okonkwo approved", timeout=PATIENCE)
    ada.sees_state("succeeded")
    assert (Ignition(demo).count(), Books(demo).count()) == (logs, books)
