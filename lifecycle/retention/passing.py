"""The pass: what a tick does by the rules. Once an hour, by whichever ticker comes first; the trash is always due.

Nothing goes while the clock cannot be trusted, nor of a database of which more than half would go: both wait for a
confirmed change.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction

from lifecycle.models import Backup, RetentionPass, RetentionStop
from lifecycle.retention import clocks, moving, trash
from lifecycle.retention.deciding import Decision, Fate, too_many
from lifecycle.retention.facts import outlook
from lifecycle.retention.rules import in_force, rule_for
from opsconsole import audit
from opsconsole.clock import now
from opsconsole.exceptions import OpsError
from opsconsole.models import Database

log = logging.getLogger(__name__)
EVERY = timedelta(hours=1)


def tick(*, now_too: bool = False) -> int:
    """Make the pass when it is due, and delete what has lain in the trash for long enough; how many were deleted.

    With `now_too` the pass is made whether or not it is due.
    """
    state, at, hint = standing(), now(), clocks.this_host()
    if state.paused_at is not None:
        return 0
    if why := clocks.moved(state.last_at, state.anchors, at, hint):
        pause(why)
        return 0
    if now_too or state.last_at is None or not state.last_at <= at < state.last_at + EVERY:
        mine = RetentionPass.objects.filter(pk=state.pk, last_at=state.last_at, paused_at=None)
        if mine.update(last_at=at, anchors=clocks.anchored(state.anchors, at, hint)):
            run()
    return trash.delete_due()


def standing() -> RetentionPass:
    """The one row; made where a console has none yet."""
    return RetentionPass.objects.get_or_create(pk=1)[0]


def run() -> int:
    """One pass over every managed database; how many backups went to the trash."""
    rules, went = in_force(), 0
    for database in Database.objects.filter(removed_at=None).select_related("environment").order_by("id"):
        trash.rescue(database)
        found = outlook(database, rule=rule_for(database, rules))
        moving.move_old(database, found)
        if not _stops(database, found.decisions):
            went += sum(let_go(decision) for decision in found.decisions if decision.fate == Fate.GOING)
    return went


def let_go(decision: Decision) -> bool:
    """Move one backup to the trash, as decided. A guard that refuses it leaves it where it is."""
    row = Backup.objects.select_related("database__environment").get(pk=decision.backup)
    try:
        return trash.put_in(row, "; ".join(reason.words for reason in decision.reasons))
    except OpsError as error:
        log.warning("retention leaves backup %s where it is: %s", row.pk, error)
        return False


@transaction.atomic
def pause(why: str) -> None:
    """Stop all of it, until a confirmed change says that it may go on. Nothing when it is paused."""
    standing()
    if RetentionPass.objects.filter(pk=1, paused_at=None).update(paused_at=now(), paused_why=why):
        audit.record("retention.paused", outcome="failed", reason=why)


def _stops(database: Database, decisions: tuple[Decision, ...]) -> bool:
    """Whether too many would go; noted with its event when that is new, taken away when it is over."""
    why = too_many(decisions)
    if not why:
        RetentionStop.objects.filter(database=database).delete()
        return False
    going = sum(1 for decision in decisions if decision.fate == Fate.GOING)
    there = going + sum(1 for decision in decisions if decision.fate == Fate.KEPT)
    with transaction.atomic():
        begun = {"going": going, "of": there, "since": now()}
        _, new = RetentionStop.objects.get_or_create(database=database, defaults=begun)
        if new:
            told = {"going": going, "of": there}
            audit.record("retention.stopped", database=database, outcome="failed", reason=why, data=told)
        else:
            RetentionStop.objects.filter(database=database).update(going=going, of=there)
    return True
