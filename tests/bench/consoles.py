"""A console in a folder of its own, on SQLite or on the measured server, for the process that calls `enter`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.support.servers import PostgresServer

LOGINS = ("ada", "grace", "audrey", "admin")


def environment(home: Path, server: PostgresServer | None, name: str = "") -> dict[str, str]:
    """What a process needs to be part of the console in `home`; its database is `name` on the server, or a file."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    own = {"DATABASE_URL": server.url(name).replace("postgresql://", "postgres://", 1)} if server else {}
    return {"OPSCONSOLE_HOME": str(home), "DJANGO_SETTINGS_MODULE": "tests.bench.settings", "HOME": str(home)} | own


def enter(env: dict[str, str] | None = None) -> None:
    """Start Django in this process, as `manage.py` does."""
    os.environ.update(env or {})
    from opsconsole import loading

    with loading.at_once():
        import django

        django.setup()


def migrate() -> None:
    """An empty console with the people of the tests."""
    from django.core.management import call_command

    from tests.support.people import assemble

    call_command("migrate", verbosity=0, interactive=False)
    assemble()


def browser(login: str) -> Any:
    """A browser in which that person has just signed in; a peer has nobody to sign in."""
    from django.test import Client

    from tests.support.people import PASSWORD

    client = Client()
    if not os.environ.get("BENCH_PEER"):
        answer = client.post("/login/", {"username": login, "password": PASSWORD})
        assert answer.status_code == 302, answer.content.decode()[-2000:]
    return client
