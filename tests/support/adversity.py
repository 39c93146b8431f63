"""Hostile surroundings for tests: a network that breaks, programs that misbehave, disks that are full."""

from __future__ import annotations

import os
import re
import resource
import selectors
import signal
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from opsconsole import process
from tests.support.cases import runners_of, stopped_at
from tests.support.console import Console

# -- a network that breaks ------------------------------------------------------------------------------------------


class Cutter:
    """A TCP proxy that resets the connection which carries the byte number `cut_at` of one direction, once."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._mutex = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.carried = {"in": 0, "out": 0}  # bytes to the server, and from it
        self.was_cut = False
        self._cut: tuple[str, int] | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_at(self, direction: str, number: int) -> None:
        """Reset at that byte, counted from now on."""
        with self._mutex:
            self.carried, self.was_cut, self._cut = {"in": 0, "out": 0}, False, (direction, number)

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._to)
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        """One thread a connection, so that closing it is a reset at once (nobody waits in the kernel for it)."""
        ways = {client: (server, "in"), server: (client, "out")}
        with client, server, selectors.DefaultSelector() as waiting, suppress(OSError):
            for line in ways:
                waiting.register(line, selectors.EVENT_READ)
            while True:
                for key, _ in waiting.select():
                    sink, direction = ways[key.fileobj]  # type: ignore[index]
                    data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                    whole = self._until_the_cut(data, direction)
                    sink.sendall(whole)
                    if not data:
                        return
                    if len(whole) < len(data):
                        for line in ways:  # no farewell, but a reset
                            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        return

    def _until_the_cut(self, data: bytes, direction: str) -> bytes:
        with self._mutex:
            before = self.carried[direction]
            self.carried[direction] += len(data)
            if self._cut is None or self._cut[0] != direction or before + len(data) < self._cut[1]:
                return data
            number, self._cut, self.was_cut = self._cut[1], None, True
            return data[: max(0, number - before - 1)]


@contextmanager
def cutter(server: Any) -> Iterator[Cutter]:
    """A proxy in front of a test server; `through` gives its addresses."""
    proxy = Cutter(server.host, server.port)
    try:
        yield proxy
    finally:
        proxy.close()


def through(proxy: Cutter, url: str) -> str:
    """The URL of the same database, reached by the proxy."""
    return re.sub(r"@[^/]*/", f"@127.0.0.1:{proxy.port}/", url)


# -- programs that misbehave ----------------------------------------------------------------------------------------


def false_tools(folder: Path, real: Path, *, version: str = "", pg_dump: str = "", pg_restore: str = "") -> Path:
    """A folder with pg_dump and pg_restore that answer as the real ones do, until they are to work: then the script."""
    folder.mkdir(parents=True)
    for name, script in (("pg_dump", pg_dump), ("pg_restore", pg_restore)):
        work = script or f'exec "{real / name}" "$@"'
        told = f"echo '{name} (PostgreSQL) {version}'" if version else f'exec "{real / name}" --version'
        path = folder / name
        path.write_text(
            "#!/bin/sh\n"
            f'case "$*" in\n*--version*) {told}; exit;;\n*/nonexistent*) exec "{real / name}" "$@";;\nesac\n{work}\n'
        )
        path.chmod(0o755)
    return folder


HANGS = "trap '' TERM INT HUP; while :; do sleep 1; done"
TELLS_PASSWORDS = 'echo "fake: error: refused with $(cat "$PGPASSFILE")" >&2; exit 1'

# -- disks and limits -----------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own at `folder`. Raises PermissionError where mounting is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    done = process.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder])
    if done.returncode != 0:
        raise PermissionError(done.stderr.decode())
    try:
        yield folder
    finally:
        process.run(["umount", "--lazy", folder])


def may_mount() -> bool:
    """Whether this user may mount a file system here."""
    folder = Path(f"/tmp/opsconsole-may-mount-{os.getpid()}")
    try:
        with small_disk(folder, "64k"):
            return True
    except (PermissionError, FileNotFoundError):
        return False
    finally:
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Use up every byte of a file system; removing the file that is given back frees them."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            return filler
    raise AssertionError("it was never full")


def limit_file_sizes(pid: int, size: int) -> None:
    """From now on the process cannot make a file larger than that."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))


# -- runs that are met in their middle ------------------------------------------------------------------------------


@contextmanager
def paused_at(console: Console, operation: Any, failpoint: str, **extra: Any) -> Iterator[process.Child]:
    """A worker whose runner stands still at a failpoint; it goes on afterwards, and has ended when this is over."""
    child = stopped_at(console, operation, failpoint, **extra)
    try:
        yield child
        for pid in runners_of(operation):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        assert process.ended_within(child, 60), "the worker did not end"
    finally:
        process.stop(child, grace=1.0)
    operation.refresh_from_db()
