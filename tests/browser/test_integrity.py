"""A check is asked for in the browser, and its report is read on the screen, on a phone and on paper."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.desk import AXE, Desk
from tests.support.servers import missing

Sit = Callable[..., Desk]


def test_a_report_is_asked_for_and_read_without_barriers(sit: Sit) -> None:
    if not AXE.exists():
        missing("axe-core", "npm install in tests/browser")
    desk = sit("ada")
    desk.page.goto("/databases/ignition/integrity/")
    desk.page.get_by_role("link", name="Check ignition").last.click()
    desk.send("To see how it stands")
    desk.sees_state("succeeded")
    desk.page.get_by_role("link", name="read the report").click()
    expect(desk.page.get_by_role("heading", name="Report", exact=False).first).to_be_visible()
    report = desk.page.url.removeprefix(desk.demo.url)
    finding = desk.page.get_by_role("link", name="Link to it").first.get_attribute("href") or ""
    found = look_over(desk, [report, finding, f"{report}print/"])
    found += look_over(sit("ada", dark=True), [report], "color-contrast")
    found += look_over(sit("ada", width=390), [report, finding], "color-contrast")
    assert found == []


def look_over(desk: Desk, paths: list[str], *rules: str) -> list[str]:
    """What axe says of these pages, everything that can be folded open; which of them scroll sideways."""
    found = []
    for path in paths:
        desk.page.goto(path)
        desk.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        found += [f"{path} {barrier}" for barrier in desk.barriers(*rules)]
        found += [f"{path} scrolls sideways"] if desk.scrolls_sideways() else []
    return found
