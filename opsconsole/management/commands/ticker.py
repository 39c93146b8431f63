"""`manage.py ticker`: what must happen without anybody asking (reap, seal, republish, expire), once a second."""

from __future__ import annotations

import logging
import signal
import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from opsconsole import tasks
from opsconsole.management.fitness import require_fit_host
from opsconsole.polling import Poller
from opsconsole.startup import WORKER_GRACE_SECONDS

SECONDS = 1.0
DRAIN_SECONDS = WORKER_GRACE_SECONDS - 5


class Command(BaseCommand):
    help = "Run the console's chores once a second until stopped; one beside every worker, any number is safe."

    def handle(self, *args: Any, **options: Any) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        require_fit_host()
        going = True
        poller = Poller()

        def stop(*_: object) -> None:
            nonlocal going
            going = False

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        while going:
            began = time.monotonic()
            tasks.tick_once()
            poller.step()
            _sleep_until(began + SECONDS, lambda: going)
        poller.drain(seconds=DRAIN_SECONDS)
        connection.close()


def _sleep_until(moment: float, going: Any) -> None:
    """Short naps, so that a signal is noticed at once."""
    while going() and (left := moment - time.monotonic()) > 0:
        time.sleep(min(left, 0.1))
