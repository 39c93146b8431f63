"""A program of its own that moves rows between a PostgreSQL server and objects of a store, for `copying`.

It knows neither Django nor the rest of the console, so that it stays below 64 MiB at any size of table. Its one
argument is the descriptor of a socket: each message is a task in JSON, with the object's descriptor beside it; it
answers with progress and one result. It ends when the socket closes, and dies with its parent.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
from backports import zstd
from psycopg import pq

BLOCK = 1 << 18  # bytes gathered before they are hashed and compressed
READ = 1 << 20
STORED_CHUNK = 64 << 20  # of the stored bytes; each gets a digest of its own
REPORT_SECONDS = 0.3
MESSAGE = 1 << 17
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Broken(Exception):
    """The bytes are not what they should be."""


class Channel:
    """The socket to the parent."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._last = 0.0

    def task(self) -> tuple[dict[str, Any], int | None] | None:
        """The next task and its descriptor, None when the parent has closed the socket."""
        data, descriptors, _, _ = socket.recv_fds(self._socket, MESSAGE, 1)
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


class Counted:
    """Sizes and digests of one object, of its plain and its stored bytes. `on_chunk` takes each chunk's digest."""

    def __init__(self, on_chunk: Callable[[str], None] = lambda digest: None) -> None:
        self.plain_size = self.size = 0
        self._plain, self._stored = hashlib.sha256(), hashlib.sha256()
        self._chunk = self._stored  # the first chunk begins where the object does, and most objects have no other
        self._room = STORED_CHUNK
        self._on_chunk = on_chunk

    def plain(self, data: bytes | bytearray | memoryview) -> None:
        self.plain_size += len(data)
        self._plain.update(data)

    def stored(self, data: bytes) -> None:
        self.size += len(data)
        view = memoryview(data)
        while view:
            part, view = view[: self._room], view[self._room :]
            self._stored.update(part)
            if self._chunk is not self._stored:
                self._chunk.update(part)
            self._room -= len(part)
            if not self._room:
                self._close_chunk()

    def facts(self) -> dict[str, Any]:
        if self._room < STORED_CHUNK:
            self._close_chunk()
        return {
            "size": self.size,
            "sha256": named(self._stored),
            "plain_size": self.plain_size,
            "plain_sha256": named(self._plain),
        }

    def _close_chunk(self) -> None:
        self._on_chunk(named(self._chunk))
        self._chunk, self._room = hashlib.sha256(), STORED_CHUNK


def named(digest: hashlib._Hash) -> str:
    return "sha256:" + digest.hexdigest()


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
        """COPY ... TO STDOUT, compressed into the descriptor, durable when this returns."""
        assert descriptor is not None
        counted, compressor = Counted(self.channel.chunk), zstd.ZstdCompressor(level=task["level"])
        connection = self._copying_out(task["sql"])
        gathered, next_row = bytearray(), connection.get_copy_data
        while True:  # the server sends a message a row, so that this loop is half of what a backup costs
            length, data = next_row(0)
            if length <= 0:
                break
            gathered += data
            if len(gathered) >= BLOCK:
                self._store(counted, compressor.compress(gathered), gathered, descriptor)
                gathered.clear()
        rows = self._finish(connection)
        self._store(counted, compressor.compress(gathered, zstd.ZstdCompressor.FLUSH_FRAME), gathered, descriptor)
        make_durable(descriptor)
        return {"rows": rows} | counted.facts()

    def copy_in(self, task: dict[str, Any], descriptor: int | None) -> dict[str, Any]:
        """COPY ... FROM STDIN of an object, whose digests must be the expected ones before the rows count."""
        assert descriptor is not None
        connection = self._pgconn()
        self._expect(connection.exec_(task["sql"].encode()), pq.ExecStatus.COPY_IN)
        try:
            facts = self._read_checked(task, descriptor, connection.put_copy_data)
        except (Broken, zstd.ZstdError) as error:
            connection.put_copy_end(b"the backup is damaged")
            while connection.get_result() is not None:
                pass
            raise Broken(str(error)) from error
        connection.put_copy_end()
        return {"rows": self._finish(connection)} | facts

    def read(self, task: dict[str, Any], descriptor: int | None) -> dict[str, Any]:
        """Read an object to its end and check it; nothing is connected."""
        assert descriptor is not None
        return self._read_checked(task, descriptor, lambda data: None)

    def _read_checked(self, task: dict[str, Any], descriptor: int, sink: Any) -> dict[str, Any]:
        counted = Counted()
        for data in unpacked(descriptor, counted):
            sink(data)
            self.channel.progress(counted.plain_size)
        facts = counted.facts()
        wrong = [name for name, value in task["expected"].items() if facts[name] != value]
        if wrong:
            raise Broken(f"{', '.join(wrong)} differ from the manifest")
        return facts

    def _store(self, counted: Counted, packed: bytes, plain: bytearray, descriptor: int) -> None:
        counted.plain(plain)
        counted.stored(packed)
        write_all(descriptor, packed)
        self.channel.progress(counted.plain_size)

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


def unpacked(descriptor: int, counted: Counted) -> Iterator[bytes]:
    """The plain bytes of a zstd object in pieces of at most 1 MiB. Raises Broken for a cut or padded one."""
    unpacker = zstd.ZstdDecompressor()
    while stored := os.read(descriptor, READ):
        if unpacker.eof:
            raise Broken("there are bytes after its end")
        counted.stored(stored)
        data = unpacker.decompress(stored, READ)
        while True:
            counted.plain(data)
            yield data
            if unpacker.eof or unpacker.needs_input:
                break
            data = unpacker.decompress(b"", READ)
    if not unpacker.eof or unpacker.unused_data:
        raise Broken("it is cut off, or goes on after its end")


def make_durable(descriptor: int) -> None:
    """As far as we can: whoever reads a pipe looks after its bytes."""
    if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        os.fsync(descriptor)


def message_of(result: pq.abc.PGresult) -> str:
    """What the server says, without details and context: these quote values of rows."""
    text = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
    return text.decode(errors="replace") if text else f"an unexpected answer ({result.status})"


def write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def answer(worker: Worker, task: dict[str, Any], descriptor: int | None) -> dict[str, Any]:
    """Do one task; every failure becomes an answer with a code that the parent knows."""
    try:
        return {"done": getattr(worker, task["do"])(task, descriptor)}
    except OSError as error:
        return {"error": "disk_full" if error.errno in DISK_FULL else "io", "text": os.strerror(error.errno or 0)}
    except (Broken, zstd.ZstdError) as error:
        return {"error": "backup_damaged", "text": str(error)}
    except psycopg.Error as error:
        return {"error": "database", "text": error.diag.message_primary or " ".join(str(error).split())}
    finally:
        if descriptor is not None:
            os.close(descriptor)


def serve(kind: type[Worker]) -> None:
    """Do the tasks that come through the socket whose descriptor is the program's argument."""
    channel = Channel(int(sys.argv[1]))
    worker = kind(channel)
    while (given := channel.task()) is not None:
        channel.send(answer(worker, *given))


if __name__ == "__main__":
    serve(Worker)
