"""The tables of backup formats, by engine and name, and of keepers, by engine."""

from __future__ import annotations

from lifecycle.formats.base import Format, Keeper
from lifecycle.formats.portable_postgresql import PortablePostgres
from lifecycle.formats.portable_sqlite import PortableSqlite
from lifecycle.formats.postgresql_custom import PostgresCustom
from lifecycle.formats.postgresql_kept import PostgresKeeper
from lifecycle.formats.postgresql_native import PostgresNative
from lifecycle.formats.sqlite_native import SqliteNative
from opsconsole.exceptions import Refused

FORMATS: tuple[Format, ...] = (PostgresNative(), PostgresCustom(), PortablePostgres(), SqliteNative(), PortableSqlite())
KEEPERS: tuple[Keeper, ...] = (PostgresKeeper(),)  # SQLite replaces content: there the safety backup is what is kept


def formats_for(engine: str) -> list[Format]:
    """The formats of an engine, the default one first."""
    return [chosen for chosen in FORMATS if chosen.engine == engine]


def format_of(engine: str, name: str) -> Format:
    """One format. Raises Refused with the list of what there is."""
    for chosen in formats_for(engine):
        if chosen.name == name:
            return chosen
    known = ", ".join(chosen.name for chosen in formats_for(engine)) or "none"
    raise Refused("unknown_format", f"There is no backup format {name} for {engine}.", f"Use one of: {known}.")


def keeper_of(engine: str) -> Keeper:
    """Who looks after the databases that swaps of this engine have kept. Raises Refused where there are none."""
    for keeper in KEEPERS:
        if keeper.engine == engine:
            return keeper
    raise Refused("no_keeper", f"A restore of {engine} keeps no database beside the live one.")
