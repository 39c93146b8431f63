"""The Celery application. A message carries the id of an operation and nothing else; rows decide what happens.

So messages are acknowledged early and never redelivered by the broker, results are not kept, and Celery sets no time
limits: the operation row has the deadline, and the runner keeps it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from celery import Celery
from celery.signals import worker_process_init, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsconsole.settings")

from django.conf import settings

from opsconsole import draining, process


def broker_url(home: Path, configured: str) -> str:
    """The broker of this console: the configured one, else the one that a running `up` wrote into `run.json`.

    (`up` writes none that needs a password: then a second shell must be given BROKER_URL too, or do without.)

    Raises nothing: without a broker the address is `memory://`, and operations start when a ticker polls for them.
    """
    if configured:
        return configured
    try:
        return str(json.loads((home / "run.json").read_text())["broker"]) or "memory://"
    except (OSError, ValueError, KeyError):
        return "memory://"


app = Celery("opsconsole")
app.conf.update(
    broker_url=broker_url(settings.OPSCONSOLE_HOME, settings.BROKER_URL),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # a broker that is gone for a day is no reason to end a worker
    broker_transport_options={"socket_connect_timeout": 5, "socket_timeout": 30},
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    result_backend=None,
    task_acks_late=False,
    task_reject_on_worker_lost=False,
    task_default_queue="default",
    task_publish_retry=False,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_enable_remote_control=True,
    enable_utc=True,
    timezone="UTC",
    beat_schedule={"wake": {"task": "opsconsole.tick", "schedule": 15.0, "options": {"expires": 10}}},
)
app.autodiscover_tasks(["opsconsole"])
worker_shutting_down.connect(draining.begin, weak=False)  # in the worker itself; its pool children see the same flag


@worker_process_init.connect
def _end_with_worker(**_: object) -> None:
    """A pool child that supervises an operation never outlives its worker, however that one ends."""
    process.die_with_parent(os.getppid())
