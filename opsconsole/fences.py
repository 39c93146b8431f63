"""Fences: numbers that only grow, one for every claim."""

from __future__ import annotations

from django.db import connection, transaction


def next_fence() -> int:
    """The next fence; the row's lock (or SQLite's single writer) makes two callers wait for one another."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE opsconsole_fencecounter SET value = value + 1 WHERE id = 1 RETURNING value")
        return int(cursor.fetchone()[0])
