"""What the history tells about the console itself when it starts."""

from __future__ import annotations

import logging

from django.db import DatabaseError, transaction

from opsconsole import triggers
from opsconsole.audit.reconciliation import POLICY_FIELDS
from opsconsole.audit.record import record
from opsconsole.models import AuditEvent, Policy

log = logging.getLogger(__name__)


@transaction.atomic
def console_started(part: str) -> list[str]:
    """Record the start of a part of the console (web, worker, ...) with the fingerprint of the database's guards.

    Guards that are missing or changed are told, put back if the database's role may do that, and returned.
    """
    if not AuditEvent.objects.filter(type="console.started").exists():
        _tell_shipped_policies()
    problems, found = triggers.problems(), triggers.fingerprint()
    told = {"fingerprint": found, "expected": triggers.expected_fingerprint(), "problems": problems}
    record("console.started", subject=part, outcome="failed" if problems else "ok", data=told)
    if problems:
        log.error("the database guards were not as they should be: %s", " ".join(problems))
        _put_back()
    return problems


def _tell_shipped_policies() -> None:
    """The policies that a console begins with, in its first events."""
    for row in Policy.objects.filter(changed_by=None).order_by("id"):
        data = {name: getattr(row, name) for name in POLICY_FIELDS}
        record("policy.shipped", subject=f"{row.name} version {row.version}", data=data)


def _put_back() -> None:
    try:
        triggers.install()
    except DatabaseError:
        log.error("the guards could not be put back; run manage.py migrate as the role that owns the tables")
