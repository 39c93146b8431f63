"""Named places where a test may make the program die, stop, wait or fail.

`OPSCONSOLE_FAILPOINT=NAME:kill9|raise|stop|sleep=SECONDS` is honoured only with `OPSCONSOLE_ALLOW_FAILPOINTS=1`, which
a production installation refuses to start with.
"""

from __future__ import annotations

import os
import signal
import time

from opsconsole.exceptions import OperationFailed


def hit(name: str) -> None:
    """Do what the environment asks for at this place; nothing when it asks for nothing."""
    if os.environ.get("OPSCONSOLE_ALLOW_FAILPOINTS") != "1":
        return
    wanted, _, action = os.environ.get("OPSCONSOLE_FAILPOINT", "").partition(":")
    if wanted != name:
        return
    if action == "kill9":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif action.startswith("sleep="):
        time.sleep(float(action.partition("=")[2]))
    elif action == "raise":
        raise OperationFailed(
            "failpoint", f"The failpoint {name} was asked to fail.", "Take OPSCONSOLE_FAILPOINT out of the environment."
        )
