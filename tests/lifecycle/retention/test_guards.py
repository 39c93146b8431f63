"""What the console's own database refuses about backups, holds and rules, whoever asks."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from lifecycle.models import Backup, Hold, RetentionPass, RetentionRule
from lifecycle.retention.deciding import last_good_of
from lifecycle.retention.facts import candidates_of
from opsconsole.clock import now
from opsconsole.models import Database, Operation
from opsconsole.plans import Plan
from opsconsole.states import State
from tests.lifecycle.retention.conftest import DAY, nightly, taken
from tests.opsconsole.triggers.test_append_only import refused
from tests.support.people import Cast, close_bootstrap
from tests.support.rows import bring, operation_of
from tests.support.tampering import guards_off

both = pytest.mark.parametrize("console_backend", ["sqlite", "postgresql"])


def move(backup: Backup, **values: Any) -> int:
    return Backup.objects.filter(pk=backup.pk).update(**values)


def trash(backup: Backup) -> int:
    return move(backup, trashed_at=now(), trash_until=now() + 7 * DAY)


def verify(backup: Backup, cast: Cast) -> Operation:
    """A verification of that backup runs."""
    plan = Plan(kind="verify", summary="It is known.", parameters={"backup": str(backup.pk)})
    sealed = {"plan_text": plan.to_bytes().decode(), "digest": plan.digest}
    asked = operation_of(cast.ada, kind="verify", database=backup.database, **sealed)
    return bring(asked, State.QUEUED, State.RUNNING)


@both
def test_a_backup_is_not_made_to_look_like_another_and_then_deleted(shop: Database, cast: Cast) -> None:
    """Each of these was the first of two steps past the guard of the last good one."""
    newest, older = nightly(shop, cast, 2)
    other = verify(older, cast)
    close_bootstrap()
    for values in (
        {"part": "only users"}, {"format": "json"}, {"purpose": "safety"}, {"started_at": now() - 9 * DAY},
        {"database_id": newest.database_id + 1}, {"operation_id": other.pk}, {"rows": 0},
    ):  # fmt: skip
        with refused("sealed"):
            move(newest, **values)
    with refused("sealed"):
        move(older, started_at=now() + DAY)  # nor another one to look newer
    for values in ({"state": "bad"}, {"drilled_at": now()}, {"damaged_at": now()}):
        with refused("not_verified"):
            move(newest, **values)  # a verification runs, but not of this one
    assert move(older, state="bad", damaged_at=now()) == 1
    with refused("not_confirmed"):
        move(older, state="good")
    running_change(cast)
    assert move(older, state="good") == 1


def running_change(cast: Cast) -> Operation:
    return bring(operation_of(cast.ada, kind="change"), State.QUEUED, State.RUNNING)


@both
def test_nobody_moves_the_last_good_backup_away(shop: Database, cast: Cast) -> None:
    newest, drilled, third, oldest = nightly(shop, cast, 4)
    verify(drilled, cast)
    move(drilled, drilled_at=now())
    safety = taken(shop, cast, purpose=Backup.Purpose.SAFETY)
    for row in (newest, drilled):
        with refused("last_good"):
            trash(row)
        with refused("last_good"):
            move(row, deleting_at=now())
    assert last_good_of(candidates_of(shop)) == {newest.pk, drilled.pk}  # the same answer in words
    assert (trash(third), trash(oldest), trash(safety)) == (1, 1, 1)
    verify(newest, cast)
    move(newest, state=Backup.State.BAD)  # it turns out to be damaged: the next one counts now
    assert trash(newest) == 1
    with refused("last_good"):
        trash(drilled)


@both
def test_the_guards_and_the_rules_agree_on_which_are_the_last_good_ones(shop: Database, cast: Cast) -> None:
    rows, dice, table = nightly(shop, cast, 5), random.Random(7), Backup.objects.filter(database=shop)
    with guards_off("backup_update_content", "backup_update_verdict"):
        for _ in range(15):
            for row in rows:
                move(
                    row, state=dice.choice(["good", "good", "good", "bad"]),
                    purpose=dice.choice(["requested", "safety"]), format=dice.choice(["native", "native", "json"]),
                    part=dice.choice(["", "", "only users"]), drilled_at=dice.choice([None, now()]),
                    started_at=now() - dice.randrange(3) * DAY,
                )  # fmt: skip
            last = last_good_of(candidates_of(shop))
            assert last or not table.good().exists()
            assert {row.pk for row in rows if is_guarded(row)} == last


def is_guarded(row: Backup) -> bool:
    """Whether the database refuses to move it to the trash; whatever it says, it stays where it is."""
    try:
        with transaction.atomic():
            trash(row)
            transaction.set_rollback(True)
    except IntegrityError:
        return True
    return False


@both
def test_a_backup_in_the_trash_is_not_deleted_once_it_is_the_only_good_one(shop: Database, cast: Cast) -> None:
    newest, older = nightly(shop, cast, 2)
    trash(older)
    verify(newest, cast)
    move(newest, state=Backup.State.BAD)
    with refused("last_good"):
        move(older, deleting_at=now())


@both
def test_nobody_moves_a_pinned_or_held_backup_away(shop: Database, cast: Cast) -> None:
    _, pinned, held, ended = nightly(shop, cast, 4)
    hour = timedelta(hours=1)
    move(pinned, pinned_at=now(), pinned_by=cast.ada, pin_reason="before the audit", pinned_until=now() + hour)
    move(ended, pinned_at=now(), pinned_by=cast.ada, pin_reason="before the audit", pinned_until=now() - hour)
    common = {"database": shop, "reason": "case 12", "set_at": now(), "operation": held.operation}
    Hold.objects.create(backup=held, until=now() + hour, **common)
    Hold.objects.create(backup=ended, until=now() - hour, **common)
    for row, code in ((pinned, "pinned"), (held, "on_hold")):
        with refused(code):
            trash(row)
    assert trash(ended) == 1
    Hold.objects.create(**common)  # on every backup of the database
    with refused("on_hold"):
        move(ended, deleting_at=now())


def test_a_backup_is_deleted_by_way_of_the_trash_and_never_comes_back(shop: Database, cast: Cast) -> None:
    _, older = nightly(shop, cast, 2)
    with refused("steps"):
        move(older, state=Backup.State.EXPIRED)
    trash(older)
    with refused("steps"):
        move(older, state=Backup.State.EXPIRED)
    move(older, deleting_at=now())
    assert move(older, state=Backup.State.EXPIRED, expired_at=now()) == 1
    with refused("deleted"):
        move(older, state=Backup.State.GOOD)
    with refused("record"):
        Backup.objects.filter(pk=older.pk)._raw_delete("default")


def test_rules_and_holds_change_only_within_a_confirmed_change(shop: Database, cast: Cast) -> None:
    (backup,) = nightly(shop, cast, 1)
    close_bootstrap()
    rule = {"scope": "default", "version": 1, "last": 1, "effective_at": now(), "created_at": now()}
    hold = {"database": shop, "backup": backup, "reason": "case 12", "set_at": now()}
    for model, values in ((RetentionRule, rule), (Hold, hold)):
        with refused("not_confirmed"):
            model.objects.create(operation=backup.operation, **values)
    change = running_change(cast)
    row = Hold.objects.create(operation=change, **hold)
    RetentionRule.objects.create(operation=change, **rule)
    bring(change, State.SUCCEEDED)
    with refused("not_confirmed"):
        Hold.objects.update(lifted_at=now())
    with refused("append_only"):
        RetentionRule.objects.update(last=0)
    lifting = running_change(cast)
    with refused("sealed"):
        Hold.objects.update(until=now(), lifted_by=lifting)
    assert Hold.objects.filter(pk=row.pk).update(lifted_at=now(), lifted_by=lifting) == 1
    with refused("append_only"):
        Hold.objects.all()._raw_delete("default")


def test_a_pause_ends_only_within_a_confirmed_change(shop: Database, cast: Cast) -> None:
    close_bootstrap()
    RetentionPass.objects.update(paused_at=now(), paused_why="the clock went back")
    with refused("not_confirmed"):
        RetentionPass.objects.update(paused_at=None)
    assert RetentionPass.objects.update(paused_at=None, operation=running_change(cast)) == 1
