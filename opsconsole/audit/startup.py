"""What the history tells about the console itself: its starts, and what became of the database's guards."""

from __future__ import annotations

import logging
import socket
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connections, transaction

from opsconsole import kinds, triggers
from opsconsole.audit.actors import Actor, acting_as
from opsconsole.audit.reconciliation import POLICY_FIELDS, POLICY_LATER, SCHEDULE_FIELDS
from opsconsole.audit.record import record
from opsconsole.audit.sentences import payload_of
from opsconsole.audit.told import as_told
from opsconsole.models import AuditEvent, Environment, Policy, Schedule

log = logging.getLogger(__name__)
STARTED, CHANGED, INSTALLED = "console.started", "console.guards_changed", "console.guards_installed"


@transaction.atomic
def console_started(part: str) -> list[str]:
    """Record the start of a part of the console (web, worker, ...) with the fingerprint of the database's guards.

    Guards that are missing or changed are told, put back if the database's role may do that, and returned.
    """
    if not AuditEvent.objects.filter(type=STARTED).exists():
        _tell_shipped_rows()
    elif not AuditEvent.objects.filter(type="schedule.shipped").exists():
        _tell_shipped_schedules()
    problems, found = triggers.problems(), triggers.fingerprint()
    told = {
        "fingerprint": found, "expected": triggers.expected_fingerprint(), "problems": problems,
        "debug": settings.DEBUG, "failpoints": settings.ALLOW_FAILPOINTS,
        "kinds": {kind.name: kind.gated for kind in kinds.every()},
    }  # fmt: skip
    with acting_as(Actor(kind="system", name=part, host=socket.gethostname())):
        record(STARTED, subject=part, outcome="failed" if problems else "ok", data=told)
    if problems:
        log.error("the database guards were not as they should be: %s", " ".join(problems))
        _put_back()
    return problems


def before_migrate(sender: Any, using: str = "default", plan: Any = (), **_: Any) -> None:
    """Receiver of pre_migrate: a migration puts guards back, so what was done to them before is told first."""
    if sender.label == "opsconsole":
        _tell_what_changed(using)
        triggers.remove_before_migrate(using, plan)


def after_migrate(sender: Any, using: str = "default", **_: Any) -> None:
    """Receiver of post_migrate, which Django sends once for every app; the kernel's one is enough."""
    if sender.label != "opsconsole":
        return
    made = triggers.install(using)
    if made and AuditEvent.objects.using(using).exists():
        record(INSTALLED, data={"fingerprint": triggers.fingerprint(using), "guards": made})


def _tell_what_changed(using: str) -> None:
    """Record that the guards are no longer those that the history told of last. Nothing on a new database."""
    if AuditEvent._meta.db_table not in connections[using].introspection.table_names():
        return
    try:
        last = AuditEvent.objects.filter(type__in=(STARTED, CHANGED, INSTALLED)).order_by("-id").first()
        before, found = payload_of(last)["data"]["fingerprint"] if last else "", triggers.fingerprint(using)
        if before and before != found:
            record(CHANGED, outcome="failed", data={"fingerprint": found, "problems": triggers.problems(using)})
    except DatabaseError:
        log.error("the state of the guards could not be recorded before this migration")


def _tell_shipped_rows() -> None:
    """The policies, environments and schedules that a console begins with, in its first events."""
    for row in Policy.objects.filter(changed_by=None).order_by("id"):
        data = {name: as_told(getattr(row, name)) for name in (*POLICY_FIELDS, *sorted(POLICY_LATER))}
        record("policy.shipped", subject=f"{row.name} version {row.version}", data=data)
    for environment in Environment.objects.filter(changed_by=None).order_by("id"):
        told = {"environment": environment.pk, "protected": environment.protected}
        record("environment.shipped", subject=environment.name, data=told)
    _tell_shipped_schedules()


def _tell_shipped_schedules() -> None:
    """The schedules that came with the console; a console that is older than they are tells of them later."""
    for row in Schedule.objects.filter(changed_by=None).order_by("id"):
        subject = f"{row.name} version {row.version}"
        record(
            "schedule.shipped", subject=subject, data={name: as_told(getattr(row, name)) for name in SCHEDULE_FIELDS}
        )


def _put_back() -> None:
    try:
        triggers.install()
    except DatabaseError:
        log.error("the guards could not be put back; run manage.py migrate as the role that owns the tables")
