"""What changes look up of databases, and refuse alike."""

from __future__ import annotations

from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Database
from opsconsole.permissions import can


def database_of(number: int) -> Database:
    """The managed database of that number. Raises Usage."""
    rows = Database.objects.select_related("environment", "owner_group")
    found = rows.filter(pk=number, removed_at=None).first()
    if found is None:
        raise Usage("unknown_database", f"There is no database {number}.", "See `manage.py database list`.")
    return found


def require_engineer(account: Account | None, database: Database, what: str) -> None:
    """Raise Refused for somebody who may not ask for operations on the database; `what` it was about, in words."""
    if account is not None and not can(account, "request", database):
        raise Refused(
            "not_allowed",
            f"Your role does not let you {what}: {database.name}.",
            f"Ask an engineer of {database.owner_group}.",
        )
