"""Real SQLite databases for tests: a plain one and one of D1's shape."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from opsconsole.engines.sqlite import SqliteEngine

PLAIN = """
CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, height REAL, photo BLOB);
CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES people(id), name TEXT);
CREATE TABLE settings (scope TEXT, key TEXT, value TEXT, PRIMARY KEY (scope, key)) WITHOUT ROWID;
CREATE INDEX pets_by_owner ON pets (owner);
CREATE VIEW owners AS SELECT DISTINCT people.* FROM people JOIN pets ON owner = people.id;
CREATE TRIGGER no_empty_name BEFORE INSERT ON people WHEN NEW.name = '' BEGIN SELECT RAISE(ABORT, 'empty'); END;
"""

D1 = """
CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP);
CREATE TABLE users (id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, emailVerified INTEGER, created_at TEXT);
CREATE TABLE quests (id TEXT PRIMARY KEY, user_id TEXT NOT NULL REFERENCES users(id) ON DELETE CASCADE, done INTEGER);
CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB);
INSERT INTO d1_migrations (name) VALUES ('0001_first.sql');
INSERT INTO _cf_KV VALUES ('session', x'0102');
INSERT INTO _cf_METADATA VALUES (2, 'bookmark');
"""


def plain(path: Path, *, people: int = 100, mode: str = "delete", page_size: int = 4096, word: str = "old") -> Path:
    """A database whose every row carries `word`, so that a mixture of two contents shows."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size={page_size}")
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.executescript(PLAIN)
        connection.execute("BEGIN")
        rows = ((f"{word} {number}", number / 3, bytes([number % 256]) * 500) for number in range(people))
        connection.executemany("INSERT INTO people (name, height, photo) VALUES (?, ?, ?)", rows)
        connection.execute("INSERT INTO pets (owner, name) SELECT id, name || '''s pet' FROM people")
        connection.executemany("INSERT INTO settings VALUES ('all', ?, ?)", [("word", word), ("count", str(people))])
        connection.execute("COMMIT")
    return path


def d1(path: Path, *, users: int = 20, mode: str = "wal", word: str = "old") -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}")
        connection.executescript(D1)
        rows = [(f"u{number}", f"{word}{number}@example.test") for number in range(users)]
        connection.executemany("INSERT INTO users (id, email) VALUES (?, ?)", rows)
        connection.execute("INSERT INTO quests SELECT 'q' || id, id, 0 FROM users")
    return path


def run_sql(path: Path, *statements: str) -> None:
    """Run statements as some other program would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(sql).fetchall()


def words(path: Path) -> set[str]:
    """The words that the rows of a plain database carry: one when its content is whole."""
    names = [name for (name,) in rows(path, "SELECT name FROM people UNION ALL SELECT name FROM pets")]
    names.append(rows(path, "SELECT value FROM settings WHERE key = 'word'")[0][0])
    return {str(name).split()[0] for name in names}


def integrity(path: Path) -> list[str]:
    return [str(line) for (line,) in rows(path, "PRAGMA integrity_check")]


def engine(path: Path, *, roots: Iterable[Path] = (), label: str = "opsconsole/1/1", flavour: str = "") -> SqliteEngine:
    """An engine of a file, whose folder is its only root unless others are named."""
    url = f"sqlite:///{path}" + (f"?flavour={flavour}" if flavour else "")
    return SqliteEngine(SqliteEngine.parse(url, roots=list(roots) or [path.parent]), session_label=label)
