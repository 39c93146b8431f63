"""A ground of the console's own to build scratch copies on: a PostgreSQL server, or a folder, that one run makes.

Both lie where nobody else looks and end with the run; what a killed run left is removed by recovery, or by the tick.
Definitions of a database run code when they are restored, and its owner is not the console: so nothing of a copy is
ever built by the server's superuser, whose COPY may start programs on this host.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from lifecycle.formats.base import Contents
from lifecycle.formats.postgresql_kept import connector_of
from opsconsole import process
from opsconsole.embedded.postgresql import MAJORS, EmbeddedPostgres, folder_for, package_binaries
from opsconsole.engines import engine_class_for, open_engine
from opsconsole.engines.base import Engine
from opsconsole.engines.postgresql import databases
from opsconsole.engines.postgresql.connect import WRITE, major_of
from opsconsole.instance import instance_id, session_label
from opsconsole.kinds import Run
from opsconsole.models import Operation
from opsconsole.states import ACTIVE

DATABASE = "drill"
Refusal = tuple[str, str, str]
_RUN = re.compile(r"drill-(\d+)\.(\d+)")


def refusals(engine: str, contents: Contents) -> list[Refusal]:
    """Why a backup cannot be restored on a ground of our own: (code, why, next step), empty when it can."""
    if engine != "postgresql":
        return []
    written = major_of(int(contents.source["version_number"]))
    if written > max(MAJORS):
        why = f"The backup is of PostgreSQL {written}, and the console's own servers end with {max(MAJORS)}."
        return [("version", why, "Let the role create databases, and verify on the same server.")]
    missing = sorted(set(contents.source.get("extensions", {})) - _offered(_major_for(contents)))
    if missing:
        why = f"The console's own server does not offer the extensions {', '.join(missing)}."
        return [("missing_extension", why, "Let the role create databases, and verify on the same server.")]
    needed = int(contents.source.get("size_bytes", 0)) * 12 // 10 + settings.STORE_RESERVE_BYTES
    free = shutil.disk_usage(_existing(_folder())).free
    if free < needed:
        why = f"The copy needs about {needed >> 20} MiB with a reserve, and {free >> 20} MiB are free here."
        return [("no_space", why, f"Free space on the disk of {_folder()}.")]
    return []


@contextmanager
def ground(engine: str, contents: Contents, run: Run) -> Iterator[Engine]:
    """An engine of an empty database on a ground of this run alone, which is gone afterwards."""
    label = session_label(run.operation_id, run.fence)
    if engine == "postgresql":
        with _server(contents, run, label) as found:
            yield found
        return
    folder = run.workdir / "ground"
    folder.mkdir(mode=0o700)
    try:
        yield _file(folder, label)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove(operation_id: int, up_to_fence: int) -> None:
    """Remove the grounds of the runs of one operation up to that fence. Nothing runs on them any more."""
    for folder, operation, fence in _grounds():
        if operation == operation_id and fence <= up_to_fence:
            shutil.rmtree(folder, ignore_errors=True)


def sweep() -> int:
    """Remove the grounds of runs that are over, wherever they were killed; gives back how many."""
    swept = 0
    for folder, operation, fence in _grounds():
        if not Operation.objects.filter(pk=operation, runner_fence=fence, state__in=ACTIVE).exists():
            process.kill_marked(f"{operation}.{fence}", instance=instance_id())
            shutil.rmtree(folder, ignore_errors=True)
            swept += 1
    return swept


@contextmanager
def _server(contents: Contents, run: Run, label: str) -> Iterator[Engine]:
    folder, major = _folder() / f"drill-{run.operation_id}.{run.fence}", _major_for(contents)
    run.log(f"Starting a PostgreSQL {major} of the console's own for this run.")
    programs = EmbeddedPostgres(_folder(), major=major).installation()
    superuser, builder = (f"{role}_{secrets.token_hex(8)}" for role in ("console", "builder"))
    password = secrets.token_urlsafe(24)
    server = EmbeddedPostgres(folder, major=major, durable=False, programs=programs, superuser=superuser)
    try:
        server.start(log=run.workdir / "server.log")
        with connector_of(_opened(server.url("postgres"), label)).session(WRITE) as session:
            databases.create_for_builder(session, DATABASE, builder, password)
            databases.create_roles(session, contents.source.get("roles", ()))
        yield _opened(server.url(DATABASE, user=builder, password=password), label)
    finally:
        server.remove()


def _file(folder: Path, label: str) -> Engine:
    path = folder / "drill.sqlite"
    path.touch(0o600)  # an empty file is an empty database
    return open_engine(engine_class_for("sqlite:").parse(f"sqlite:///{path}", roots=[folder]), label)


def _opened(url: str, label: str) -> Engine:
    return open_engine(engine_class_for(url).parse(url), label)


def _major_for(contents: Contents) -> int:
    written = major_of(int(contents.source["version_number"]))
    return min(major for major in MAJORS if major >= written)


def _offered(major: int) -> set[str]:
    """Extensions whose files come with the packaged server."""
    return {path.stem for path in package_binaries(major).glob("share/postgresql/extension/*.control")}


def _folder() -> Path:
    return folder_for(settings.OPSCONSOLE_HOME)


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)


def _grounds() -> Iterator[tuple[Path, int, int]]:
    for folder in _folder().glob("drill-*"):
        if match := _RUN.fullmatch(folder.name):
            yield folder, int(match[1]), int(match[2])
