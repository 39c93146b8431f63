"""Guards in the console's own database: installed from one list after every migration, and compared with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from opsconsole.plans import canonical_json, digest_of
from opsconsole.triggers import postgresql, rules, sqlite
from opsconsole.triggers.guards import PREFIX, Guard, refusal_of

__all__ = [
    "Guard", "could_be_switched_off", "expected_fingerprint", "fingerprint", "install",
    "problems", "refusal_of", "refusals", "remove_before_migrate",
]  # fmt: skip

_BACKENDS: dict[str, ModuleType] = {"postgresql": postgresql, "sqlite": sqlite}


def remove_before_migrate(using: str = "default", plan: Any = ()) -> None:
    """Take our guards away when a migration is to come: SQLite rebuilds no table that another table's trigger names."""
    connection = connections[using]
    if not plan or connection.vendor != "sqlite":
        return
    with transaction.atomic(using=using), connection.cursor() as cursor:
        for trigger, (table, _text) in sqlite.found(connection).items():
            if trigger.startswith(PREFIX):
                _execute(cursor, sqlite.drop(trigger, table))


def install(using: str = "default") -> list[str]:
    """Make the guards in the database those of the list; gives back the names of what it created or replaced."""
    connection = connections[using]
    backend, context = _BACKENDS[connection.vendor], _BACKENDS[connection.vendor].context_of(connection)
    with transaction.atomic(using=using), connection.cursor() as cursor:
        expected, found = _expected(connection), backend.found(connection)
        wrong = [
            guard for guard in expected if found.get(guard.trigger) != (guard.table, backend.text_of(guard, context))
        ]
        for guard in wrong:
            _execute(cursor, backend.create(guard, context))
        known = {guard.trigger for guard in expected}
        for trigger, (table, _text) in found.items():
            if trigger.startswith(PREFIX) and trigger not in known:
                _execute(cursor, backend.drop(trigger, table))
    return [guard.name for guard in wrong]


def fingerprint(using: str = "default") -> str:
    """`sha256:` over what is really in the database: every trigger and rule on the console's tables, word for word."""
    connection = connections[using]
    found = _BACKENDS[connection.vendor].found(connection)
    return digest_of(canonical_json([[name, *found[name]] for name in sorted(found)]))


def expected_fingerprint(using: str = "default") -> str:
    """What `fingerprint` is when nothing is missing, changed or added."""
    connection = connections[using]
    backend, context = _BACKENDS[connection.vendor], _BACKENDS[connection.vendor].context_of(connection)
    guards = sorted(_expected(connection), key=lambda guard: guard.trigger)
    return digest_of(
        canonical_json([[guard.trigger, guard.table, backend.text_of(guard, context)] for guard in guards])
    )


def problems(using: str = "default") -> list[str]:
    """What differs between the list and the database, one sentence each; empty when all guards stand."""
    connection = connections[using]
    backend, context = _BACKENDS[connection.vendor], _BACKENDS[connection.vendor].context_of(connection)
    found = backend.found(connection)
    told = []
    for guard in _expected(connection):
        here = found.pop(guard.trigger, None)
        if here is None:
            told.append(f"The guard {guard.name} on {guard.table} is missing.")
        elif here != (guard.table, backend.text_of(guard, context)):
            told.append(f"The guard {guard.name} on {guard.table} was changed or switched off.")
    return told + [
        f"There is an unknown trigger or rule {name} on {table}." for name, (table, _) in sorted(found.items())
    ]


def could_be_switched_off(using: str = "default") -> bool:
    """Whether the role that the console works under owns the guarded tables, so that it could drop their guards."""
    connection = connections[using]
    return bool(_BACKENDS[connection.vendor].owned_by_us(connection))


@contextmanager
def refusals() -> Iterator[None]:
    """Inside, a database error raised by a guard comes out as the Refused that it tells of."""
    try:
        yield
    except DatabaseError as error:
        refused = refusal_of(error)
        if refused is None:
            raise
        raise refused from error


def _expected(connection: BaseDatabaseWrapper) -> list[Guard]:
    """The guards of this backend whose tables exist."""
    tables = set(connection.introspection.table_names())
    return [guard for guard in rules.every() if connection.vendor in guard.on and guard.table in tables]


def _execute(cursor: Any, statements: list[str]) -> None:
    for statement in statements:
        cursor.execute(statement)
