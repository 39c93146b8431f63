"""Guards as SQLite triggers."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from opsconsole.triggers.guards import PREFIX, Guard


def create(guard: Guard, context: str) -> list[str]:
    """The statements that install a guard, replacing one of the same name. `context` is not used here."""
    return [f"DROP TRIGGER IF EXISTS {guard.trigger}", text_of(guard, context)]


def drop(trigger: str, table: str) -> list[str]:
    return [f"DROP TRIGGER IF EXISTS {trigger}"]


def text_of(guard: Guard, context: str) -> str:
    """What `found` gives back for this guard when it is in place, word for word."""
    return (
        f"CREATE TRIGGER {guard.trigger} BEFORE {guard.event} ON {guard.table} FOR EACH ROW WHEN {guard.condition} "
        f"BEGIN SELECT RAISE(ABORT, {guard.quoted_message}); END"
    )


def found(connection: BaseDatabaseWrapper) -> dict[str, tuple[str, str]]:
    """Every trigger on the console's tables: name to (table, text)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' AND (tbl_name LIKE 'opsconsole\\_%' "
            f"ESCAPE '\\' OR name LIKE '{PREFIX}%')"
        )
        return {name: (table, sql) for name, table, sql in cursor.fetchall()}


def context_of(connection: BaseDatabaseWrapper) -> str:
    return ""


def owned_by_us(connection: BaseDatabaseWrapper) -> bool:
    """Whether the console's own role could switch the guards off: on a file, always."""
    return True
