from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, connection, transaction

from opsconsole import audit, triggers
from opsconsole.clock import now
from opsconsole.exceptions import Refused
from opsconsole.models import (
    AuditEvent,
    AuditSeal,
    CredentialSeal,
    Database,
    ExecutionGrant,
    Policy,
    ScheduleSlot,
    Vote,
)
from opsconsole.triggers import rules
from opsconsole.triggers.building import table_of
from tests.support.console import Console
from tests.support.people import Cast
from tests.support.rows import DIGEST, only_on_postgresql, only_on_sqlite, operation_of, sql, vote


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(Refused) as caught, triggers.refusals():
        yield
    assert caught.value.code == code
    assert caught.value.why
    assert caught.value.next_step


@pytest.fixture
def evidence(cast: Cast) -> list[str]:
    """At least one row in every append-only table; gives back the tables' names."""
    operation = operation_of(cast.ada, votes_needed=1)
    vote(operation, cast.grace)
    ExecutionGrant.objects.create(operation=operation, digest=DIGEST, fence=1, at=now())
    ScheduleSlot.objects.create(
        schedule="nightly-backup",
        version=1,
        database=Database.objects.get(name="ledger"),
        slot=now(),
        state="started",
        at=now(),
    )
    audit.record("auth.login")
    audit.checkpoint(force=True)
    return [table_of(model) for model in rules.APPEND_ONLY]


def test_no_row_of_the_evidence_can_be_changed(evidence: list[str]) -> None:
    for table in evidence:
        key = "seq" if table.endswith("seal") and "audit" in table else "id"
        with refused("append_only"):
            sql(f"UPDATE {table} SET {key} = {key}")


def test_no_row_of_the_evidence_can_be_removed(evidence: list[str]) -> None:
    for table in evidence:
        with refused("append_only"):
            sql(f"DELETE FROM {table}")


@only_on_postgresql
def test_no_table_of_evidence_can_be_emptied(evidence: list[str]) -> None:
    for table in evidence:
        with refused("append_only"):
            sql(f"TRUNCATE {table} CASCADE")


@only_on_postgresql
def test_a_replica_role_does_not_switch_the_guards_off(evidence: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
    with refused("append_only"):
        sql("DELETE FROM opsconsole_vote")


def test_an_event_cannot_be_replaced(evidence: list[str], console: Console) -> None:
    """SQLite removes the old row of INSERT OR REPLACE without asking the triggers that refuse DELETE."""
    event = AuditEvent.objects.earliest("id")
    verb, tail = (
        ("INSERT OR REPLACE", "")
        if console.vendor == "sqlite"
        else ("INSERT", "ON CONFLICT (id) DO UPDATE SET type = 'x'")
    )
    columns = "uid, payload, type, at, actor, actor_name, outcome, database_name, kind"
    for values in (f"{event.pk}, 'other', payload, 'x'", f"{event.pk + 900}, uid, payload, 'x'"):
        with pytest.raises(IntegrityError):
            sql(f"{verb} INTO opsconsole_auditevent (id, {columns}) SELECT {values}, {columns.partition('type, ')[2]} "
                f"FROM opsconsole_auditevent WHERE id = {event.pk} {tail}")  # fmt: skip
    assert AuditEvent.objects.get(pk=event.pk).type == event.type


@only_on_sqlite
def test_a_vote_and_a_policy_cannot_be_replaced(evidence: list[str]) -> None:
    for table, column in (("opsconsole_vote", "decision"), ("opsconsole_policy", "title")):
        kept = [field.name for field in connection.introspection.get_table_description(connection.cursor(), table)]
        values = ", ".join("'other'" if name == column else name for name in kept)
        with refused("replaced"):
            sql(f"INSERT OR REPLACE INTO {table} ({', '.join(kept)}) SELECT {values} FROM {table}")


def test_a_seal_must_follow_the_last_one(evidence: list[str]) -> None:
    last = AuditSeal.objects.latest("seq")
    with transaction.atomic():
        event = audit.record("auth.login")
        for seq, previous in ((last.seq + 2, bytes(last.hash)), (last.seq + 1, bytes(32)), (last.seq, last.previous)):
            with pytest.raises(IntegrityError), transaction.atomic():
                AuditSeal.objects.create(seq=seq, event=event, previous=previous, hash=bytes(32))


def test_the_orm_is_refused_like_everybody(evidence: list[str]) -> None:
    for rows in (Vote.objects.all(), Policy.objects.all(), CredentialSeal.objects.all()):
        with refused("append_only"):
            rows.update(id=-1)
        with refused("append_only"):
            rows.last().delete()
