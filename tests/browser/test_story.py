"""The team's story from start to end: a backup, damage, a restore that somebody else approves, and who reads of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Demo, Desk, Ignition, Savings

Sit = Callable[..., Desk]


@pytest.mark.parametrize(
    "kind_of_database",
    [pytest.param(Savings, id="postgresql", marks=pytest.mark.nightly), pytest.param(Ignition, id="sqlite")],
)
def test_ada_backs_up_and_restores_grace_approves_and_audrey_reads_of_it(
    demo: Demo, sit: Sit, kind_of_database: type[Savings] | type[Ignition]
) -> None:
    database = kind_of_database(demo)
    ada, grace, audrey = sit("ada"), sit("grace"), sit("audrey")
    whole = database.count()

    ada.ask_for("Back up", database.name, reason="before the clean-up")
    ada.sees_state("succeeded")
    expect(ada.page.locator("#oc-live")).to_contain_text("read through in full")

    database.lose_rows()
    left = database.count()
    assert left < whole

    wanted = ada.ask_for("Restore", database.name, reason="the clean-up took too much")
    ada.sees_state("waits")
    expect(ada.page.locator("#environment-frame")).to_contain_text(database.environment)
    assert ada.row_of(database.table)[:2] == [str(left), str(whole)]
    expect(ada.page.get_by_role("button", name="Approve")).to_have_count(0)

    grace.page.goto("/approvals/")
    grace.page.get_by_role("link", name=f"Restore of {database.name}").first.click()
    expect(grace.page).to_have_url(f"{demo.url}{wanted}")
    expect(grace.page.locator(".oc-cost")).to_have_text("No row would be lost or set back.")
    grace.page.get_by_label(f"Type {database.name} to confirm").fill(database.name)
    grace.page.get_by_label("Type the number of rows that would be lost").fill("0")
    grace.page.get_by_label("Reason").fill("the plan brings back what is missing")
    grace.page.get_by_role("button", name="Approve: replace").click()
    expect(grace.page.locator("#oc-approvals")).to_contain_text("Grace Okonkwo approved")

    ada.sees_state("succeeded")
    expect(ada.page.locator("#oc-log")).to_contain_text("safety backup")
    assert ada.page.locator("#oc-live[hx-trigger]").count() == 0  # it has stopped asking
    assert database.count() == whole

    audrey.page.goto(f"/audit/?database={database.name}&kind=restore")
    for sentence in (
        f"Ada Lindqvist asked for the restore of {database.name}",
        f"Grace Okonkwo approved the restore of {database.name}",
        f"The restore of {database.name} ({database.environment.lower()}) succeeded",
    ):
        expect(audrey.page.locator("#oc-main")).to_contain_text(sentence)


@pytest.mark.parametrize(
    "kind_of_database",
    [pytest.param(Savings, id="postgresql"), pytest.param(Ignition, id="sqlite", marks=pytest.mark.nightly)],
)
def test_a_drill_a_restore_that_costs_something_and_its_undo(
    demo: Demo, sit: Sit, kind_of_database: type[Savings] | type[Ignition]
) -> None:
    database = kind_of_database(demo)
    ada, grace = sit("ada"), sit("grace")
    whole = database.count()

    ada.ask_for("Back up", database.name, reason="before the release")
    ada.sees_state("succeeded")
    ada.page.get_by_role("link", name=re.compile("^Open backup")).click()
    ada.page.get_by_role("link", name=re.compile("^Verify backup")).click()
    ada.send("does it really restore?")
    ada.sees_state("succeeded")
    ada.page.goto(f"/databases/{database.name}/backups/")
    expect(ada.page.get_by_role("row").nth(1)).to_contain_text("restorable")

    database.write_rows(3, batch=1)
    restore = ada.ask_for("Restore", database.name, reason="the release was a mistake")
    expect(ada.page.locator(".oc-cost")).to_contain_text(f"You would lose 3 {database.noun}")
    grace.approves(restore, database.name, 4, "I did not read it")
    expect(grace.page.locator(".oc-refusal")).to_be_visible()
    assert [line[:3] for line in grace.complaints] == ["409"]
    grace.complaints.clear()
    grace.approves(restore, database.name, 3, "these three may go")
    ada.sees_state("succeeded")
    assert database.count() == whole

    database.write_rows(2, batch=2)
    ada.page.get_by_role("button", name=re.compile("^Undo until (today|tomorrow)")).click()
    expect(ada.page).to_have_url(re.compile(r"/request/undo/\?operation=\d+$"))
    undo = ada.send("the release was right after all")
    expect(ada.page.locator(".oc-cost")).to_contain_text(f"You would lose 2 {database.noun}")
    grace.approves(undo, database.name, 2, "so be it")
    ada.sees_state("succeeded")
    assert database.count() == whole + 3
    ada.page.goto(restore)
    expect(ada.page.locator("#oc-live")).to_contain_text("was undone by operation")
