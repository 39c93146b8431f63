"""The people of every test. Their passwords are all PASSWORD; the bootstrap is still open when they arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opsconsole.models import Account

PASSWORD = "a password for tests only"


@dataclass(frozen=True)
class Cast:
    """ada and bob ask, grace and linus approve, audrey audits, admin (a superuser) administers, mallory has no role."""

    ada: Account
    bob: Account
    grace: Account
    linus: Account
    audrey: Account
    admin: Account
    mallory: Account


def assemble() -> Cast:
    """Add the cast to an empty console, all at once."""
    from django.db import transaction

    from opsconsole.people import add_person

    roles = {
        "admin": ["administrators"],
        "ada": ["engineers"],
        "bob": ["engineers"],
        "grace": ["approvers"],
        "linus": ["approvers"],
        "audrey": ["auditors"],
        "mallory": [],
    }
    with transaction.atomic():
        accounts = {
            login: add_person(
                login,
                name=login.title(),
                email=f"{login}@example.test",
                roles=held,
                password=PASSWORD,
                superuser=login == "admin",
            ).account
            for login, held in roles.items()
        }
    return Cast(**accounts)


def close_bootstrap() -> None:
    """From here on, guarded rows change only through confirmed changes."""
    from opsconsole.clock import now
    from opsconsole.models import Bootstrap

    Bootstrap.objects.filter(closed_at=None).update(closed_at=now())
