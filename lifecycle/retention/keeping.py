"""Why a backup stays or goes, as its page and lists say it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django.http import HttpRequest

from lifecycle.models import Backup, Hold
from lifecycle.retention import trash
from lifecycle.retention.deciding import Decision
from lifecycle.retention.facts import outlook
from lifecycle.retention.rule import sentence
from lifecycle.retention.rules import scoped_for, where
from opsconsole.databases import protected
from opsconsole.exceptions import OpsError
from opsconsole.models import Database
from opsconsole.pages.base import rights_of

EXPLAINED = 2_000  # backups of one database, up to which a list says of each why it stays


def decisions_on(database: Database, rows: Iterable[Backup]) -> dict[int, Decision]:
    """By backup, what becomes of it; empty for a database that has so many that a list must not work it out."""
    found, wanted = outlook(database, most=EXPLAINED), {row.pk for row in rows}
    return {decision.backup: decision for decision in found.decisions if decision.backup in wanted}


def card(request: HttpRequest, backup: Backup) -> dict[str, Any]:
    """What `lifecycle/_keeping.html` shows of one backup."""
    may = rights_of(request).can("request", backup.database)
    gone = backup.state == Backup.State.EXPIRED
    scoped = scoped_for(backup.database)
    return {
        "decision": None if gone else outlook(backup.database).of(backup.pk),
        "rule": sentence(scoped.rule),
        "rule_where": where(scoped.scope),
        "holds": Hold.objects.filter(Q(backup=backup) | Q(backup=None), database=backup.database, lifted_at=None),
        "why_not": "" if gone or not backup.is_present else _why_not_deleted(backup),
        "can_expire": may and backup.is_present,
        "can_put_back": may and backup.trashed_at is not None and backup.deleting_at is None,
        "can_accept": may and backup.is_present and backup.purpose == Backup.Purpose.SAFETY and not backup.accepted_at,
        "asks_first": protected(backup.database),
    }


def _why_not_deleted(backup: Backup) -> str:
    try:
        trash.refuse_expiring(backup)
    except OpsError as error:
        return error.why
    return ""
