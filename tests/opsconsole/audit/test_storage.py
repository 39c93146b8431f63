"""What a table can hold and the console never writes: none of it hides from a verification, or stops one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from opsconsole import audit
from opsconsole.audit import verification
from opsconsole.chain import scouts
from opsconsole.models import AuditEvent, AuditPending, AuditSeal
from opsconsole.verify_audit import Report, leaf_of, link
from tests.opsconsole.audit.test_memory import grow_to
from tests.support.console import Console
from tests.support.rows import only_on_postgresql, only_on_sqlite, sql
from tests.support.tampering import guards_off

EVENT, SEAL = "opsconsole_auditevent", "opsconsole_auditseal"
LINKS, CHUNK, MIDDLE = 500, 100, 250


@pytest.fixture
def chain(console: Console, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Links that are plainly well, read a hundred at a time; the last one has a checkpoint, and the guards are off."""
    monkeypatch.setattr(verification, "CHUNK", CHUNK)
    grow_to(LINKS)
    audit.checkpoint(force=True)
    assert audit.verify().verdict == "sound"
    with guards_off():
        yield


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def places(report: Report) -> set[tuple[str, str]]:
    return {(finding.code, finding.where) for finding in report.findings if finding.code != "guards"}


def found_after(*statements: str) -> set[tuple[str, str]]:
    with undone():
        for statement in statements:
            assert sql(statement) != 0, statement
        return places(audit.verify())


def of_the_event(change: str) -> str:
    return f"UPDATE {EVENT} SET {change} WHERE id = (SELECT event_id FROM {SEAL} WHERE seq = {MIDDLE})"


def of_the_link(change: str) -> str:
    return f"UPDATE {SEAL} SET {change} WHERE seq = {MIDDLE}"


@only_on_postgresql
def test_a_time_that_python_cannot_tell_is_found(chain: None) -> None:
    before_christ = "(to_char({0}, 'YYYY-MM-DD HH24:MI:SS.US') || to_char({0}, 'TZH') || ' BC')::timestamptz"
    for time in (before_christ, "'infinity'", "'-infinity'", "{0} + interval '9000 years'"):
        assert found_after(of_the_event(f"at = {time.format('at')}")) == {("index", f"seq {MIDDLE}")}
        of_the_table = f"UPDATE opsconsole_auditcheckpoint SET at = {time.format('at')}"
        assert found_after(of_the_table) == {("forged", f"checkpoint {LINKS} in the table")}


@only_on_postgresql
def test_a_value_that_is_missing_is_found_whatever_the_next_one_says(chain: None) -> None:
    change = "actor = NULL, actor_name = actor || '\"' || actor_name"
    with undone():
        sql(f"ALTER TABLE {EVENT} ALTER actor DROP NOT NULL")
        assert found_after(of_the_event(change)) == {("index", f"seq {MIDDLE}")}


@only_on_sqlite
def test_a_value_that_python_cannot_read_is_found_in_its_column(chain: None) -> None:
    no_text, same_time = "CAST(x'ff' AS TEXT)", ("at || '+00:00'", "replace(at, ' ', 'T')", "at || '9'")
    for change in (
        *(f"at = {value}" for value in (*same_time, "CAST(at AS BLOB)", "'2026-13-41 00:00:00'", "x'ff'", "7")),
        *(f"actor = {value}" for value in (no_text, "CAST(actor AS BLOB)", "actor || char(0)")),
        "operation_id = 'x'", "database_id = 1.5",
    ):  # fmt: skip
        assert found_after(of_the_event(change)) == {("index", f"seq {MIDDLE}")}, change
    for value in (no_text, "CAST(payload AS TEXT)", "5000000000000"):
        assert ("payload", f"seq {MIDDLE}") in found_after(of_the_event(f"payload = {value}")), value
    for value in (no_text, "'x'", "5000000000000"):
        assert ("order", f"seq {MIDDLE}") in found_after(of_the_link(f"previous = {value}")), value
        assert ("payload", f"seq {MIDDLE}") in found_after(of_the_link(f"hash = {value}")), value
    for value in ("'x'", "x'31'", "1e300", "0.5", f"{MIDDLE}.5"):
        assert ("gap", f"seq {MIDDLE}") in found_after(of_the_link(f"seq = {value}")), value
    for change in ("note = x'00'", f"note = {no_text}", f"key_id = {no_text}", "at = at || '+00:00'", "at = 7"):
        assert found_after(f"UPDATE opsconsole_auditcheckpoint SET {change}") != set(), change


