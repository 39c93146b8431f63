"""`python -m opsconsole.worker_process OPERATION`: claims and supervises one operation, as a pool child of Celery does.

The ticker starts it when no broker can be reached, so that a lost broker delays work and never stops it. SIGTERM lets
it drain.
"""

from __future__ import annotations

import signal
import sys

from opsconsole import loading


def start() -> None:
    with loading.without_pages():
        from opsconsole import draining, worker

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, draining.begin)
    worker.run_operation(int(sys.argv[1]))


if __name__ == "__main__":
    start()
