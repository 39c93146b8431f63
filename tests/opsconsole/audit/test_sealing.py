from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from opsconsole import audit
from opsconsole.audit import sealing
from opsconsole.exceptions import OperationFailed
from opsconsole.models import AuditEvent, AuditPending, AuditSeal
from opsconsole.verify_audit import START, leaf_of, link
from tests.support.console import Console
from tests.support.rows import only_on_postgresql

WRITERS, EACH = 4, 25


def in_thread(work: Callable[[], Any]) -> Any:
    """Run `work` with a connection of its own, as another process would."""

    def with_connection() -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(with_connection).result(timeout=60)


def assert_chain_holds() -> None:
    previous = START
    for expected, seal in enumerate(AuditSeal.objects.select_related("event").order_by("seq"), start=1):
        assert (seal.seq, bytes(seal.previous)) == (expected, previous)
        previous = link(previous, seal.seq, leaf_of(bytes(seal.event.payload)))
        assert bytes(seal.hash) == previous


def test_events_are_chained_right_after_the_commit(console: Console) -> None:
    with transaction.atomic():
        audit.record("auth.login")
        audit.record("auth.logout")
        assert AuditSeal.objects.count() == 0
    assert list(AuditSeal.objects.order_by("seq").values_list("seq", "event__type")) == [
        (1, "auth.login"), (2, "auth.logout"),
    ]  # fmt: skip
    assert not AuditPending.objects.exists()


def test_the_chain_is_what_the_formula_says(history: list[AuditEvent]) -> None:
    assert AuditSeal.objects.count() == len(history)
    assert_chain_holds()


def test_writers_that_give_up_leave_no_gap(console: Console) -> None:
    start = threading.Barrier(WRITERS)

    def write(writer: int) -> None:
        start.wait()
        for number in range(EACH):
            with transaction.atomic():
                audit.record("auth.login", subject=f"{writer}.{number}")
                audit.record("auth.logout", subject=f"{writer}.{number}")
                transaction.set_rollback(number % 3 == 0)

    with ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(in_thread, lambda writer=writer: write(writer)) for writer in range(WRITERS)]:
            done.result(timeout=120)
    audit.seal_all()
    kept = sum(1 for number in range(EACH) if number % 3) * 2 * WRITERS
    assert (AuditEvent.objects.count(), AuditSeal.objects.count()) == (kept, kept)
    assert not AuditPending.objects.exists()
    assert_chain_holds()


@only_on_postgresql
def test_a_slow_transaction_does_not_hold_up_the_others(console: Console) -> None:
    """Its event gets its place in the chain when it commits, after events with later numbers."""
    written, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            audit.record("auth.login", subject="slow")
            written.set()
            assert go_on.wait(30)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(in_thread, slow)
        assert written.wait(30)
        audit.record("auth.login", subject="quick")
        assert AuditSeal.objects.count() == 1
        go_on.set()
        waiting.result(timeout=30)
    audit.seal_all()
    assert AuditSeal.objects.count() == 2
    assert AuditSeal.objects.get(seq=2).event_id < AuditSeal.objects.get(seq=1).event_id
    assert audit.verify().findings == []


@only_on_postgresql
def test_only_one_sealer_works_and_nobody_waits_for_it(console: Console) -> None:
    with transaction.atomic():
        assert sealing.take_turn(sealing.SEAL_LOCK, wait=False)
        in_thread(lambda: audit.record("auth.login"))
        assert in_thread(audit.seal) == 0
        assert in_thread(AuditPending.objects.count) == 1
    assert audit.seal() == 1


def test_a_sealer_that_dies_half_way_leaves_everything_pending(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSCONSOLE_ALLOW_FAILPOINTS", "1")
    with transaction.atomic():
        audit.record("auth.login")
        monkeypatch.setenv("OPSCONSOLE_FAILPOINT", "seal.mid:raise")
    assert AuditPending.objects.count() == 1
    with pytest.raises(OperationFailed):
        audit.seal()
    monkeypatch.delenv("OPSCONSOLE_FAILPOINT")
    assert (AuditSeal.objects.count(), audit.seal(), AuditPending.objects.count()) == (0, 1, 0)
    assert_chain_holds()


def test_a_sealer_that_is_killed_half_way_leaves_a_chain_that_goes_on(
    history: list[AuditEvent], console: Console
) -> None:
    killed = console.run("audit", "verify", env={"OPSCONSOLE_FAILPOINT": "seal.mid:kill9"})
    assert killed.returncode == -9
    assert (AuditSeal.objects.count(), AuditPending.objects.count()) == (30, 1)
    assert audit.seal_all() == 1
    assert audit.verify().exit_code == 0


def test_a_long_queue_is_sealed_in_portions(console: Console) -> None:
    with transaction.atomic():
        for _ in range(25):
            audit.record("auth.login")
        assert audit.seal(limit=10) == 10
        assert audit.seal(limit=10) == 10
        assert AuditPending.objects.count() == 5
    assert AuditSeal.objects.count() == 25
    assert_chain_holds()
