"""A real console in the foreground, as `make run` starts it, for tests of starting and stopping."""

from __future__ import annotations

import http.client
import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opsconsole import process
from tests.support.console import MANAGE
from tests.support.servers import free_port
from tests.support.waiting import wait_until

START_SECONDS = 120.0
MARK = "OPSCONSOLE_TEST_TREE"


@dataclass
class Running:
    """A console's foreground process, and everything that it says."""

    home: Path
    port: int
    child: process.Child
    output: Path

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        """Until it has said all that it says at the start; raises AssertionError with that when it ends first."""
        ready, last = f"Ops Console is ready at http://127.0.0.1:{self.port}/", "Ctrl-C stops everything."
        wait_until(lambda: last in self.said() or self.child.poll() is not None, ready, seconds=START_SECONDS)
        assert ready in self.said(), self.said()

    def run_file(self) -> dict[str, Any]:
        return json.loads((self.home / "run.json").read_text())  # type: ignore[no-any-return]

    def get(self, path: str) -> int:
        """The status of a page."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        line.request("GET", path)
        return line.getresponse().status

    def signal(self, number: int) -> None:
        os.kill(self.child.pid, number)

    def ended(self, seconds: float = 60.0) -> int:
        """Its exit status, once it has ended."""
        assert process.ended_within(self.child, seconds), f"it still runs:\n{self.said()}"
        assert self.child.returncode is not None
        return self.child.returncode

    def survivors(self) -> list[str]:
        """Command lines of processes of this console that still run."""
        mark = f"{MARK}={self.home}".encode()
        return [line for pid, line in _processes() if mark in _read(pid, "environ").split(b"\0")]

    def wait_until_nothing_is_left(self) -> None:
        wait_until(lambda: not self.survivors(), f"{self.home} has no process left", seconds=15.0)


@contextmanager
def started(home: Path, env: Mapping[str, str] | None = None, *, argv: list[str] | None = None) -> Iterator[Running]:
    """Start `manage.py up` (or `argv`) on a home, and end all of it afterwards."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    port, output = free_port(), home / "said.txt"
    words = argv or [process.python(), str(MANAGE), "up", "--port", str(port)]
    full = {
        "OPSCONSOLE_HOME": str(home),
        "HOME": str(home),
        MARK: str(home),
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
        "OPSCONSOLE_SCHEDULES": "no",
    }
    with output.open("wb") as sink:
        child = process.spawn(words, env=full | dict(env or {}), stdout=sink, stderr=sink, cwd=MANAGE.parent)
    running = Running(home, port, child, output)
    try:
        yield running
    finally:
        process.stop(child, grace=40.0)
        for pid, _ in _processes():
            if f"{MARK}={home}".encode() in _read(pid, "environ").split(b"\0"):
                os.kill(pid, signal.SIGKILL)


def answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        line = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=2)
        line.request("GET", "/login/")
        return line.getresponse().status == 200
    except OSError:
        return False


def _processes() -> list[tuple[int, str]]:
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [(pid, _read(pid, "cmdline").replace(b"\0", b" ").decode()) for pid in found if process.alive(pid)]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
