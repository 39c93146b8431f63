"""What migrations make of an empty database: told by whoever knows migrations, asked by whoever knows checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from opsconsole.models import Database


@dataclass(frozen=True, kw_only=True)
class Head:
    """The schema at the head of a folder of migrations, built for real.

    `tables` are (column, type) pairs by the table's full name, in their order; `indexes` are bare names of those that
    no constraint needs. `words` say where it comes from, `link` leads there.
    """

    words: str
    link: str
    at: datetime
    tables: Mapping[str, tuple[tuple[str, str], ...]]
    indexes: tuple[str, ...]


_READERS: list[Callable[[Database], Head | None]] = []


def register_reader(read: Callable[[Database], Head | None]) -> None:
    """Say how a head is found. Raises TypeError for a second one."""
    if _READERS:
        raise TypeError("how the head of migrations is found is registered twice")
    _READERS.append(read)


def newest(database: Database) -> Head | None:
    """The newest head that was built for a database; None where nobody built one."""
    return _READERS[0](database) if _READERS else None
