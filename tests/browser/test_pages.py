"""Every page in light, in dark and on a phone: no barrier, nothing to scroll sideways, no complaint of the browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.desk import AXE, Desk
from tests.support.servers import missing

Sit = Callable[..., Desk]
PAGES = {
    "ada": [
        "/", "/operations/", "/approvals/", "/databases/", "/databases/savings/", "/databases/savings/backups/",
        "/databases/savings/data/", "/databases/savings/history/", "/databases/savings/migrations/",
        "/databases/savings/request/backup/", "/databases/savings/integrity/",
        "/databases/ignition/request/restore/",
        "/databases/savings/request/undo/", "/databases/savings/data/?table=public.users", "/tokens/", "/password/",
        "/people/1/", "/policies/", "/policies/default/", "/environments/", "/system/", "/nowhere/",
        "/retention/?database=savings", "/retention/simulator/",
    ],
    "grace": ["/", "/approvals/?show=all", "/policies/", "/people/"],
    "admin": [
        "/new-database/", "/databases/savings/edit/", "/people/", "/people/1/", "/new-person/", "/new-service/",
        "/policy-form/", "/policy-form/?policy=default", "/environments/", "/new-environment/", "/system/",
        "/environments/production/edit/", "/encryption/", "/encryption/production/add/", "/admin/",
        "/admin/opsconsole/database/", "/admin/opsconsole/operation/",
    ],
    "audrey": ["/audit/", "/audit/1/", "/audit/?person=nobody", "/databases/savings/history/"],
}  # fmt: skip


@pytest.mark.parametrize("login", PAGES)
def test_pages_have_no_barriers_and_fit_the_screen(sit: Sit, login: str) -> None:
    if not AXE.exists():
        missing("axe-core", "npm install in tests/browser")
    desk = sit(login)
    assert [found for path in PAGES[login] for found in desk.faults_of(path)] == []


def test_the_colours_are_switched_and_kept(sit: Sit) -> None:
    desk = sit("ada")
    desk.page.get_by_role("button", name="Your account").click()
    desk.page.get_by_role("button", name="Dark").click()
    expect(desk.page.locator("html")).to_have_class("dark")
    desk.page.goto("/operations/")
    expect(desk.page.locator("html")).to_have_class("dark")


def test_the_first_tab_stop_leads_to_the_content(sit: Sit) -> None:
    desk = sit("ada")
    desk.page.goto("/")
    for _ in range(40):
        desk.page.keyboard.press("Tab")
        if desk.page.evaluate("document.activeElement.getAttribute('href')") == "#oc-main":
            break
    desk.page.keyboard.press("Enter")
    assert desk.page.evaluate("document.activeElement.id") == "oc-main"


def test_a_request_is_made_with_the_keyboard_alone(sit: Sit) -> None:
    desk = sit("ada")
    desk.page.goto("/databases/ignition/request/backup/")
    expect(desk.page.locator("#oc-preview .oc-answer")).to_be_visible()
    desk.page.get_by_label("Why").focus()
    desk.page.keyboard.type("by keyboard")
    desk.page.keyboard.press("Enter")
    desk.sees_state("succeeded")


def test_after_signing_out_the_back_button_shows_nothing(sit: Sit) -> None:
    desk = sit("ada")
    desk.page.goto("/operations/")
    desk.page.get_by_role("button", name="Your account").click()
    desk.page.get_by_role("button", name="Log out").click()
    desk.page.wait_for_url("**/login/**")
    desk.page.go_back()
    expect(desk.page.get_by_role("heading", name="Sign in")).to_be_visible()
