"""Looking things up and asking for changes in the browser: databases, backups, downloads, rules, people, the audit."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.desk import AXE, PATIENCE, Desk
from tests.support.servers import missing

Sit = Callable[..., Desk]


def backed_up(desk: Desk, database: str) -> str:
    """Take a backup and open its page; gives back its path."""
    desk.ask_for("Back up", database, reason="For the shelf")
    desk.sees_state("succeeded")
    desk.page.goto(f"/databases/{database}/backups/")
    desk.page.get_by_role("rowheader").first.get_by_role("link").click()
    desk.page.wait_for_url(re.compile(r"/backups/\d+/$"))
    return desk.page.url.removeprefix(desk.demo.url)


def test_the_connection_is_tested_without_leaving_the_page(sit: Sit) -> None:
    desk = sit("ada")
    desk.page.goto("/databases/savings/")
    desk.page.get_by_role("button", name="Test the connection").click()
    expect(desk.page.get_by_role("list", name="Result of the test")).to_be_visible(timeout=PATIENCE)


def test_the_sizes_arrive_by_themselves(sit: Sit) -> None:
    desk = sit("ada")
    desk.page.goto("/databases/savings/")
    expect(desk.page.get_by_role("rowheader", name="public.transactions")).to_be_visible(timeout=PATIENCE)


def test_rows_are_looked_at_page_by_page_and_masked(sit: Sit) -> None:
    desk = sit("ada")
    desk.page.goto("/databases/savings/data/")
    desk.page.get_by_role("link", name="public.users").click()
    expect(desk.page.get_by_text("masked", exact=False).first).to_be_visible()
    assert "@example.test" not in desk.page.locator(".oc-data").inner_text()
    first = desk.page.locator(".oc-data tbody td").first.inner_text()
    desk.page.get_by_role("link", name="Next rows of public.users").click()
    expect(desk.page.get_by_role("link", name="First rows of public.users")).to_be_visible()
    assert desk.page.locator(".oc-data tbody td").first.inner_text() != first


def test_a_backup_is_downloaded_when_somebody_else_agrees(sit: Sit, tmp_path: Path) -> None:
    ada, grace = sit("ada"), sit("grace")
    path = backed_up(ada, "savings")
    ada.page.get_by_label("What it is needed for").fill("To look into an incident")
    ada.page.get_by_role("button", name=re.compile("Ask for the download")).click()
    ada.page.wait_for_url(re.compile(r"/operations/\d+/$"))
    grace.page.goto(ada.page.url)
    grace.page.get_by_role("button", name=re.compile("^Approve")).click()
    grace.sees_state("succeeded")
    ada.page.goto(path)
    with ada.page.expect_download() as arriving:
        ada.page.get_by_role("button", name=re.compile("^Download backup")).click()
    arriving.value.save_as(tmp_path / "backup.tar")
    with tarfile.open(tmp_path / "backup.tar") as tar:
        names = tar.getnames()
    assert names[0].endswith("/manifest.json")
    assert len(names) > 5
    ada.page.goto(path)
    expect(ada.page.get_by_role("button", name=re.compile("Ask for the download"))).to_be_visible()


def test_the_page_of_a_backup_has_no_barriers(sit: Sit) -> None:
    if not AXE.exists():
        missing("axe-core", "npm install in tests/browser")
    desk = sit("ada")
    assert desk.faults_of(backed_up(desk, "ignition")) == []


def test_the_pages_of_a_report_have_no_barriers(sit: Sit) -> None:
    if not AXE.exists():
        missing("axe-core", "npm install in tests/browser")
    desk = sit("ada")
    desk.ask_for("Check", "savings", reason="To see how it stands")
    desk.sees_state("succeeded")
    desk.page.get_by_role("link", name="read the report").click()
    desk.page.wait_for_url(re.compile(r"/integrity/\d+/$"))
    report = desk.page.url.removeprefix(desk.demo.url)
    finding = desk.page.get_by_role("link", name=re.compile("^Link to it")).first.get_attribute("href") or ""
    assert [found for path in (finding, f"{report}print/") for found in desk.faults_of(path)] == []


def test_a_new_database_is_warned_about_while_it_is_typed(sit: Sit) -> None:
    desk = sit("admin")
    desk.page.goto("/new-database/")
    desk.page.get_by_label("Name", exact=True).fill("wallet-prod")
    desk.page.get_by_label("URL (optional)", exact=True).fill("postgresql://app:hunter2hunter2@127.0.0.1:1/wallet")
    desk.page.get_by_label("Environment", exact=True).select_option("development")
    expect(desk.page.get_by_text("THIS LOOKS LIKE PRODUCTION")).to_be_visible(timeout=PATIENCE)
    desk.page.get_by_label("I have read this and it is right as it stands").check()
    desk.page.get_by_label("Reason").fill("A copy for trying things out")
    desk.page.get_by_role("button", name="Ask for this database to be added").click()
    desk.page.wait_for_url(re.compile(r"/operations/\d+/$"))
    assert "hunter2" not in desk.page.content()


def test_what_a_policy_means_is_said_while_it_is_made(sit: Sit) -> None:
    desk = sit("admin")
    desk.page.goto("/policy-form/")
    desk.page.get_by_label("Name", exact=True).fill("production-restores")
    desk.page.get_by_label("Title").fill("Restores in production")
    desk.page.get_by_label("Production", exact=True).check()
    desk.page.get_by_label("Restore", exact=True).check()
    desk.page.get_by_label("Seats for approvers").fill("2")
    desk.page.get_by_label("People in all").fill("2")
    desk.page.get_by_label("Title").focus()
    expect(desk.page.locator("#means-now")).to_contain_text(
        "In production, a restore needs 2 other people of approvers", timeout=PATIENCE
    )


def test_an_event_is_found_opened_and_verified(sit: Sit) -> None:
    desk = sit("audrey")
    desk.page.goto("/audit/")
    desk.page.get_by_label("Who").fill("Audrey Meyer")
    desk.page.get_by_label("About").select_option("auth.")
    desk.page.get_by_role("button", name="Show these events").click()
    desk.page.get_by_role("link", name=re.compile("logged in")).first.click()
    expect(desk.page.get_by_role("heading", name="What proves it")).to_be_visible()
    verify = desk.page.get_by_role("button", name="Verify the history from here")
    for _ in range(60):
        if verify.is_visible():
            break
        desk.page.wait_for_timeout(500)  # the sealer comes by every second
        desk.page.reload()
    verify.click()
    expect(desk.page.get_by_role("status")).to_contain_text("Links")


def test_the_history_is_exported_as_it_is_filtered(sit: Sit, tmp_path: Path) -> None:
    desk = sit("audrey")
    desk.page.goto("/audit/?type=auth.")
    with desk.page.expect_download() as arriving:
        desk.page.get_by_role("button", name="Export as CSV").click()
    arriving.value.save_as(tmp_path / "audit.csv")
    lines = (tmp_path / "audit.csv").read_text().splitlines()
    assert len(lines) > 1
    assert all('"auth.' in line for line in lines[1:])


def test_a_token_is_shown_once(sit: Sit) -> None:
    desk = sit("ada")
    desk.page.goto("/tokens/")
    desk.page.get_by_label("Name", exact=True).fill("nightly-copy")
    desk.page.get_by_label("Your password").fill(desk.demo.password("ada"))
    desk.page.get_by_role("button", name="Make this token").click()
    text = desk.page.locator("#token-text").inner_text()
    assert text.startswith("ops_")
    desk.page.goto("/tokens/")
    assert text not in desk.page.content()
