"""What the runner of an operation and its supervisor say to each other, over two pipes."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from typing import Any

CANCEL, DRAIN = b"c", b"d"  # to the runner: somebody asked to cancel; the worker is shutting down
MOST_LINES, MOST_LOG_BYTES = 5000, 5 << 20  # of one run's live log; what follows is not kept
LONGEST_LINE = 4096  # characters
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
            self.send({"line": _CONTROL.sub("", part)[:LONGEST_LINE]})


class LiveLog:
    """The supervisor's end of the log: keeps lines as long as there is room, and says when there is none."""

    def __init__(self) -> None:
        self._fresh: list[str] = []
        self._lines = self._bytes = 0

    def keep(self, line: str) -> None:
        if self._is_full():
            return
        self._lines += 1
        self._bytes += len(line.encode())
        self._fresh.append(line)
        if self._is_full():
            self._fresh.append("This log is full; what follows is not kept.")

    def take(self) -> list[str]:
        """The lines since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def _is_full(self) -> bool:
        return self._lines >= MOST_LINES or self._bytes >= MOST_LOG_BYTES
