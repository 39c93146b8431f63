"""Old backups move to a colder store: copied, compared there, and only then gone from where they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lifecycle.backups import archives
from lifecycle.models import Backup, Hold
from lifecycle.retention import moving
from lifecycle.retention.facts import outlook
from lifecycle.retention.rule import Rule, sentence
from lifecycle.stores import copies
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.exceptions import Usage
from opsconsole.models import AuditEvent, Operation, Store
from opsconsole.states import State
from tests.lifecycle.retention.conftest import DAY, taken
from tests.support.cases import work

RULE = Rule(last=9, move_days=30, move_to="cold")


@pytest.fixture
def cold(console: Any, cast: Any, tmp_path: Path) -> Path:
    """The folder of a store that nothing goes to yet."""
    folder = tmp_path / "cold"
    folder.mkdir()
    Store.objects.create(name="cold", kind="folder", path=str(folder))
    return folder


def lies_in(backup: Backup) -> dict[str, str]:
    return {copy.store: copy.state for copy in backup.copies.order_by("store")}


def ran(console: Any, kind: str) -> Operation:
    done: Operation = work(console, Operation.objects.filter(kind=kind).latest("id"))
    return done


def step(row: Any) -> int:
    return moving.move_old(row, outlook(row, rule=RULE))


def test_an_old_backup_is_copied_compared_and_then_lies_in_the_colder_store_only(
    console: Any, cast: Any, sqlite_shop: Any, cold: Path
) -> None:
    _, row = sqlite_shop
    fresh, old, held = (taken(row, cast, age=days * DAY) for days in (1, 40, 41))
    Hold.objects.create(database=row, backup=held, reason="case 12", set_at=now(), operation=held.operation)
    assert (step(row), lies_in(old)) == (1, {"cold": "missing", "local": "good"})
    assert (step(row), copies.ask_for_missing()) == (0, 1)
    assert ran(console, "copy").state == State.SUCCEEDED
    assert (step(row), lies_in(old)) == (1, {"cold": "good", "local": "good"})  # asks for the bytes to be compared
    assert step(row) == 0  # somebody is about to
    done = ran(console, "verify")
    assert (done.state, done.plan.parameters["store"]) == (State.SUCCEEDED, "cold")
    assert (step(row), lies_in(old)) == (1, {"cold": "good"})
    assert not list((console.home / "store").glob(f"{old.key}/*"))
    assert archives.find(old).store == "cold"
    assert AuditEvent.objects.filter(type="backup.copy_removed").count() == 1
    assert (step(row), lies_in(fresh), lies_in(held)) == (0, {"local": "good"}, {"local": "good"})


@pytest.mark.nightly
def test_a_copy_that_is_not_what_it_should_be_lets_nothing_go(
    console: Any, cast: Any, sqlite_shop: Any, cold: Path
) -> None:
    _, row = sqlite_shop
    taken(row, cast)
    old = taken(row, cast, age=40 * DAY)
    step(row)
    copies.ask_for_missing()
    ran(console, "copy")
    (stored,) = cold.glob("backups/*/*/data/rows.zst")
    stored.write_bytes(b"other bytes!!")
    step(row)
    assert ran(console, "verify").state == State.FAILED
    assert (step(row), lies_in(old)) == (0, {"cold": "bad", "local": "good"})


def test_a_rule_names_days_and_a_store_that_there_is(cast: Any, cold: Path) -> None:
    given = {"scope": "default", "move_days": "90", "move_to": "cold"}
    asked = operations.request_change("retention.set", given, account=cast.admin, reason="the disk is small")
    assert sentence(RULE) == "keep the last 9 backups; move those older than 30 days to the store cold"
    assert "12 months (UTC); move those older than 90 days to the store cold" in asked.plan.summary
    for wrong in ({"move_days": "90"}, {"move_to": "cold"}, {"move_days": "90", "move_to": "nowhere"}):
        with pytest.raises(Usage):
            operations.request_change("retention.set", {**given, "move_days": "0", "move_to": ""} | wrong,
                                      account=cast.admin, reason="it is wanted")  # fmt: skip
