"""The pass: what goes to the trash and from there for good, what holds it back, and that two tickers make one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from lifecycle.backups.archives import store
from lifecycle.models import Backup, Hold, RetentionPass, RetentionStop
from lifecycle.retention import passing, trash
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.models import AuditEvent, Database
from opsconsole.states import State
from tests.lifecycle.retention.conftest import DAY, nightly, taken
from tests.opsconsole.approvals.scenes import approve
from tests.support.console import Console
from tests.support.people import Cast, close_bootstrap
from tests.support.tampering import guards_off

Later = Callable[..., None]


def states(rows: list[Backup]) -> list[str]:
    """`kept`, `trash` or `expired` of each, and whether its folder is there as it must be."""
    found = []
    for row in rows:
        row.refresh_from_db()
        word = "trash" if row.trashed_at and row.state != "expired" else "expired" if row.trashed_at else "kept"
        assert bool(store().keys(row.key)) == (word != "expired")
        found.append(word)
    return found


def events(*types: str) -> list[str]:
    return list(AuditEvent.objects.filter(type__in=types).order_by("id").values_list("type", flat=True))


def test_what_the_rule_lets_go_lies_in_the_trash_for_seven_days_and_is_then_deleted(
    later: Later, shop: Database, cast: Cast
) -> None:
    rows = nightly(shop, cast, 9)
    assert passing.tick() == 0
    assert states(rows)[:7] == ["kept"] * 7
    gone = [row for row in rows if row.trashed_at]
    assert gone
    assert all(row.trash_until == now() + 7 * DAY and "newer ones fill" in row.trash_reason for row in gone)
    assert passing.tick() == 0  # not due again, and the trash is not either
    later(days=6, hours=23)
    assert passing.tick() == 0
    later(hours=1)
    assert passing.tick() == len(gone)
    assert set(states(gone)) == {"expired"}
    assert events("backup.unlisted", "backup.expired") == ["backup.unlisted", "backup.expired"] * len(gone)
    assert not [path for path in store().folders("backups", depth=2) if path in {row.key for row in gone}]
    assert AuditEvent.objects.filter(type="backup.trashed").count() == len(gone)


def test_two_tickers_make_one_pass_and_one_deletion(
    later: Later, shop: Database, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    nightly(shop, cast, 9)
    passes, late = [], RetentionPass.objects.get()
    monkeypatch.setattr(passing, "run", lambda: passes.append(1))
    passing.tick()
    monkeypatch.setattr(passing, "standing", lambda: late)  # the other one had read the row before
    passing.tick()
    assert len(passes) == 1
    row = Backup.objects.order_by("started_at")[0]
    assert (trash.put_in(row, "by the rule"), trash.put_in(row, "by the rule")) == (True, False)


@pytest.mark.parametrize("failing", ["manifest.json", "data/rows.zst"])
def test_a_deletion_that_was_cut_short_is_finished_and_never_taken_back(
    later: Later, shop: Database, cast: Cast, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """Killed before or after the manifest is gone: nobody is offered half a backup, and the next tick ends it."""
    _, older = nightly(shop, cast, 2)
    trash.put_in(older, "by hand")
    later(days=7)
    delete = type(store()).delete

    def cut_short(self: Any, key: str) -> None:
        if key.endswith(failing):
            raise OperationFailed("disk_failed", "The disk failed.")
        delete(self, key)

    with monkeypatch.context() as patch:
        patch.setattr(type(store()), "delete", cut_short)
        assert trash.delete_due() == 0
    older.refresh_from_db()
    assert (older.state, older.delete_problem, older.deleting_at is not None) == ("good", "The disk failed.", True)
    left = [key.removeprefix(f"{older.key}/") for key in store().keys(older.key)]
    assert left == (["data/rows.zst", "manifest.json"] if failing == "manifest.json" else ["data/rows.zst"])
    with pytest.raises(Refused, match="not in the trash"):
        trash.put_back(older, "we want it")
    later(minutes=6)
    assert trash.delete_due() == 1
    assert states([older]) == ["expired"]


def test_a_ticker_that_is_killed_between_manifest_and_objects_leaves_the_rest_to_the_next(
    console: Console, shop: Database, cast: Cast
) -> None:
    _, older = nightly(shop, cast, 2)
    trash.put_in(older, "by hand")
    Backup.objects.filter(pk=older.pk).update(trash_until=now())
    done = console.run("retention", "run", env={"OPSCONSOLE_FAILPOINT": "retention.object_removed:kill9"})
    assert done.returncode == -9
    assert store().keys(older.key) == [f"{older.key}/data/rows.zst"]
    with pytest.raises(Refused):
        trash.put_back(older, "we want it")
    assert trash.delete_due() == 1
    assert states([older]) == ["expired"]
    assert events("backup.unlisted", "backup.expired") == ["backup.unlisted", "backup.expired"]


def test_nothing_goes_when_more_than_half_would_until_another_person_agrees(
    later: Later, shop: Database, cast: Cast
) -> None:
    rows = [taken(shop, cast, age=timedelta(minutes=number)) for number in range(8)]
    close_bootstrap()
    passing.tick()
    later(hours=1)
    passing.tick()
    assert set(states(rows)) == {"kept"}
    stop = RetentionStop.objects.get()
    assert (stop.going, stop.of) == (5, 8)
    assert events("retention.stopped") == ["retention.stopped"]  # told once
    asked = operations.request_change("retention.let_go", {"database": shop.pk}, account=cast.ada, reason="meant so")
    assert asked.state == State.PENDING_APPROVAL
    assert [effect.object for effect in asked.plan.effects] == [f"backup {row.pk}" for row in rows[3:]]
    fresh = taken(shop, cast)  # would push one more out, which nobody agreed to
    done = approve(cast.grace, asked)
    assert done.state == State.SUCCEEDED, done.failure_why
    assert states([fresh, *rows]) == ["kept"] * 4 + ["trash"] * 5
    assert not RetentionStop.objects.exists()


@pytest.mark.parametrize("hours", [25, -25])
def test_a_clock_that_jumped_stops_everything_until_another_person_agrees(
    later: Later, shop: Database, cast: Cast, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    rows = nightly(shop, cast, 9)
    passing.tick()
    before, seconds = states(rows), passing.clocks.this_host()
    later(hours=24 * 30 if hours > 0 else hours)
    monkeypatch.setattr(passing.clocks, "this_host", lambda: seconds)  # by which no time has passed at all
    close_bootstrap()
    assert passing.tick() == passing.tick() == 0
    assert states(rows) == before
    state = RetentionPass.objects.get()
    assert ("forward" if hours > 0 else "back") in state.paused_why
    assert events("retention.paused") == ["retention.paused"]
    asked = operations.request_change("retention.resume", {}, account=cast.admin, reason="the clock is right now")
    approve(cast.grace, asked)
    assert RetentionPass.objects.get().paused_at is None
    assert (passing.tick() > 0) == (hours > 0)


def test_a_long_silence_after_a_new_start_is_not_trusted_and_a_short_one_is() -> None:
    moved, at = passing.clocks.moved, now()
    anchors = {"this boot": [(at - 3 * DAY).isoformat(), 100.0]}
    here = passing.clocks.Hint(boot="this boot", seconds=100.0 + 3 * 86400)
    started = passing.clocks.Hint(boot="another boot", seconds=9.0)
    assert moved(at - 2 * DAY, anchors, at, here) == ""  # it slept or was busy, and counted the time
    assert "was started since" in moved(at - 2 * DAY, anchors, at, started)
    assert moved(at - DAY / 2, anchors, at, started) == ""
    assert moved(None, {}, at, started) == ""
    creeping = passing.clocks.Hint(boot="this boot", seconds=100.0 + 1.9 * 86400)
    assert "forward by 26 hours" in moved(at - DAY / 2, anchors, at, creeping)  # however small each step was


def test_the_only_good_backup_comes_back_out_of_the_trash_by_itself(later: Later, shop: Database, cast: Cast) -> None:
    newest, older = nightly(shop, cast, 2)
    trash.put_in(older, "by hand")
    with guards_off("backup_update_verdict"):
        Backup.objects.filter(pk=newest.pk).update(state=Backup.State.BAD, damaged_at=now())
    passing.tick()
    assert states([older]) == ["kept"]
    assert events("backup.put_back") == ["backup.put_back"]


def test_what_is_held_meanwhile_stays_in_the_trash_and_says_why(later: Later, shop: Database, cast: Cast) -> None:
    _, held, free = nightly(shop, cast, 3)
    for row in (held, free):
        trash.put_in(row, "by hand")
    Hold.objects.create(database=shop, backup=held, reason="case 12", set_at=now(), operation=held.operation)
    later(days=8)
    assert trash.delete_due() == 1
    assert states([held, free]) == ["trash", "expired"]
    assert held.delete_problem == "a legal hold: case 12"
