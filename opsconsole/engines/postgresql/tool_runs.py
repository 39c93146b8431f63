"""A client program at work: its complaints kept within bounds, its streams read and fed without ever waiting for long.

Every wait here is cut into short ones, between which `tick` is called; it may raise (cancelled, out of time), and then
the program is ended. What the program complains of is read all the time, so that it never waits for us, and only the
beginning and the end of it are kept.
"""

from __future__ import annotations

import io
import os
import re
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from signal import SIGXFSZ
from typing import IO

from opsconsole import process
from opsconsole.exceptions import OperationFailed

Tick = Callable[[], None]
TICK_SECONDS = 0.2
KEPT_BYTES = 1 << 18  # of complaints: so much of their beginning, and of their end
LONGEST_LINE = 4096
LONGEST_MESSAGE = 1500
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_CAUSES = (  # the first that matches what the program said
    (
        "server_disk_full",
        r"ERROR:.*(?:No space left on device|Disk quota exceeded)",
        "Free space on the disk of the database server, then ask for the operation again.",
    ),
    (
        "disk_full",
        r"No space left on device|Disk quota exceeded|File too large",
        "Free space or enlarge the disk of the store, then ask for the operation again.",
    ),
    (
        "locked",
        r"due to lock timeout|could not obtain lock",
        "See who holds the table (pg_locks, pg_stat_activity), end it or let it finish, then ask again.",
    ),
    (
        "refused",
        r"server closed the connection|terminating connection|connection to server .* failed|no connection to the"
        r" server|could not (?:receive|send) data|lost connection",
        "Look at the server's log and at the network in between, then ask again.",
    ),
)


class Tool:
    """A running client program; `finish` waits for it. `secret` is taken out of whatever it says."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        env: Mapping[str, str],
        fds: Sequence[int],
        *,
        stdin: int | IO[bytes] | None = process.DEVNULL,
        stdout: int | IO[bytes] | None = process.DEVNULL,
        secret: str = "",
        most_file_bytes: int | None = None,
    ) -> None:
        self.name = Path(str(argv[0])).name
        self._secret = secret
        self.child = process.spawn(
            argv,
            env=env,
            pass_fds=fds,
            stdin=stdin,
            stdout=stdout,
            stderr=process.PIPE,
            most_file_bytes=most_file_bytes,
        )
        assert self.child.stderr is not None
        self._complaints = _Complaints(self.child.stderr.fileno())

    def finish(self, tick: Tick, *, harmless: re.Pattern[str] | None = None, seconds: float | None = None) -> None:
        """Wait for the end, at most `seconds`. Raises OperationFailed with the cause as its code, or "tool_failed"."""
        until = None if seconds is None else time.monotonic() + seconds
        while not process.ended_within(self.child, TICK_SECONDS):
            tick()
            if until is not None and time.monotonic() > until:
                raise OperationFailed(
                    "timeout",
                    f"{self.name} did not finish within {seconds:.0f} seconds.",
                    "Look at this machine's load.",
                )
        if self.child.returncode == 0:
            return
        said = self.said()
        wrong = [line for line in said if "error:" in line and not (harmless and harmless.search(line))]
        if harmless and self.child.returncode == 1 and said and not wrong:
            return
        raise self._failed(" ".join(wrong or said)[-LONGEST_MESSAGE:])

    def said(self) -> list[str]:
        """The lines of its complaints, cut to LONGEST_LINE, without the secret and without signs for terminals."""
        text = self._complaints.text()
        if self._secret:
            text = text.replace(self._secret, "***")
        return [_CONTROL.sub("", line)[:LONGEST_LINE] for line in text.splitlines()]

    def output(self, tick: Tick) -> IO[bytes]:
        """Its standard output (asked for with process.PIPE), to be read by lines or blocks."""
        assert self.child.stdout is not None
        return io.BufferedReader(_Polled(self.child.stdout.fileno(), tick), 1 << 20)

    def feed(self, data: bytes, tick: Tick) -> None:
        """Write to its standard input. Raises BrokenPipeError when it has stopped reading."""
        assert self.child.stdin is not None
        descriptor, view = self.child.stdin.fileno(), memoryview(data)
        os.set_blocking(descriptor, False)
        while view:
            if select.select([], [descriptor], [], TICK_SECONDS)[1]:
                view = view[os.write(descriptor, view) :]
            else:
                tick()

    def end_of_feed(self) -> None:
        """Close its standard input."""
        assert self.child.stdin is not None
        self.child.stdin.close()

    def close(self) -> None:
        if self.child.poll() is None:
            process.stop(self.child, grace=1.0)
        self._complaints.stop()
        process.close_pipes(self.child)

    def _failed(self, text: str) -> OperationFailed:
        if self.child.returncode == -SIGXFSZ:
            why = f"{self.name} wrote more than is kept in memory."
            return OperationFailed("too_large", why, "Ask for the format custom, which keeps nothing in memory.")
        for code, pattern, next_step in _CAUSES:
            if re.search(pattern, text):
                return OperationFailed(code, f"{self.name} failed: {text}", next_step)
        how = text or f"it ended with status {self.child.returncode}"
        return OperationFailed("tool_failed", f"{self.name} failed: {how}", "Read the message of the program.")


@contextmanager
def running(tool: Tool) -> Iterator[Tool]:
    """Stop the program when the block ends early."""
    try:
        yield tool
    finally:
        tool.close()


class _Complaints:
    """Reads a program's standard error in a thread of its own, to its end or until it is stopped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._head, self._tail, self._lost = bytearray(), bytearray(), 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, name="complaints", daemon=True)
        self._thread.start()

    def text(self) -> str:
        """What was said, once the program has ended."""
        self._thread.join(1.0)
        gap = f"\n[{self._lost} bytes left out]\n".encode() if self._lost else b""
        return (bytes(self._head) + gap + bytes(self._tail)).decode(errors="replace")

    def stop(self) -> None:
        self._over.set()
        self._thread.join(2 * TICK_SECONDS)

    def _read(self) -> None:
        while not self._over.is_set():
            if not select.select([self._descriptor], [], [], TICK_SECONDS)[0]:
                continue
            data = os.read(self._descriptor, 1 << 16)
            if not data:
                return
            room = KEPT_BYTES - len(self._head)
            self._head += data[:room]
            self._tail += data[room:] if room > 0 else data
            if len(self._tail) > 2 * KEPT_BYTES:
                self._lost += len(self._tail) - KEPT_BYTES
                del self._tail[:-KEPT_BYTES]


class _Polled(io.RawIOBase):
    """A pipe that is looked at before it is read, so that a silent program does not hold us up."""

    def __init__(self, descriptor: int, tick: Tick) -> None:
        self._descriptor = descriptor
        self._tick = tick

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not select.select([self._descriptor], [], [], TICK_SECONDS)[0]:
            self._tick()
        return os.readv(self._descriptor, [buffer])
