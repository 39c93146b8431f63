"""`python -m opsconsole.scout_process FIRST LAST` tells which stretches of the history are well.

It reads the console's settings for its database and starts none of its apps, which would take longer than many links.
"""

from __future__ import annotations

import os
import sys

from opsconsole import loading


def start() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsconsole.settings")
    with loading.at_once():
        from opsconsole.chain import scouts

    scouts.tell(int(sys.argv[1]), int(sys.argv[2]))


if __name__ == "__main__":
    start()
