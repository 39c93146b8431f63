"""Scouts ahead of the walk: real processes, whose help changes nothing but the time."""

from __future__ import annotations

from typing import Any

import pytest

from opsconsole import audit, inheritance
from opsconsole.audit import scouting, stretches
from opsconsole.models import AuditEvent
from opsconsole.verify_audit import Report
from tests.opsconsole.audit.test_memory import grow_to
from tests.support.console import Console
from tests.support.tampering import guards_off

LINKS = 4_000


@pytest.fixture
def passed(console: Console, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many links each stretch had that this process passed over by itself; a scout is sent ahead over the rest."""
    monkeypatch.setattr(scouting, "FEWEST", LINKS // 2)
    monkeypatch.setattr(scouting, "LEAD", 0)
    monkeypatch.setattr(scouting.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(inheritance, "environment_for", lambda program: console.env)
    seen: list[int] = []
    real = stretches.pass_over

    def pass_over(*given: Any, **more: Any) -> Any:
        found = real(*given, **more)
        seen.append(found[0])
        return found

    monkeypatch.setattr(stretches, "pass_over", pass_over)
    grow_to(LINKS)
    audit.checkpoint(force=True)
    return seen


def places(report: Report) -> list[tuple[str, str]]:
    return [(finding.code, finding.where) for finding in report.findings]


def test_the_walk_takes_the_steps_that_a_scout_knows(passed: list[int]) -> None:
    report = audit.verify()
    assert (report.verdict, report.events) == ("sound", LINKS)
    assert sum(passed) <= LINKS // 2 + scouting.CHUNK


def test_what_is_wrong_in_the_part_of_a_scout_is_found(passed: list[int]) -> None:
    with guards_off():
        event = AuditEvent.objects.get(seal__seq=3_500)
        AuditEvent.objects.filter(seal__seq=3_100).update(outcome="failed")
        AuditEvent.objects.filter(pk=event.pk).update(payload=bytes(event.payload).replace(b"person:1", b"person:2"))
    assert places(audit.verify()) == [("index", "seq 3100"), ("payload", "seq 3500"), ("index", "seq 3500")]


def test_a_scout_that_dies_is_done_without(passed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inheritance, "environment_for", lambda program: {"DATABASE_URL": "nonsense"})
    assert audit.verify().events == LINKS
    assert sum(passed) > LINKS - 2 * scouting.CLOSELY


@pytest.mark.parametrize(("links", "cores"), [(200_000, 2), (1_000_001, 2), (999_999, 4), (5_000_000, 64)])
def test_the_parts_of_scouts_are_whole_chunks_and_reach_the_end(
    monkeypatch: pytest.MonkeyPatch, links: int, cores: int
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(scouting.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(scouting.Steps, "send", lambda self, first, last: sent.append((first, last)))
    with scouting.sent_ahead(1, links):
        pass
    assert len(sent) == min(cores, scouting.MOST) - 1 if links >= 10 * scouting.FEWEST else len(sent) >= 1
    assert all((first - 1) % scouting.CHUNK == 0 for first, _ in sent)
    assert [last + 1 for _, last in sent] == [*(first for first, _ in sent[1:]), links + 1]
    assert sent[0][0] > scouting.LEAD
