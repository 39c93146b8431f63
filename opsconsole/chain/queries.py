"""Rows as the console's database gives them, past Django's fields."""

from __future__ import annotations

from typing import Any

from django.db import connection


def fetch(query: str, *given: int) -> list[Any]:
    """The rows of a query; PostgreSQL gives bytes as they are, not spelled in hexadecimal."""
    if connection.vendor != "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(query, given)
            return cursor.fetchall()
    from psycopg import Cursor  # consoles on SQLite never need it

    connection.ensure_connection()
    with connection.wrap_database_errors, Cursor(connection.connection) as cursor:
        return cursor.execute(query, given, binary=True).fetchall()
