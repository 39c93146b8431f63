"""Orphans that a check finds: proposed for deletion, seen row by row by whoever approves, gone, and back again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.desk import PATIENCE, Demo, Desk, Ignition

Sit = Callable[..., Desk]
PLANTED = 3


class Logs(Ignition):
    """Habit logs, some of them of habits that nobody has: its application switched foreign keys off."""

    def plant(self) -> None:
        self.run(
            "INSERT INTO habit_logs SELECT 'orphan ' || id, 'nobody''s habit', datetime('now'), notes FROM habit_logs"
            f" ORDER BY id LIMIT {PLANTED}"
        )

    def orphans(self) -> int:
        return self.ask("SELECT count(*) FROM habit_logs WHERE id LIKE 'orphan %'")

    def clear(self) -> None:
        self.run("DELETE FROM habit_logs WHERE id LIKE 'orphan %'")


@pytest.fixture
def logs(demo: Demo) -> Iterator[Logs]:
    found = Logs(demo)
    found.plant()
    yield found
    found.clear()


def test_orphans_are_found_their_deletion_is_approved_done_and_taken_back(sit: Sit, logs: Logs) -> None:
    ada, grace = sit("ada"), sit("grace")
    everything = logs.count()

    ada.page.goto("/databases/ignition/integrity/")
    ada.page.get_by_role("link", name="Quick check of ignition").click()
    ada.send("the nightly look")
    ada.sees_state("succeeded")
    ada.page.get_by_role("link", name="read the report").click()
    finding = ada.page.get_by_role("article").filter(has_text=re.compile("habit_logs.*habits"))
    expect(finding).to_contain_text("critical")
    assert (ada.barriers(), ada.scrolls_sideways()) == ([], False)

    finding.get_by_role("link", name=re.compile("^Delete")).first.click()
    wanted = ada.send("their habits went years ago")
    ada.sees_state("waits")

    grace.page.goto(wanted)
    rows = grace.page.get_by_role("region", name=re.compile("^Rows of habit_logs")).locator("tbody tr")
    expect(rows).to_have_count(PLANTED)
    expect(rows.first).to_contain_text("orphan ")
    assert (grace.barriers(), grace.scrolls_sideways()) == ([], False)
    grace.approves(wanted, "ignition", PLANTED, "nobody misses them", counts="rows that are deleted or changed")
    ada.sees_state("succeeded")
    assert (logs.orphans(), logs.count()) == (0, everything - PLANTED)

    ada.page.goto(wanted)
    ada.page.get_by_role("button", name=re.compile("fix", re.IGNORECASE)).first.click()
    undo = ada.send("one of them is missed after all")
    grace.approves(undo, "ignition", PLANTED, "as asked", counts="rows that are put back")
    expect(grace.page.locator("#oc-approvals")).to_contain_text("Grace Okonkwo approved", timeout=PATIENCE)
    ada.sees_state("succeeded")
    assert (logs.orphans(), logs.count()) == (PLANTED, everything)
