"""What the runner of an operation and its supervisor say to each other, over two pipes."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from typing import Any

CANCEL, DRAIN = b"c", b"d"  # to the runner: somebody asked to cancel; the worker is shutting down
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


class Channel:
    """The pipe to the supervisor: JSON lines of progress and log. A closed pipe ends the runner."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._mutex = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self._mutex:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]

    def log(self, line: str) -> None:
        """Lines of the live log, without control characters."""
        for part in line.splitlines():
            self.send({"line": _CONTROL.sub("", part)[:4096]})
