"""The savings as a SQLite file, with the conventions of Cloudflare's D1: identifiers, times and JSON as text."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.engines.structure import Relation, Structure
from tests.bench import savings

TYPES = {"boolean": "INTEGER", "integer": "INTEGER", "numeric": "REAL"}  # all others are TEXT
ORPHANS = 5  # ledger entries of nobody
INDEX = re.compile(r"CREATE INDEX ON (\w+) \(([^)]+)\)")


def make(url: str, path: Path) -> None:
    """Copy every row of the savings at `url` into a new file; a few rows refer to a user that is not there."""
    structure = PostgresEngine(PostgresEngine.parse(url)).structure()
    with closing(sqlite3.connect(path)) as db, psycopg.connect(url) as source:
        db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-200000")
        for relation in structure.relations.values():
            db.execute(_table(structure, relation))
            marks = ", ".join("?" * len(relation.fields))
            db.executemany(f"INSERT INTO {relation.name} VALUES ({marks})", _rows(source, relation))
        for number, (table, columns) in enumerate(INDEX.findall(savings.KEYS)):
            db.execute(f"CREATE INDEX index_{number} ON {table} ({columns})")
        db.execute(f"UPDATE points_ledger SET user_id = 'nobody' WHERE rowid % 1000 = 0 AND rowid <= {ORPHANS * 1000}")
        db.commit()
        db.executescript("ANALYZE; PRAGMA journal_mode=WAL")


def _table(structure: Structure, relation: Relation) -> str:
    primary = next(key.columns for key in relation.keys if key.primary)
    columns = [f"{field.name} {TYPES.get(field.family, 'TEXT')}" for field in relation.fields]
    keys = [f"PRIMARY KEY ({', '.join(primary)})"]
    keys += [
        f"FOREIGN KEY ({', '.join(key.columns)}) REFERENCES {structure.relations[key.parent].name}"
        f" ({', '.join(key.parent_columns)})"
        for key in structure.foreign_keys
        if key.table == relation.full_name
    ]
    return f"CREATE TABLE {relation.name} ({', '.join([*columns, *keys])})"


def _rows(source: psycopg.Connection[Any], relation: Relation) -> Iterator[tuple[str | None, ...]]:
    """As texts, of which a column of numbers makes numbers."""
    listed = ", ".join(f"{field.name}::int" if field.family == "boolean" else field.name for field in relation.fields)
    statement = f"COPY (SELECT {listed} FROM {relation.name}) TO STDOUT"
    with source.cursor() as cursor, cursor.copy(statement.encode()) as rows:
        yield from rows.rows()
