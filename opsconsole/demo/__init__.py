"""The demo: two believable databases and a cast of people, loaded when a console starts that is not in production.

A second start finds everything as it was left. `manage.py demo --remove` takes the servers' folder away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from opsconsole.demo import cast, ignition, savings
from opsconsole.embedded.postgresql import EmbeddedPostgres, folder_for
from opsconsole.exceptions import Refused
from opsconsole.process_tree import ProcessTree


@dataclass(frozen=True)
class Demo:
    """`folder` holds the embedded PostgreSQL's programs and data."""

    home: Path
    folder: Path

    def told(self) -> str:
        return cast.told(self.home)


def start(tree: ProcessTree, say: Callable[[str], object]) -> Demo:
    """Start the embedded PostgreSQL as a member of the tree and load what is missing."""
    refuse_production()
    home = settings.OPSCONSOLE_HOME
    folder = folder_for(home)
    if not folder.exists():
        say("Loading the demo: a PostgreSQL database of about 60 MB and an SQLite one ...")
    server = EmbeddedPostgres(folder)
    log = tree.log("demo-postgresql")
    server.start(log=log)
    assert server.child is not None
    tree.adopt("demo-postgresql", server.child, log, stop_signal=SIGINT)
    load(server, home)
    return Demo(home, folder)


def load(server: EmbeddedPostgres, home: Path) -> None:
    """Databases, people and registrations, each unless it is there."""
    refuse_production()
    url = savings.create(server)
    file = home / "files" / "ignition.sqlite3"
    ignition.create(file)
    cast.add_people(home)
    cast.add_database("savings", url, "production", ("demo", "postgresql"))
    cast.protect("staging")
    cast.add_database("ignition", f"sqlite:///{quote(str(file))}?flavour=d1", "staging", ("demo", "d1"))
    connection.close()


def remove(home: Path) -> Path | None:
    """Delete the embedded server's folder. Gives it back, or None when there was none. Raises Refused while it runs."""
    folder = folder_for(home)
    if not folder.exists():
        return None
    server = EmbeddedPostgres(folder)
    if server.is_running():
        raise Refused("still_running", "The demo's PostgreSQL is running.", "Stop the console first (Ctrl-C).")
    server.remove()
    return folder


def refuse_production() -> None:
    if settings.PRODUCTION:
        raise Refused("no_demo_here", "A production installation has no demo in it.", "Use another OPSCONSOLE_HOME.")
