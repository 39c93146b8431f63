"""Writing one event, inside the transaction of the change it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any

from django.db import transaction

from opsconsole.audit import catalogue
from opsconsole.audit.actors import Actor, current
from opsconsole.audit.checkpoints import after_commit
from opsconsole.audit.redaction import allowed, clean
from opsconsole.audit.stamps import moment, uuid7
from opsconsole.clock import now
from opsconsole.models import AuditEvent, AuditPending
from opsconsole.verify_audit import canonical_json, columns

if TYPE_CHECKING:
    from opsconsole.models import Database, Operation

SCHEMA = 1  # version of the payload's shape


@transaction.atomic
def record(
    type: str,
    *,
    outcome: str = "ok",
    operation: Operation | None = None,
    database: Database | None = None,
    subject: str = "",
    reason: str = "",
    data: Mapping[str, Any] | None = None,
    before: str = "",
    after: str = "",
) -> AuditEvent:
    """Record what `audit.current()` did, in the caller's transaction; the chain follows by itself after the commit.

    `subject` names what was acted on when that is no operation or database ("token:12", a login). `before` and
    `after` are digests. Of `data`, only the fields that the catalogue lists for the type are kept, and nothing that
    looks like a secret. Gives back the stored event.
    """
    if database is None and operation is not None:
        database = operation.database
    at, actor, entry = now().astimezone(UTC), current(), catalogue.find(type)
    payload = {
        "v": SCHEMA,
        "id": uuid7(at),
        "type": type,
        "at": moment(at),
        "actor": _actor(actor),
        "source": _source(actor),
        "subject": _subject(operation, database, subject),
        "outcome": outcome,
        "reason": clean(reason),
        "before": clean(before),
        "after": clean(after),
        "data": allowed(data or {}, entry.fields if entry else ()),
    }
    exact = canonical_json(payload)
    event = AuditEvent.objects.create(payload=exact, **columns(payload))
    AuditPending.objects.create(event=event)
    transaction.on_commit(after_commit, robust=True)
    return event


def _actor(actor: Actor) -> dict[str, Any]:
    return {
        "key": clean(actor.key),
        "kind": actor.kind,
        "person": actor.person_id,
        "account": actor.account_id,
        "name": clean(actor.name),
        "auth": actor.auth,
        "session": actor.session_hash,
    }


def _source(actor: Actor) -> dict[str, str]:
    return {
        "ip": actor.ip,
        "user_agent": actor.user_agent_hash,
        "request": clean(actor.request_id),
        "host": clean(actor.host),
    }


def _subject(operation: Operation | None, database: Database | None, subject: str) -> dict[str, Any]:
    titled = operation is not None and operation.database_id is None
    return {
        "operation": operation.pk if operation else None,
        "kind": operation.kind if operation else "",
        "title": clean(operation.plan.summary) if titled and operation else "",
        "database": database.pk if database else None,
        "name": database.name if database else "",
        "environment": database.environment.name if database else "",
        "object": clean(subject),
    }
