"""`python -m opsconsole.scout_process FIRST LAST`: starts Django and tells which stretches of the history are well."""

from __future__ import annotations

import sys

from opsconsole import loading


def start() -> None:
    with loading.without_pages():
        from opsconsole.audit import scouting

    scouting.tell(int(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    start()
