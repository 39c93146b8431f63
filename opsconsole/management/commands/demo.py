"""`manage.py demo`: what `up` keeps outside the home folder for the demo, and its removal."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from opsconsole import demo
from opsconsole.embedded.postgresql import folder_for
from opsconsole.exceptions import OpsError


class Command(BaseCommand):
    help = "Say where the demo's PostgreSQL is kept; with --remove, delete it (the home folder stays as it is)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--remove", action="store_true", help="delete the demo's PostgreSQL, programs and data")

    def handle(self, *args: Any, **options: Any) -> None:
        home = settings.OPSCONSOLE_HOME
        if not options["remove"]:
            folder = folder_for(home)
            self.stdout.write(str(folder) if folder.exists() else "There is no demo on this home.")
            return
        try:
            gone = demo.remove(home)
        except OpsError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Removed {gone}." if gone else "There was nothing to remove.")
