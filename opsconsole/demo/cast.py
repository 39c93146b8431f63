"""The demo's people, and its databases as an administrator would register them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsconsole import audit, bootstrap, operations, people
from opsconsole.databases import registration
from opsconsole.exceptions import OperationFailed
from opsconsole.models import Account, Database, Environment, Role
from opsconsole.states import State

PEOPLE_FILE = "demo-people.txt"


@dataclass(frozen=True)
class Part:
    """One of the demo's people and what they are for."""

    login: str
    name: str
    word: str  # engineer, approver, ...
    role: Role
    superuser: bool = False


CAST = (
    Part("ada", "Ada Lindqvist", "engineer", Role.ENGINEER),
    Part("grace", "Grace Okonkwo", "approver", Role.APPROVER),
    Part("linus", "Linus Varga", "approver", Role.APPROVER),
    Part("audrey", "Audrey Meyer", "auditor", Role.AUDITOR),
    Part("admin", "Adele Minh", "administrator", Role.ADMINISTRATOR, superuser=True),
)


def add_people(home: Path) -> None:
    """Add the cast with random passwords and write these to a private file, unless that was done before."""
    path = home / PEOPLE_FILE
    if path.exists() or not bootstrap.is_open():
        return
    lines = []
    for part in CAST:
        password = people.one_time_password()
        lines.append(f"{part.login}\t{part.word}\t{password}\n")
        _add(part, password)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(lines)


def protect(environment: str) -> None:
    """Have an environment's databases ask a second person, as the administrator who sets the console up."""
    if bootstrap.is_open() and not Environment.objects.get(name=environment).protected:
        _ask("environment.edit", {"name": environment, "protected": True})


def add_database(name: str, url: str, environment: str, tags: tuple[str, ...]) -> None:
    """Register a database through the same request that an administrator makes, unless it is or was there.

    Its first check runs as soon as a worker is there.
    """
    if bootstrap.is_open() and not Database.objects.filter(name=name).exists():
        _ask("database.add", registration.addition(name, environment=environment, url=url, tags=tags))
        _check(Database.objects.get(name=name))


def _check(database: Database) -> None:
    account = Account.objects.select_related("person").get(username="admin")
    with audit.acting_as(audit.actor_for(account, kind="system", auth="shell")):
        operations.request("check", database, {}, account=account, reason="What the demo has to show.")


def _ask(action: str, wanted: dict[str, Any]) -> None:
    account = Account.objects.select_related("person").get(username="admin")
    with audit.acting_as(audit.actor_for(account, kind="system", auth="shell")):
        done = operations.request_change(action, wanted, account=account, reason="Setting the demo up.")
    if done.state != State.SUCCEEDED:
        raise OperationFailed("demo_failed", f"The demo could not be set up: {done.failure_why or done.state_reason}")


def told(home: Path) -> str:
    """The passwords, as they are shown at the end of start-up."""
    try:
        rows = [line.split("\t") for line in (home / PEOPLE_FILE).read_text().splitlines()]
    except FileNotFoundError:
        return ""
    listed = "\n".join(f"  {login:<8} {word:<14} {password}" for login, word, password in rows)
    return f"The demo's people (also in {home / PEOPLE_FILE}):\n{listed}"


def _add(part: Part, password: str) -> None:
    """A start that was interrupted left some of them behind; their passwords are made anew."""
    if known := Account.objects.filter(username=part.login).first():
        known.set_password(password)
        known.save(update_fields=["password"])
        people.seal_credential(known, "bootstrap")
        return
    people.add_person(
        part.login, email=f"{part.login}@example.test", name=part.name, roles=[part.role], password=password,
        must_change=False, superuser=part.superuser,
    )  # fmt: skip
