"""gunicorn's configuration: one process with threads, which suits the ORM and SQLite."""

from __future__ import annotations

import os
import signal
from typing import Any

from opsconsole import process

wsgi_app = "opsconsole.wsgi:application"
bind = os.environ.get("OPSCONSOLE_BIND", "127.0.0.1:8000")
workers = 1
threads = int(os.environ.get("WEB_THREADS", "8"))
worker_class = "gthread"
timeout = 60
graceful_timeout = 10
keepalive = 15
accesslog = "-"
access_log_format = (
    "%(t)s %(s)s %(m)s %(U)s %(b)s bytes %(M)s ms"  # no query string: it may hold what people search for
)
control_socket_disable = True
proc_name = "opsconsole-web"


def post_worker_init(worker: Any) -> None:
    """The history tells of every start, with the state of the database's guards."""
    from opsconsole import audit  # the application is loaded only now

    audit.console_started("web")


def post_fork(server: Any, worker: Any) -> None:
    """A worker process never outlives its master."""
    process.die_with_parent(worker.ppid, signal.SIGKILL)
