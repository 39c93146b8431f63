"""What changes and pages look up of backups, and refuse alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any

from lifecycle.models import Backup
from opsconsole.exceptions import Usage


def backup_numbered(number: int) -> Backup:
    """The backup of that number, in whatever state. Raises Usage."""
    found = Backup.objects.select_related("database__environment", "database__owner_group").filter(pk=number).first()
    if found is None:
        raise Usage("unknown_backup", f"There is no backup {number}.", "Look at the database's list of backups.")
    return found


def moment_of(parameters: Mapping[str, Any], name: str) -> datetime | None:
    """A day (`2027-01-31`, until its end in UTC) or a moment in ISO 8601; None when nothing was given. Raises Usage."""
    given = str(parameters.get(name) or "").strip()
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise Usage("bad_value", f"{given!r} is no day.", "Write it like 2027-01-31.") from None
    if len(given) == 10:
        moment = datetime.combine(moment, time(23, 59, 59))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
