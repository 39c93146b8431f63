"""A console of its own for each test: a fresh copy of a migrated database, a home folder, real commits.

Nothing is rolled back or flushed (the append-only tables would refuse), so threads and other processes see what a
test does, and `on_commit` runs.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import PostgresServer
from tests.support.turns import Turns

MANAGE = Path(__file__).resolve().parent.parent.parent / "manage.py"
QUICK = {
    "LEASE_SECONDS": "3", "BEAT_SECONDS": "0.5", "SELF_FENCE_SECONDS": "1.8", "REAPER_SECONDS": "1",
    "REAPER_GRACE_SECONDS": "1", "REPUBLISH_SECONDS": "2", "OPSCONSOLE_SCHEDULES": "no",
    "HEALTH_SECONDS": "0",
}  # fmt: skip


@dataclass
class Console:
    """`env` is the whole environment for a subprocess that is to be part of this console."""

    home: Path
    env: dict[str, str] = field(repr=False)
    vendor: str = "sqlite"

    @property
    def files(self) -> Path:
        """The allow-listed root where SQLite targets may lie."""
        return self.home / "files"

    def argv(self, *words: str) -> list[str]:
        """`manage.py WORDS` with this interpreter."""
        from opsconsole import process

        return [process.python(), str(MANAGE), *words]

    def run(self, *words: str, input: str = "", env: Mapping[str, str] | None = None, timeout: float = 60.0) -> Any:
        """Run `manage.py WORDS` to its end; gives back returncode, stdout and stderr (bytes)."""
        from opsconsole import process

        return process.run(
            self.argv(*words), env=self.env | dict(env or {}), input=input.encode(), timeout=timeout, cwd=MANAGE.parent
        )


@dataclass(frozen=True)
class Template:
    """A migrated database: its Django settings, and where copies of it are lent (None for a SQLite file)."""

    settings: Mapping[str, Any]
    turns: Turns | None


def build_template(shared: Path, server: PostgresServer | None) -> Template:
    """An empty database, migrated once for all the processes of a test run, which have the folder in common."""
    if server is None:
        wanted = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(shared / "template.sqlite3")}
    else:
        wanted = postgresql_settings(server, server.create_database(server.fresh_name("console_template")))
    with (shared / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if server is None:
            _migrate_once(wanted, shared / "template.sqlite3.made", lambda made: made.touch())
        else:
            _fill(server, wanted, shared / "template.dump")
    return Template(wanted, Turns(server, wanted["NAME"]) if server else None)


def _fill(server: PostgresServer, wanted: Mapping[str, Any], dump: Path) -> None:
    url = server.url(wanted["NAME"])
    if dump.exists():
        argv = [str(server.bin / "pg_restore"), "--exit-on-error", f"--dbname={url}", str(dump)]
        subprocess.run(argv, check=True)
        return
    pg_dump = [str(server.bin / "pg_dump"), "--format=custom", "--compress=0"]
    _migrate_once(wanted, dump, lambda made: subprocess.run([*pg_dump, f"--file={made}", url], check=True))


def _migrate_once(wanted: Mapping[str, Any], made: Path, make: Callable[[Path], object]) -> None:
    from django.core.management import call_command

    if made.exists():
        return
    point_console_at(wanted)
    call_command("migrate", verbosity=0, interactive=False)
    close_connections()  # which folds SQLite's -wal in, and lets PostgreSQL copy the template
    make(part := made.with_suffix(".part"))
    part.replace(made)


def shared_by_a_run(factory: pytest.TempPathFactory) -> Path:
    """A folder that all the processes of a test run have in common."""
    own = factory.getbasetemp()
    return own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own


@contextmanager
def fresh_console(template: Template, home: Path, settings: Any) -> Iterator[Console]:
    """Copy the template, point Django at the copy for as long as the context lasts."""
    for folder in (home, home / "files", home / "logs"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    env = environment(home, settings)
    turns = template.turns
    if turns is None:
        name = str(home / "console.sqlite3")
        shutil.copyfile(template.settings["NAME"], name)
    else:
        name = turns.take()
        env["DATABASE_URL"] = turns.server.url(name).replace("postgresql://", "postgres://", 1)
    settings.OPSCONSOLE_HOME = home
    settings.OPSCONSOLE_ROOTS = [home / "files"]
    settings.OPSCONSOLE_STORE = home / "store"
    settings.ALLOW_FAILPOINTS = True
    point_console_at(dict(template.settings) | {"NAME": name})
    try:
        yield Console(home, env, "postgresql" if turns else "sqlite")
    finally:
        close_connections()
        if turns is not None:
            turns.give_back(name)


def environment(home: Path, settings: Any) -> dict[str, str]:
    """What a subprocess needs to be part of the console in `home`."""
    return {
        "OPSCONSOLE_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "opsconsole.settings",
        "OPSCONSOLE_ALLOW_FAILPOINTS": "1",
        "SECRET_KEY": settings.SECRET_KEY,
        "FIELD_KEYS": ",".join(settings.FIELD_KEYS),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
    } | QUICK


def postgresql_settings(server: PostgresServer, name: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.postgresql", "NAME": name, "HOST": server.host, "PORT": str(server.port),
        "USER": server.user, "PASSWORD": server.password,
    }  # fmt: skip


def point_console_at(wanted: Mapping[str, Any]) -> None:
    """Make `wanted` the default database of every thread of this process."""
    from django.conf import settings
    from django.db import connections

    close_connections()
    current = connections.settings["default"]
    options = settings.SQLITE_OPTIONS if wanted["ENGINE"].endswith("sqlite3") else {}
    current.update(dict.fromkeys(("HOST", "PORT", "USER", "PASSWORD"), "") | dict(wanted) | {"OPTIONS": options})
    current["CONN_MAX_AGE"] = 0
    del connections["default"]
    settings.DATABASES["default"].update(current)


def close_connections() -> None:
    """Close this thread's connection to the console's database."""
    from django.db import connections

    connections["default"].close()
