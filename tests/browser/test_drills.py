"""A drill from start to end: press Verify, choose the level, watch it, see the shield turn; then a damaged backup."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.desk import PATIENCE, Demo, Desk

Sit = Callable[..., Desk]


def verify(desk: Desk, path: str, level: str) -> None:
    """Press Verify on the backup's page, choose the level, wait for the plan, ask for it."""
    desk.page.goto(path)
    desk.page.get_by_role("link", name=re.compile("Verify backup")).click()
    desk.page.get_by_label("Level").select_option(level)
    expect(desk.page.locator("#oc-preview .oc-answer")).to_be_visible(timeout=PATIENCE)
    desk.page.locator("#oc-request button[type=submit]").click()
    desk.page.wait_for_url(re.compile(r"/operations/\d+/$"))


def shields(page: Page) -> str:
    return page.locator("section[aria-labelledby=proven]").inner_text()


def test_ada_drills_a_backup_and_its_shield_says_when_and_how_long(demo: Demo, sit: Sit) -> None:
    ada, grace = sit("ada"), sit("grace")
    ada.ask_for("Back up", "savings", reason="to be drilled")
    ada.sees_state("succeeded")
    ada.page.goto("/databases/savings/backups/")
    ada.page.get_by_role("link", name=re.compile("^Backup ")).first.click()
    path = ada.page.url.removeprefix(demo.url)
    assert "never restored" in shields(ada.page)

    ada.page.goto("/databases/savings/drills/")
    ada.page.get_by_label("What must hold").fill("there are transactions")
    ada.page.get_by_label("One SELECT").fill("SELECT count(*) > 0 FROM transactions")
    ada.page.get_by_label("Why").fill("an empty ledger is no backup")
    ada.page.get_by_role("button", name="Ask for it").click()
    grace.page.goto(ada.page.url)
    grace.page.get_by_label("Reason").fill("it must")
    grace.page.get_by_role("button", name=re.compile("^(Approve|Confirm)")).first.click()
    ada.sees_state("succeeded")

    verify(ada, path, "V2")
    ada.sees_state("succeeded")
    expect(ada.page.locator("#oc-log")).to_contain_text("Comparing every row of it")
    ada.page.goto(path)
    assert re.search(r"restorable \d{4}-\d\d-\d\d", shields(ada.page))
    assert re.search(r"it restores in about \d+ s", shields(ada.page))
    for address in (path, "/databases/savings/drills/", "/databases/savings/backups/"):
        ada.page.goto(address)
        assert ada.barriers() == []
        ada.page.set_viewport_size({"width": 390, "height": 800})
        assert not ada.scrolls_sideways(), address
        ada.page.set_viewport_size({"width": 1280, "height": 900})
    ada.page.goto("/")
    expect(ada.page.locator("#oc-main")).to_contain_text("A drill restored a backup of it in about")


def test_ada_is_told_of_a_damaged_backup_and_is_not_offered_to_restore_it(demo: Demo, sit: Sit) -> None:
    ada = sit("ada")
    ada.ask_for("Back up", "ignition", reason="to be damaged")
    ada.sees_state("succeeded")
    newest = max((demo.running.home / "store").rglob("database.sqlite.zst"), key=lambda file: file.stat().st_mtime)
    newest.write_bytes(newest.read_bytes()[:-7])
    ada.page.goto("/databases/ignition/backups/")
    ada.page.get_by_role("link", name=re.compile("^Backup ")).first.click()
    path = ada.page.url.removeprefix(demo.url)
    verify(ada, path, "V0")
    ada.sees_state("failed")
    ada.page.goto(path)
    assert "it has another size than the manifest says" in shields(ada.page)
    expect(ada.page.get_by_role("link", name=re.compile("^Restore ignition"))).to_have_count(0)
    assert ada.barriers() == []
    ada.page.goto("/")
    expect(ada.page.locator("#oc-main")).to_contain_text("Its newest backup is damaged.")