@only_on_sqlite
def test_a_name_that_its_column_cuts_is_not_there_in_full(chain: None) -> None:
    with undone():
        with audit.acting_as(audit.Actor(kind="system", name="N" * 160)):
            event = audit.record("auth.login")
        audit.seal_all()
        assert places(audit.verify()) == set()
        AuditEvent.objects.filter(pk=event.pk).update(actor_name="N" * 160)
        assert places(audit.verify()) == {("index", f"seq {LINKS + 1}")}


def lose_an_event() -> AuditEvent:
    """One that is in no link; nothing waits for it either."""
    event = AuditEvent.objects.latest("id")
    event.pk, event.uid = event.pk + 1000, "lost"
    event.save(force_insert=True)
    return event


def hide_it_before_the_first_link() -> None:
    AuditSeal.objects.create(seq=0, event=lose_an_event(), previous=bytes(32), hash=bytes(32))


def number_an_event_before_the_first() -> None:
    event = AuditEvent.objects.get(seal__seq=MIDDLE)
    AuditSeal.objects.filter(seq=MIDDLE).update(event_id=-event.pk)
    AuditEvent.objects.filter(pk=event.pk).update(id=-event.pk)


def hide_it_behind_an_event_in_two_links() -> None:
    lose_an_event()
    without_constraints(SEAL)
    last = AuditSeal.objects.select_related("event").latest("seq")
    following = link(bytes(last.hash), last.seq + 1, leaf_of(bytes(last.event.payload)))
    AuditSeal.objects.create(seq=last.seq + 1, event_id=last.event_id, previous=bytes(last.hash), hash=following)


def hide_it_behind_one_that_waits_twice() -> None:
    lose_an_event()
    event = audit.record("auth.login")
    without_constraints("opsconsole_auditpending")
    AuditPending.objects.bulk_create([AuditPending(event_id=event.pk)])


def double_the_last_link_of_a_chunk() -> None:
    without_constraints(SEAL)
    last = AuditSeal.objects.get(seq=2 * CHUNK)
    AuditSeal.objects.bulk_create([AuditSeal(seq=last.seq, event_id=last.event_id, previous=b"", hash=last.hash)])


def double_the_last_event_of_a_chunk() -> None:
    event = AuditEvent.objects.get(seal__seq=2 * CHUNK)
    without_constraints(EVENT)
    event.outcome = "failed"
    AuditEvent.objects.bulk_create([event])


def without_constraints(table: str) -> None:
    """Take a table's keys away, with those that point to it."""
    if connection.vendor == "postgresql":
        for name in ("pkey", "event_id_key", "uid_key"):
            sql(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_{name} CASCADE")
        return
    sql("PRAGMA legacy_alter_table = ON")
    sql(f"CREATE TABLE bare AS SELECT * FROM {table}")
    sql(f"DROP TABLE {table}")
    sql(f"ALTER TABLE bare RENAME TO {table}")


@pytest.mark.parametrize("console_backend", ["sqlite", "postgresql"])
def test_no_event_hides_behind_rows_that_the_constraints_would_refuse(chain: None) -> None:
    hiding: dict[Callable[[], None], tuple[str, str]] = {
        hide_it_before_the_first_link: ("order", "chain"),
        number_an_event_before_the_first: ("order", f"seq {MIDDLE}"),
        hide_it_behind_an_event_in_two_links: ("unsealed", f"event {LINKS + 1000}"),
        hide_it_behind_one_that_waits_twice: ("unsealed", f"event {LINKS + 1000}"),
        double_the_last_link_of_a_chunk: ("order", f"seq {2 * CHUNK}"),
        double_the_last_event_of_a_chunk: ("order", f"seq {2 * CHUNK}"),
    }
    for hide, place in hiding.items():
        with undone():
            hide()
            report = audit.verify()
            assert place in places(report), hide
            assert report.events == audit.verify(approvals=True).events, hide  # which looks at each link closely
            scouted = {end.seq for _, end in scouts.scout(1, LINKS)}
            assert (2 * CHUNK in scouted) <= (place[1] != f"seq {2 * CHUNK}"), hide
