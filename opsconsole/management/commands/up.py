"""`manage.py up`: the whole console in the foreground. Ctrl-C stops it."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from opsconsole import demo, startup
from opsconsole.exceptions import OpsError
from opsconsole.management.fitness import require_fit_host
from opsconsole.process_tree import ProcessTree, follow_parent


class Command(BaseCommand):
    help = "Start broker, web, worker, ticker and beat in the foreground; Ctrl-C stops them all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="port to listen on (default: %(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        home = settings.OPSCONSOLE_HOME
        os.umask(0o077)  # whatever the console writes is its owner's alone
        tree = ProcessTree(home / "logs")
        tree.listen()
        if "MAKELEVEL" in os.environ:
            follow_parent()
        try:
            lock = startup.HomeLock(home)
            startup.refuse_used_port(options["host"], options["port"])
            self._start(tree, options["host"], options["port"])
            ended = tree.watch()
        except OpsError as error:
            raise CommandError(str(error)) from None
        finally:
            if tree.members:
                self.stdout.write("Stopping ...")
                tree.stop()
                startup.remove_run_file(home)
        if ended is not None:
            raise CommandError(startup.report_end(ended))
        del lock

    def _start(self, tree: ProcessTree, host: str, port: int) -> None:
        home = settings.OPSCONSOLE_HOME
        broker = startup.start_broker(tree)
        self.stdout.write("Preparing the console's own database ...")
        startup.migrate(tree)
        if not tree.asked_to_stop:
            require_fit_host()
        story = demo.start(tree, self.stdout.write) if settings.DEMO and not tree.asked_to_stop else None
        startup.collect_static(tree)
        startup.start_web(tree, host, port, broker)
        startup.start_worker(tree, settings.WORKER_QUEUES, broker)
        startup.start_beat(tree, broker)
        startup.wait_until_ready(tree, host, port)
        if tree.asked_to_stop:
            return
        url = startup.url_of(host, port)
        content = {"url": url, "pids": {"up": os.getpid()} | tree.pids(), "broker": startup.told_broker(broker)}
        if story is not None:
            content["embedded"] = str(story.folder)
        startup.write_run_file(home, content)
        self.stdout.write(f"\nOps Console is ready at {url}\n")
        if story is not None:
            self.stdout.write(story.told())
        self.stdout.write("Ctrl-C stops everything.\n")
        self.stdout.flush()
