"""The demo's D1-shaped SQLite file: an invented app for good habits, the same rows in each installation."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsconsole.engines.sqlite.connections import private

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 1, tzinfo=UTC)
YEAR_SECONDS = 365 * 86400


def create(path: Path) -> None:
    """Write the file; it appears under its name only when it is complete. An existing file is left as it is."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    with private(str(fresh)) as connection:
        connection.create_function("uid", 2, _uid, deterministic=True)
        connection.create_function("moment", 1, _moment, deterministic=True)
        connection.create_function("pick", 2, _pick, deterministic=True)
        connection.executescript((HERE / "ignition_schema.sql").read_text())
        connection.execute("CREATE TEMP TABLE series (n INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO series VALUES (?)", ((n,) for n in range(1, 4001)))
        connection.executescript((HERE / "ignition_data.sql").read_text())
    fresh.rename(path)


def _uid(word: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://ignition.example.test/{word}/{number}"))


def _moment(number: int) -> str:
    """As D1 applications write it: UTC without a zone."""
    return (NOW - timedelta(seconds=number * 104_729 % YEAR_SECONDS)).strftime("%Y-%m-%d %H:%M:%S")


def _pick(number: int, words: str) -> str:
    choices = words.split(",")
    return choices[number % len(choices)]
