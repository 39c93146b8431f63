"""Scouts ahead of the walk: real processes, whose help changes nothing but the time."""

from __future__ import annotations

import os
from typing import Any

import pytest

from opsconsole import audit, inheritance, process
from opsconsole.audit import scouting
from opsconsole.chain import stretches
from opsconsole.models import AuditEvent
from opsconsole.process import spawn
from opsconsole.verify_audit import BEGINNING, Reached, Report
from tests.opsconsole.audit.test_memory import grow_to
from tests.support.console import Console
from tests.support.tampering import guards_off
from tests.support.waiting import wait_until

LINKS = 4_000


@pytest.fixture
def passed(console: Console, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many links each stretch had that this process passed over by itself, once a scout has told all it knows."""
    monkeypatch.setattr(scouting, "FEWEST", LINKS // 2)
    monkeypatch.setattr(scouting.os, "cpu_count", lambda: 2)
    monkeypatch.setattr(inheritance, "environment_for", lambda program: console.env)
    seen: list[int] = []
    real, send = stretches.pass_over, scouting.Steps.send

    def send_and_wait(steps: scouting.Steps, first: int, last: int) -> None:
        send(steps, first, last)
        assert process.ended_within(steps._scouts[-1].child, 60.0)

    monkeypatch.setattr(scouting.Steps, "send", send_and_wait)

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
    assert sum(passed) == stretches.CHUNK


def test_what_is_wrong_in_the_part_of_a_scout_is_found(passed: list[int]) -> None:
    with guards_off():
        event = AuditEvent.objects.get(seal__seq=3_500)
        AuditEvent.objects.filter(seal__seq=3_100).update(outcome="failed")
        AuditEvent.objects.filter(pk=event.pk).update(payload=bytes(event.payload).replace(b"person:1", b"person:2"))
    assert places(audit.verify()) == [("index", "seq 3100"), ("payload", "seq 3500"), ("index", "seq 3500")]


def test_a_scout_that_dies_is_done_without(passed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inheritance, "environment_for", lambda program: {"DATABASE_URL": "nonsense"})
    assert audit.verify().events == LINKS
    assert sum(passed) > LINKS - 2 * stretches.CLOSELY


@pytest.mark.parametrize(("links", "cores"), [(200_000, 2), (1_000_001, 2), (999_999, 4), (5_000_000, 64)])
def test_the_parts_of_scouts_are_whole_chunks_and_reach_the_end(
    monkeypatch: pytest.MonkeyPatch, links: int, cores: int
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(scouting.os, "cpu_count", lambda: cores)
    monkeypatch.setattr(scouting.Steps, "send", lambda self, first, last: sent.append((first, last)))
    with scouting.sent_ahead(1, links):
        pass
    assert len(sent) == min(cores, scouting.MOST) - 1
    assert all((first - 1) % stretches.CHUNK == 0 for first, _ in sent)
    assert [sent[0][0], *(last + 1 for _, last in sent)] == [*(first for first, _ in sent), links + 1]


def test_what_a_scout_is_still_writing_is_heard_when_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = (Reached(seq, b"link", seq, BEGINNING) for seq in (1000, 2000))
    line = b'[[1000,"6c696e6b",1000,"1970-01-01T00:00:00+00:00"],[2000,"6c696e6b",2000,"1970-01-01T00:00:00+00:00"]]\n'
    argv = [process.python(), "-c", f"import time; print({line.decode()!r}[:40], end='', flush=True); time.sleep(60)"]
    monkeypatch.setattr(process, "spawn", lambda _, **how: spawn(argv, **how))
    steps = scouting.Steps()
    steps.send(1, 2000)
    told = steps._scouts[0].told
    wait_until(lambda: os.fstat(told.fileno()).st_size == 40, "half a line")
    assert steps.after(here) is None
    os.pwrite(told.fileno(), line[40:], 40)
    assert steps.after(Reached(1000, b"another", 1000, BEGINNING)) is None
    os.pwrite(told.fileno(), line, os.fstat(told.fileno()).st_size)
    assert steps.after(here) == there
    steps.dismiss()
