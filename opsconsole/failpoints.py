"""Named places where a test may make the program die, stop, wait or fail.

`OPSCONSOLE_FAILPOINT=NAME:kill9|raise|stop|sleep=SECONDS` (or several, separated by commas) is honoured only with
`OPSCONSOLE_ALLOW_FAILPOINTS=1`, which a production installation refuses to start with.
"""

from __future__ import annotations

import os
import signal
import time

from opsconsole.exceptions import OperationFailed


def hit(name: str) -> None:
    """Do what the environment asks for at this place; nothing when it asks for nothing."""
    action = _asked_for(name)
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


def is_on(name: str) -> bool:
    """Whether the environment asks for `NAME:on`: a test wants something left out."""
    return _asked_for(name) == "on"


def _asked_for(name: str) -> str:
    if os.environ.get("OPSCONSOLE_ALLOW_FAILPOINTS") != "1":
        return ""
    asked = (word.partition(":") for word in os.environ.get("OPSCONSOLE_FAILPOINT", "").split(","))
    return next((action for wanted, _, action in asked if wanted == name), "")
