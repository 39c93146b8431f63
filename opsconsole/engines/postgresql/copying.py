"""Two worker processes that copy tables at the same time, and the queue that feeds them."""

from __future__ import annotations

import io
import json
import os
import selectors
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol

from opsconsole import process
from opsconsole.engines.postgresql.connect import COMMON, Connector
from opsconsole.exceptions import OperationFailed
from opsconsole.storage import failure_of

MOST_WORKERS = 2
BYTES_A_WORKER = 4 << 20  # less is copied sooner than another process starts
TICK_SECONDS = 0.25
PROGRAM, DIGESTS, JSON = (
    Path(__file__).with_name(name) for name in ("copy_worker.py", "digest_worker.py", "json_worker.py")
)
MESSAGE = 1 << 17
_NEXT = {
    "disk_full": "Free space or enlarge the disk of the store, then ask for the operation again.",
    "backup_damaged": "Do not use this backup; restore from another one.",
    "key_missing": "Ask again and hand over one of the keys that its page names.",
    "database": "Read the message of the server; nothing was published.",
}


class Handle(Protocol):
    """Something with a descriptor that a worker can read or write: an ObjectWriter, an open file."""

    def fileno(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Task:
    """One object to copy or read. `open` gives its handle when the turn comes; `size` is for progress only."""

    name: str
    order: Mapping[str, Any]
    open: Callable[[], Handle]
    size: int = 0


def nothing() -> IO[bytes]:
    """The handle of a task that reads and writes no object."""
    return open(os.devnull, "rb")


def workers_for(tasks: Sequence[Task]) -> int:
    """How many processes these tasks are worth."""
    return min(MOST_WORKERS, len(tasks), 1 + sum(task.size for task in tasks) // BYTES_A_WORKER)


@dataclass(kw_only=True)
class _Seat:
    """A worker process and what it is doing."""

    child: process.Child
    channel: socket.socket
    task: Task | None = None
    handle: Handle | None = None
    plain: int = 0
    chunks: list[str] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)


@dataclass(kw_only=True)
class CopyWorkers:
    """A context in which `run` copies. `tick(bytes_done)` is called about four times a second and may raise to stop."""

    tick: Callable[[int], None]
    connector: Connector | None = None  # None: the workers only read objects
    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    statements: tuple[str, ...] = ()
    count: int = MOST_WORKERS
    program: Path = PROGRAM  # PROGRAM copies, DIGESTS digests, JSON does both with documents
    done_bytes: int = 0
    _seats: list[_Seat] = field(default_factory=list)

    def __enter__(self) -> CopyWorkers:
        try:
            for _ in range(self.count):
                self._seats.append(_start(self.program))
            if self.connector is not None:
                self._connect()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any, dict[str, Any]]]:
        """Hand the tasks out in order and give back each with its handle and the worker's facts, as they finish.

        Raises OperationFailed with the code disk_full, backup_damaged, database, io or worker_died.
        """
        waiting = deque(tasks)
        for seat in self._seats:
            self._feed(seat, waiting)
        while any(seat.task for seat in self._seats):
            for seat, message in self._messages():
                if not _is_last(seat, message):
                    continue
                task, handle = seat.task, seat.handle
                assert task is not None and handle is not None
                if "error" in message and (failure := failure_of(handle)):
                    raise failure  # the worker saw only its pipe close
                facts = _facts(message, task.name) | {"chunks": seat.chunks, "parts": seat.parts}
                self.done_bytes += facts.get("plain_size", 0)
                self._feed(seat, waiting)
                yield task, handle, facts
            self.tick(self.done_bytes + sum(seat.plain for seat in self._seats))

    def _feed(self, seat: _Seat, waiting: deque[Task]) -> None:
        seat.task, seat.handle, seat.plain, seat.chunks, seat.parts = None, None, 0, [], []
        if waiting:
            seat.task = waiting.popleft()
            seat.handle = seat.task.open()
            socket.send_fds(seat.channel, [json.dumps(dict(seat.task.order)).encode()], [seat.handle.fileno()])

    def _connect(self) -> None:
        """Give each worker its session. The password travels through the socket, never through an argument."""
        assert self.connector is not None
        parameters = self.connector.parameters | {"dbname": self.database or self.connector.database}
        settings = [_set(name, value) for name, value in (COMMON | dict(self.settings)).items()]
        order = {"do": "connect", "parameters": parameters, "statements": [*settings, *self.statements]}
        for seat in self._seats:
            seat.channel.send(json.dumps(order).encode())
        for seat in self._seats:
            _facts(_receive(seat), "the connection of a copy worker")

    def _messages(self) -> Iterator[tuple[_Seat, dict[str, Any]]]:
        with selectors.DefaultSelector() as waiting:
            for seat in self._seats:
                if seat.task is not None:
                    waiting.register(seat.channel, selectors.EVENT_READ, seat)
            ready = [key.data for key, _ in waiting.select(TICK_SECONDS)]
        for seat in ready:
            yield seat, _receive(seat)

    def _stop(self) -> None:
        for seat in self._seats:
            seat.channel.close()
            if seat.child.poll() is None:
                os.kill(seat.child.pid, signal.SIGKILL)
            process.ended_within(seat.child, process.KILLED_SECONDS)
            if isinstance(seat.handle, io.IOBase):
                seat.handle.close()  # it was being read; writers are discarded by whoever made them
        self._seats.clear()


def _start(program: Path) -> _Seat:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        argv: list[str | Path] = [process.python(), "-P", program, str(theirs.fileno())]
        child = process.spawn(argv, pass_fds=(theirs.fileno(),), stdout=process.DEVNULL)
    return _Seat(child=child, channel=ours)


def _receive(seat: _Seat) -> dict[str, Any]:
    try:
        data = seat.channel.recv(MESSAGE)
    except ConnectionError:
        data = b""
    if not data:
        raise OperationFailed(
            "worker_died",
            f"A copy worker ended before its work was done (exit status {seat.child.wait()}).",
            "Look at the memory of this machine, then ask for the operation again.",
        )
    return dict(json.loads(data))


def _is_last(seat: _Seat, message: dict[str, Any]) -> bool:
    """Note what a worker reports on the way; true for the message that ends its task."""
    if "progress" in message:
        seat.plain = message["progress"]
    elif "chunk" in message:
        seat.chunks.append(message["chunk"])
    elif "part" in message:
        seat.parts.append(message["part"])
    else:
        return True
    return False


def _facts(message: dict[str, Any], what: str) -> dict[str, Any]:
    if "error" in message:
        code, text = message["error"], message["text"]
        raise OperationFailed(code, f"Copying {what} failed: {text}", _NEXT.get(code, ""))
    return dict(message["done"])


def _set(name: str, value: str) -> str:
    """A statement that sets one setting where the server knows it."""
    quoted = value.replace("'", "''")
    return f"SELECT set_config(name, '{quoted}', false) FROM pg_catalog.pg_settings WHERE lower(name) = lower('{name}')"
