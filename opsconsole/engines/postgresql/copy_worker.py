"""A program of its own that moves rows between a PostgreSQL server and objects of a store, for `copying`.

It knows neither Django nor the rest of the console but `object_bytes`, so that it stays below 64 MiB at any size of
table. Its one argument is the descriptor of a socket: each message is a task in JSON, with the object's descriptor
beside it; it answers with progress and one result. It ends when the socket closes, and dies with its parent.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import stat
import sys
import time
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
from backports import zstd
from psycopg import pq

if TYPE_CHECKING or __package__:
    from opsconsole.engines.object_bytes import Broken, Counted, NoKey, Outgoing, checked, read_blocks, write_all
else:  # as a program: the folder above comes last, so that no name in it hides one of a package
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from object_bytes import Broken, Counted, NoKey, Outgoing, checked, read_blocks, write_all

BLOCK = 1 << 18  # bytes gathered before they are hashed and compressed
REPORT_SECONDS = 0.3
MESSAGE = 1 << 17
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Channel:
    """The socket to the parent."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._last = 0.0

    def task(self) -> tuple[dict[str, Any], int | None] | None:
        """The next task and its descriptor, None when the parent has closed the socket, or is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, MESSAGE, 1)
        except ConnectionResetError:  # it was killed before it had read our last answer
            return None
        return (json.loads(data), descriptors[0] if descriptors else None) if data else None

    def progress(self, plain: int) -> None:
        now = time.monotonic()
        if now - self._last >= REPORT_SECONDS:
            self._last = now
            self.send({"progress": plain})

    def chunk(self, digest: str) -> None:
        """Digests of chunks go ahead one by one: a huge object has more than one message can hold."""
        self.send({"chunk": digest})

    def send(self, answer: dict[str, Any]) -> None:
        self._socket.send(json.dumps(answer).encode())


class Worker:
    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.connection: psycopg.Connection[Any] | None = None

    def connect(self, task: dict[str, Any], _: int | None) -> dict[str, Any]:
        """Open the session and run its opening statements (settings, the shared snapshot)."""
        self.connection = psycopg.connect(**task["parameters"], autocommit=True, prepare_threshold=None)
        for statement in task["statements"]:
            self.connection.execute(statement.encode())
        self.connection.pgconn.nonblocking = 0  # else what the server has not taken yet piles up in our memory
        return {}

    def copy_out(self, task: dict[str, Any], descriptor: int | None) -> dict[str, Any]:
        """COPY ... TO STDOUT, compressed (and encrypted) into the descriptor, durable when this returns."""
        assert descriptor is not None
        counted, compressor = Counted(self.channel.chunk), zstd.ZstdCompressor(level=task["level"])
        stored = Outgoing(counted, lambda data: write_all(descriptor, data), task.get("recipients", ()))
        try:
            rows = self._copy_rows(task["sql"], compressor, stored, counted)
            stored.finish()
        finally:
            stored.abandon()
        make_durable(descriptor)
        return {"rows": rows} | counted.facts()

    def copy_in(self, task: dict[str, Any], descriptor: int | None) -> dict[str, Any]:
        """COPY ... FROM STDIN of an object, whose digests must be the expected ones before the rows count."""
        assert descriptor is not None
        connection = self._pgconn()
        self._expect(connection.exec_(task["sql"].encode()), pq.ExecStatus.COPY_IN)
        try:
            facts = self._read_checked(task, descriptor, connection.put_copy_data)
        except (Broken, NoKey):
            connection.put_copy_end(b"the backup is damaged, or there is no key for it")
            while connection.get_result() is not None:
                pass
            raise
        connection.put_copy_end()
        return {"rows": self._finish(connection)} | facts

    def read(self, task: dict[str, Any], descriptor: int | None) -> dict[str, Any]:
        """Read an object to its end and check it; nothing is connected."""
        assert descriptor is not None
        return self._read_checked(task, descriptor, lambda data: None)

    def _read_checked(self, task: dict[str, Any], descriptor: int, sink: Any) -> dict[str, Any]:
        counted = Counted()
        with closing(self._plain(task, descriptor, counted)) as blocks:
            for data in blocks:
                sink(data)
        return counted.facts()

    def _plain(self, task: dict[str, Any], descriptor: int, counted: Counted) -> Generator[bytes]:
        """The plain bytes of an object, which are the expected ones once this is exhausted."""
        blocks = checked(read_blocks(descriptor), counted, task["expected"], identities=task.get("identities"))
        with closing(blocks):
            for data in blocks:
                self.channel.progress(counted.plain_size)
                yield data

    def _copy_rows(self, sql: str, compressor: zstd.ZstdCompressor, stored: Outgoing, counted: Counted) -> int:
        """Rows of the server, compressed; gives back how many there were."""
        connection = self._copying_out(sql)
        gathered, next_row = bytearray(), connection.get_copy_data
        while True:  # the server sends a message a row, so that this loop is half of what a backup costs
            length, data = next_row(0)
            if length <= 0:
                break
            gathered += data
            if len(gathered) >= BLOCK:
                counted.plain(gathered)
                stored.take(compressor.compress(gathered))
                self.channel.progress(counted.plain_size)
                gathered.clear()
        rows = self._finish(connection)
        counted.plain(gathered)
        stored.take(compressor.compress(gathered, zstd.ZstdCompressor.FLUSH_FRAME))
        return rows

    def _copying_out(self, statement: str) -> pq.abc.PGconn:
        """The connection once the server has begun to send; `get_copy_data` gives rows, then `_finish` their number."""
        connection = self._pgconn()
        self._expect(connection.exec_(statement.encode()), pq.ExecStatus.COPY_OUT)
        return connection

    def _finish(self, connection: pq.abc.PGconn) -> int:
        result = connection.get_result()
        assert result is not None
        self._expect(result, pq.ExecStatus.COMMAND_OK)
        rows = result.command_tuples or 0
        while connection.get_result() is not None:
            pass
        return rows

    def _pgconn(self) -> pq.abc.PGconn:
        assert self.connection is not None
        return self.connection.pgconn

    @staticmethod
    def _expect(result: pq.abc.PGresult, status: pq.ExecStatus) -> None:
        if result.status != status:
            raise psycopg.OperationalError(message_of(result))


def make_durable(descriptor: int) -> None:
    """As far as we can: whoever reads a pipe looks after its bytes."""
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.fsync(descriptor)


def message_of(result: pq.abc.PGresult) -> str:
    """What the server says, without details and context: these quote values of rows."""
    text = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
    return text.decode(errors="replace") if text else f"an unexpected answer ({result.status})"


def answer(worker: Worker, task: dict[str, Any], descriptor: int | None) -> dict[str, Any]:
    """Do one task; every failure becomes an answer with a code that the parent knows."""
    try:
        return {"done": getattr(worker, task["do"])(task, descriptor)}
    except OSError as error:
        return {"error": "disk_full" if error.errno in DISK_FULL else "io", "text": os.strerror(error.errno or 0)}
    except Broken as error:
        return {"error": "backup_damaged", "text": str(error)}
    except NoKey:
        return {"error": "key_missing", "text": "no key that is at hand decrypts it"}
    except psycopg.Error as error:
        return {"error": "database", "text": error.diag.message_primary or " ".join(str(error).split())}
    finally:
        if descriptor is not None:
            os.close(descriptor)


def serve(kind: type[Worker]) -> None:
    """Do the tasks that come through the socket whose descriptor is the program's argument."""
    channel = Channel(int(sys.argv[1]))
    worker = kind(channel)
    with contextlib.suppress(BrokenPipeError):  # the parent is gone: nobody waits for the answer
        while (given := channel.task()) is not None:
            channel.send(answer(worker, *given))


if __name__ == "__main__":
    serve(Worker)
