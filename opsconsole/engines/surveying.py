"""A whole database as it is at one time, so that two times can be compared; and the locks that a session holds.

Made for scratch copies: everything is read in full.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TableState:
    """One table. `number` is what stays when it is renamed, "" where nothing does.

    `storage` is another one once the table was rewritten, emptied or built anew. `digest` is over the values of
    `columns` in all rows, "" where a row is too large for one.
    """

    name: str  # Table.full_name
    rows: int
    columns: tuple[str, ...]
    digest: str
    storage: str
    number: str = ""
    size_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Survey:
    """`definitions` are by kind and name ("column public.users.email"); spelled alike when they mean the same.

    `orphans` are rows that break a foreign key, by its words; `damage` is what the vendor's own check of the rows
    finds (NULL where none may be, doubled keys, a broken file).
    """

    tables: Mapping[str, TableState]
    definitions: Mapping[str, str]
    fingerprint: str
    size_bytes: int
    orphans: Mapping[str, int]
    invalid_indexes: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()


Held = Mapping[str, str]  # the strongest lock on each table, by `TableState.number`, in the vendor's own word
