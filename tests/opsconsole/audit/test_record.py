from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import transaction

from opsconsole import audit
from opsconsole.audit.record import columns
from opsconsole.clock import now
from opsconsole.models import AuditEvent, AuditPending, Database, Environment, OwnerGroup
from opsconsole.plans import canonical_json
from tests.support.console import Console
from tests.support.people import Cast
from tests.support.rows import operation_of


class Undone(Exception):
    """Ends a transaction."""


@contextmanager
def undone() -> Iterator[None]:
    with pytest.raises(Undone), transaction.atomic():
        yield
        raise Undone


def told(event: AuditEvent) -> dict[str, object]:
    event.refresh_from_db()
    return json.loads(bytes(event.payload))


def test_the_payload_is_stored_as_exact_canonical_bytes(console: Console) -> None:
    event = audit.record("auth.login_failed", subject="ada é ✓", data={"attempts": 3})
    event.refresh_from_db()
    assert bytes(event.payload) == canonical_json(json.loads(bytes(event.payload)))


def test_the_columns_are_the_payloads(cast: Cast) -> None:
    event = audit.record("op.stale", operation=operation_of(cast.ada), outcome="failed", data={"moved": ["identity"]})
    event.refresh_from_db()
    assert columns(told(event)) == {name: getattr(event, name) for name in columns(told(event))}


def test_an_event_has_the_fate_of_its_transaction(console: Console) -> None:
    with undone():
        audit.record("auth.login")
        assert AuditEvent.objects.filter(type="auth.login").exists()
    assert not AuditEvent.objects.filter(type="auth.login").exists()
    assert not AuditPending.objects.exists()


def test_an_event_bears_the_databases_time_and_a_number_made_of_it(console: Console) -> None:
    before = now()
    event = audit.record("auth.login")
    number = UUID(event.uid)
    assert before <= event.at <= now()
    assert (number.version, number.variant) == (7, "specified in RFC 4122")
    assert (number.int >> 80) // 1000 == int(event.at.timestamp())


def test_numbers_grow_with_time(console: Console) -> None:
    from opsconsole.audit.stamps import uuid7

    at = now()
    numbers = [uuid7(at + timedelta(milliseconds=step)) for step in range(50)]
    assert numbers == sorted(numbers)
    assert len({uuid7(at) for _ in range(1000)}) == 1000


def test_an_event_names_who_acts_and_from_where(cast: Cast) -> None:
    actor = audit.actor_for(cast.grace, ip="192.0.2.7", session_hash="abc", request_id="r1", user_agent_hash="ua")
    with audit.acting_as(actor):
        payload = told(audit.record("auth.login"))
    assert payload["actor"] == {
        "key": f"person:{cast.grace.person_id}", "kind": "human", "person": cast.grace.person_id,
        "account": cast.grace.pk, "name": "Grace", "auth": "session", "session": "abc",
    }  # fmt: skip
    assert payload["source"]["ip"] == "192.0.2.7"
    assert payload["source"]["request"] == "r1"


def test_at_a_shell_the_operating_systems_user_acts(console: Console) -> None:
    event = audit.record("auth.login")
    assert event.actor.startswith("system:")
    assert told(event)["actor"]["auth"] == "shell"


def test_actors_nest(cast: Cast) -> None:
    with audit.acting_as(audit.actor_for(cast.grace)):
        with audit.acting_as(audit.Actor(kind="worker", name="w1")):
            assert audit.record("auth.login").actor == "worker:w1"
        assert audit.record("auth.login").actor == f"person:{cast.grace.person_id}"


def test_an_operation_and_its_database_are_named(cast: Cast) -> None:
    database = Database.objects.create(
        name="savings", engine="sqlite", display="x", environment=Environment.objects.get(name="production"),
        owner_group=OwnerGroup.objects.get(name="default"),
    )  # fmt: skip
    operation = operation_of(cast.ada, kind="backup", database=database)
    event = audit.record("op.claimed", operation=operation)
    assert (event.operation_id, event.database_id, event.database_name, event.kind) == (
        operation.pk, database.pk, "savings", "backup",
    )  # fmt: skip
    assert told(event)["subject"]["environment"] == "production"


def test_a_change_of_the_console_is_named_by_what_it_does(cast: Cast) -> None:
    event = audit.record("op.claimed", operation=operation_of(cast.ada, kind="change"))
    assert told(event)["subject"]["title"] == "The console has a new policy."
