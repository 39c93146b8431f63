from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from opsconsole import audit
from opsconsole.audit.reading import Filters, actor_key, moment_of
from opsconsole.exceptions import Usage
from opsconsole.models import AuditEvent
from tests.support.people import Cast
from tests.support.tampering import guards_off


def shown(filters: Filters) -> list[str]:
    return [event.type for event in audit.events(filters).events]


def test_pages_follow_one_another_without_gaps(history: list[AuditEvent]) -> None:
    seen, cursor = [], None
    while True:
        page = audit.events(Filters(), cursor=cursor, limit=7)
        seen += [event.pk for event in page.events]
        if page.next is None:
            break
        cursor = page.next
    assert seen == [event.pk for event in reversed(history)]


def test_a_page_does_not_move_when_events_are_added(history: list[AuditEvent]) -> None:
    first = audit.events(Filters(), limit=5)
    audit.record("auth.logout")
    assert audit.events(Filters(), cursor=first.next, limit=5).events[0].pk == history[-6].pk


def test_a_deep_page_costs_one_query(history: list[AuditEvent]) -> None:
    with CaptureQueriesContext(connection) as queries:
        audit.events(Filters(type="auth."), cursor=history[3].pk, limit=5)
    assert len(queries) == 1
    assert "OFFSET" not in queries[0]["sql"]


def test_filters_narrow_what_is_shown(cast: Cast) -> None:
    with audit.acting_as(audit.actor_for(cast.grace)):
        audit.record("auth.login")
        audit.record("denied.vote", outcome="denied")
    with audit.acting_as(audit.actor_for(cast.linus)):
        audit.record("auth.logout")
    assert shown(Filters(person="grace")) == ["denied.vote", "auth.login"]
    assert shown(Filters(person="GRACE@example.test", type="auth.")) == ["auth.login"]
    assert shown(Filters(outcome="denied")) == ["denied.vote"]
    assert shown(Filters(type="auth.logout")) == ["auth.logout"]
    assert shown(Filters(database="savings")) == []


def test_times_bound_what_is_shown(history: list[AuditEvent]) -> None:
    middle = history[15].at
    after = audit.events(Filters(since=middle), limit=100).events
    before = audit.events(Filters(until=middle), limit=100).events
    assert len(after) + len(before) == 30
    assert min(event.at for event in after) == middle


def test_times_are_read_as_utc() -> None:
    assert moment_of("2026-11-20") == datetime(2026, 11, 20, tzinfo=UTC)
    assert moment_of("2026-11-20T10:30:00Z") == datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
    assert moment_of("2026-11-20T10:30:00+01:00") - datetime(2026, 11, 20, 9, 30, tzinfo=UTC) == timedelta()
    assert moment_of(" ") is None


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-11-20T99:00:00Z"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(Usage):
        moment_of(text)


def test_a_persons_logins_are_one_person(cast: Cast) -> None:
    key = f"person:{cast.grace.person_id}"
    assert [actor_key(name) for name in ("grace", "Grace", "grace@example.test", key)] == [key] * 4
    with pytest.raises(Usage):
        actor_key("nobody")


def test_filters_survive_the_way_through_texts() -> None:
    filters = Filters(person="grace", operation=7, since=datetime(2026, 11, 20, tzinfo=UTC))
    assert Filters.from_texts(filters.as_texts()) == filters


def test_a_proof_shows_bytes_link_and_covering_checkpoint(history: list[AuditEvent]) -> None:
    found = audit.proof(history[11])
    assert (found.seq, found.holds) == (12, True)
    assert found.text.startswith('{"actor":')
    assert found.checkpoint is not None
    assert found.checkpoint.seq == 20


def test_a_proof_of_changed_bytes_does_not_hold(history: list[AuditEvent]) -> None:
    with guards_off():
        AuditEvent.objects.filter(pk=history[11].pk).update(payload=b"{}")
    history[11].refresh_from_db()
    assert not audit.proof(history[11]).holds


def test_an_event_that_is_not_sealed_yet_has_no_proof_yet(
    history: list[AuditEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsconsole.audit.checkpoints.seal", lambda: 0)
    found = audit.proof(audit.record("auth.login"))
    assert (found.seq, found.holds, found.checkpoint) == (None, False, None)
    assert audit.head().pending == 1


def test_the_head_tells_how_the_history_stands(history: list[AuditEvent]) -> None:
    head = audit.head()
    assert (head.seq, head.pending, head.verified_at) == (30, 0, None)
    assert head.checkpoint is not None
    assert head.checkpoint.seq == 30
