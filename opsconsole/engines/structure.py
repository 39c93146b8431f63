"""What a database says of its tables to somebody who is about to put rows into them: neutral values, any vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column. `type` is the vendor's own word for it, `family` ours, by which values are put into its form.

    Families: boolean, integer, numeric, float, bytes, timestamp, timestamptz, date, json, array, text, other; and
    `stored` of a column that keeps any value as it is given (SQLite).
    """

    name: str
    type: str
    family: str
    bare: str = ""  # the type without its length, by which a text is taken for one and is not cut to it
    element: str = ""  # the family of an array's elements
    nullable: bool = True
    unproven: bool = False  # not nullable, but rows from before that was said may hold NULL (NOT NULL ... NOT VALID)
    default: bool = False  # whether the database fills it when nobody does (a default, an identity)
    generated: bool = False  # computed from others, never written
    identity: str = ""  # always, by default


@dataclass(frozen=True, kw_only=True)
class Key:
    """Columns whose values are different in every row, and which a merge may go by."""

    columns: tuple[str, ...]
    primary: bool = False


@dataclass(frozen=True, kw_only=True)
class ForeignKey:
    """`table` refers to `parent`. `on_delete` is what the database does to rows whose parent goes, in SQL's words;
    with SET NULL, `cleared` are the columns that become NULL, all of them when none is named.

    `full` is whether either all or none of its columns may be NULL (MATCH FULL); `collations` are those by which
    columns are compared that have another one than the parent's, in SQL, empty for the others.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    deferrable: bool = False
    on_delete: str = "NO ACTION"
    cleared: tuple[str, ...] = ()
    full: bool = False
    collations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """A trigger that somebody made. `events` are among INSERT, UPDATE, DELETE, TRUNCATE."""

    name: str
    events: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Relation:
    """One table. `whole` is the partitioned table that it is a part of, else its own full name."""

    schema: str
    name: str
    fields: tuple[Field, ...]
    keys: tuple[Key, ...] = ()  # the primary one first
    triggers: tuple[Trigger, ...] = ()
    sequences: tuple[str, ...] = ()  # columns that are numbered by a sequence, or by AUTOINCREMENT
    whole: str = ""
    partitioned: bool = False
    rights: frozenset[str] = frozenset()  # among SELECT, INSERT, UPDATE, DELETE, TRUNCATE
    hidden_rows: bool = False  # row security keeps some of it from us

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    def field(self, name: str) -> Field:
        """The column of that name. Raises KeyError."""
        return {item.name: item for item in self.fields}[name]


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Every user table by its full name, partitioned ones and their parts included, and what refers to what.

    Equal when nothing changed that matters to a load.
    """

    relations: Mapping[str, Relation]
    foreign_keys: tuple[ForeignKey, ...] = ()
    staging: bool = True  # whether we may make temporary tables
    encoding: str = "UTF8"

    def whole(self, name: str) -> str:
        """The partitioned table that a table belongs to, or the table itself."""
        return self.relations[name].whole or name
