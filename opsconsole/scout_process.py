"""`python -m opsconsole.scout_process FIRST LAST`: starts Django and tells which stretches of the history are well."""

from __future__ import annotations

import os
import sys


def start() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsconsole.settings")
    import django

    django.setup()
    from opsconsole.audit import scouting

    scouting.tell(int(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    start()
