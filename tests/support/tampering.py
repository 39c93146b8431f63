"""What an intruder with the owner's rights does: switch the guards off, change history, switch them on again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.rows import sql


@contextmanager
def guards_off(*names: str) -> Iterator[None]:
    """Inside, the console's own database refuses nothing, or not what the guards of these names would.

    Foreign keys are not looked at either.
    """
    from django.db import connection

    from opsconsole import triggers
    from opsconsole.triggers import rules

    _nothing_pending(connection)
    for guard in rules.every():
        if connection.vendor in guard.on and (not names or guard.name in names):
            sql(f"DROP TRIGGER {guard.trigger}" + (f" ON {guard.table}" if connection.vendor == "postgresql" else ""))
    with connection.constraint_checks_disabled():
        _foreign_keys(connection.vendor, False)
        yield
        _foreign_keys(connection.vendor, True)
    _nothing_pending(connection)
    triggers.install()


def _nothing_pending(connection: Any) -> None:
    """Within a transaction, PostgreSQL changes no trigger of a table whose deferred checks are still to come."""
    if connection.vendor == "postgresql" and connection.in_atomic_block:
        sql("SET CONSTRAINTS ALL IMMEDIATE")


def _foreign_keys(vendor: str, on: bool) -> None:
    if vendor == "postgresql":
        sql(f"SET session_replication_role = {'origin' if on else 'replica'}")


def forge_chain(from_seq: int = 1) -> None:
    """Compute every link anew from the stored payloads, as whoever can rewrite rows can (guards must be off)."""
    from opsconsole.models import AuditSeal
    from opsconsole.verify_audit import START, leaf_of, link

    before = AuditSeal.objects.filter(seq=from_seq - 1).first()
    previous = bytes(before.hash) if before else START
    for seal in AuditSeal.objects.filter(seq__gte=from_seq).select_related("event").order_by("seq"):
        following = link(previous, seal.seq, leaf_of(bytes(seal.event.payload)))
        AuditSeal.objects.filter(seq=seal.seq).update(previous=previous, hash=following)
        previous = following
