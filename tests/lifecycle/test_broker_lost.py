"""Redis is killed while operations are queued and running, and comes back empty: nothing is lost, nothing runs twice.

Real Celery workers and a ticker, and a Redis that keeps nothing on disk.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from opsconsole import operations, process, startup
from opsconsole.embedded.redis import EmbeddedRedis
from opsconsole.models import Operation
from opsconsole.states import State
from tests.support.cases import events_of, state_of, wait_until
from tests.support.console import MANAGE, Console
from tests.support.registering import register
from tests.support.servers import shared_folder
from tests.support.shops import SqliteShop

PATIENT = {"LEASE_SECONDS": "60", "SELF_FENCE_SECONDS": "40"}  # two workers share one core with others here
pytestmark = pytest.mark.serial


@dataclass
class Site:
    """A broker, a Celery worker and a ticker of one console, and three shops."""

    broker: EmbeddedRedis
    broker_log: Path
    worker: process.Child
    ticker: process.Child
    logs: Path
    rows: list[Any]

    def kill_broker(self) -> None:
        child = self.broker.child
        assert child is not None
        child.kill()
        child.wait()

    def start_broker(self) -> None:
        self.broker.start(log=self.broker_log)

    def said(self, name: str) -> str:
        return (self.logs / name).read_text(errors="replace")

    def started_by_ticker(self) -> int:
        return self.said("ticker").count("is started by the ticker")


@contextmanager
def site(console: Console, failpoint: str) -> Iterator[Site]:
    """Everything runs when the block begins; runs sleep at the failpoint."""
    rows = []
    for name in ("first", "second", "third"):
        made = SqliteShop.make(console.files / name)
        rows.append(register(name, made.url, environment="development"))
    with shared_folder() as folder, ExitStack() as stack:
        broker = EmbeddedRedis(folder / "redis")
        broker.start(log=folder / "broker")
        stack.callback(broker.stop)
        env = console.env | PATIENT | {"BROKER_URL": broker.url(), "OPSCONSOLE_FAILPOINT": failpoint}
        argv = [
            *startup.celery("worker"), "--pool", "prefork", "--concurrency", "2", "--queues", "default",
            "--without-gossip", "--without-mingle", "--loglevel", "INFO",
        ]  # fmt: skip
        children = []
        for name, words in (("worker", argv), ("ticker", console.argv("ticker"))):
            with (folder / name).open("wb") as sink:
                children.append(process.spawn(words, env=env, stdout=sink, stderr=sink, cwd=MANAGE.parent))
            stack.callback(process.stop, children[-1])
        made_site = Site(broker, folder / "broker", children[0], children[1], folder, rows)
        wait_until(lambda: "ready." in made_site.said("worker"), "the worker is ready")
        yield made_site


def runs(operation: Operation) -> int:
    """How often it was really run: claims that did not end in waiting again."""
    events = events_of(operation)
    return events.count("op.claimed") - events.count("op.waiting")


def test_nothing_is_lost_and_nothing_runs_twice(console, cast):
    with site(console, "backup.mid:sleep=3") as here:
        running, queued = (operations.request("backup", here.rows[0], {}, account=cast.ada) for _ in range(2))
        wait_until(lambda: state_of(running) == State.RUNNING and running.progress, "the first run")
        here.kill_broker()
        meanwhile = [operations.request("backup", row, {}, account=cast.ada) for row in here.rows[1:]]
        wait_until(lambda: here.started_by_ticker() > 0, "the ticker starts what is due")
        time.sleep(3.0)  # longer than anybody keeps a hint
        here.start_broker()
        asked = [running, queued, *meanwhile]
        wait_until(lambda: {state_of(each) for each in asked} == {State.SUCCEEDED}, "the end of all", seconds=120)
        assert [runs(each) for each in asked] == [1] * 4
        assert [row.backups.count() for row in here.rows] == [2, 1, 1]
        before = here.started_by_ticker()
        last = operations.request("backup", here.rows[1], {}, account=cast.ada)
        wait_until(lambda: state_of(last) == State.SUCCEEDED, "a run through the new broker")
        assert (runs(last), here.started_by_ticker()) == (1, before)
        assert here.worker.poll() is None
        assert here.ticker.poll() is None


def test_a_celery_worker_that_gets_term_drains(console, cast):
    with site(console, "backup.mid:sleep=4") as here:
        operation = operations.request("backup", here.rows[0], {}, account=cast.ada)
        wait_until(lambda: state_of(operation) == State.RUNNING and operation.progress, "the run")
        here.worker.send_signal(signal.SIGTERM)
        assert here.worker.wait(40) == 0
        assert (state_of(operation), operation.attempts) == (State.QUEUED, 0)
        assert "op.lost" not in events_of(operation)
        assert here.rows[0].backups.count() == 0
