"""`manage.py worker`: a Celery worker and its ticker, for another host near some databases."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from opsconsole import startup
from opsconsole.celery import broker_url
from opsconsole.management.fitness import require_fit_host
from opsconsole.process_tree import ProcessTree


class Command(BaseCommand):
    help = "Start a Celery worker and its ticker in the foreground; Ctrl-C stops both."

    def add_arguments(self, parser: ArgumentParser) -> None:
        queues = ",".join(settings.WORKER_QUEUES)
        parser.add_argument("--queues", default=queues, help="queues to serve, comma-separated (default: %(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        broker = broker_url(settings.OPSCONSOLE_HOME, settings.BROKER_URL)
        if broker.startswith("memory:"):
            raise CommandError(
                "There is no broker: BROKER_URL is not set and no console runs on this home. "
                "Set BROKER_URL to the console's Redis, and DATABASE_URL to its database."
            )
        require_fit_host()
        queues = [word.strip() for word in options["queues"].split(",") if word.strip()]
        tree = ProcessTree(settings.OPSCONSOLE_HOME / "logs" / f"worker-{'-'.join(queues)}")
        tree.listen()
        startup.start_worker(tree, queues, broker)
        self.stdout.write(f"Worker for {', '.join(queues)}; logs in {tree.logs}. Ctrl-C stops it.")
        self.stdout.flush()
        try:
            ended = tree.watch()
        finally:
            tree.stop()
        if ended is not None:
            raise CommandError(startup.report_end(ended))
