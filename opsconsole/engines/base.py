"""The contract of an engine: how the rest of the console reaches a database of one vendor.

An engine knows one vendor and nothing of operations, approvals or Django. It is built from an `Address`, opens its
own connections, and gives values (frozen dataclasses) back. Every method raises `TargetProblem` with one of the
classes of `database check` when the database cannot be reached or used.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from opsconsole.engines.fixing import Fixing, Wording
from opsconsole.engines.inquiry import Inquiry
from opsconsole.engines.scripting import USUAL, Patience, Script
from opsconsole.engines.structure import ForeignKey, Relation, Structure
from opsconsole.engines.surveying import Held, Survey
from opsconsole.engines.vitals import Vitals

ASKING_SECONDS = 300.0


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a database is. `secret_url` may hold a password and is never printed; `display` never holds one."""

    engine: str
    secret_url: str = field(repr=False)
    display: str
    name: str  # the vendor's own name of the database: datname, or the file's name


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which database this is, whatever it is called.

    `key` stays the same through a restore: `postgresql:SYSTEM_IDENTIFIER:DATNAME` or `sqlite:DEVICE:INODE:REALPATH`.
    `incarnation` changes with every swap (the database's oid; for SQLite the same as the key).
    """

    key: str
    incarnation: str
    server_version: str  # as the vendor writes it: "16.14", "3.40.1"
    version_number: int  # 160014, 3040001
    details: Mapping[str, str] = field(default_factory=dict)  # encoding, collation, host, role, D1 flavour, ...


class Likeness(Enum):
    """Whether two addresses lead to one database."""

    SAME = "same"
    POSSIBLE = "possible"  # the addresses alone cannot tell
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of `database check`: `code` is ok or a class of TargetProblem; warnings have ok=True and a next step."""

    code: str
    ok: bool
    detail: str
    next_step: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    name: str
    type: str
    nullable: bool = True
    default: str | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table. `schema` is "" on SQLite. `rows` is exact when `exact` is set, else the server's estimate (or None)."""

    schema: str
    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    rows: int | None = None
    exact: bool = False
    size_bytes: int | None = None

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some rows of one table in key order. `next_after` is the cursor of the following page, None at the end."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    next_after: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a statement that somebody configured gave: how many rows, and the first value of the first as text.

    `error` says why it gave nothing: the server's own words.
    """

    rows: int = 0
    first: str | None = None
    error: str = ""


@dataclass(frozen=True)
class Holder:
    """Who holds a target's lock: the label is `opsconsole/INSTANCE/OPERATION/FENCE`."""

    label: str
    since: str = ""


class TargetBusy(Exception):
    """The lock inside the target is held by another operation or another console; it is never broken."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(f"held by {holder.label}")
        self.holder = holder


class Engine(ABC):
    """One database of one vendor. `session_label` names our sessions: `opsconsole/INSTANCE/OPERATION/FENCE`."""

    name: ClassVar[str]
    label: ClassVar[str]
    capabilities: ClassVar[frozenset[str]]
    url_schemes: ClassVar[frozenset[str]]

    def __init__(self, address: Address, *, session_label: str = "opsconsole") -> None:
        self.address = address
        self.session_label = session_label

    @classmethod
    @abstractmethod
    def parse(cls, url: str, *, roots: Sequence[Path] = ()) -> Address:
        """Check a URL's form (no connection). Raises TargetProblem; SQLite files must lie under one of `roots`."""

    @classmethod
    @abstractmethod
    def likeness(cls, one: str, other: str, *, look: bool = False) -> Likeness:
        """Compare two addresses by their `display`. Only with `look`, names are resolved and files looked for."""

    @abstractmethod
    def identity(self) -> Identity: ...

    @abstractmethod
    def check(self) -> list[Check]:
        """Everything that would keep the console from working here, most serious first; never raises."""

    @abstractmethod
    def tables(self, *, exact: bool = False) -> list[Table]:
        """User tables by name, without our own `_opsconsole_*` and the vendor's hidden ones. `exact` counts rows."""

    @abstractmethod
    def structure(self) -> Structure:
        """Tables, keys, references and triggers, for somebody who is about to put rows into them."""

    def ddl(self) -> tuple[str, ...] | None:
        """The texts that make the schema, in the order in which they can be run; None where the vendor keeps none."""
        return None

    @abstractmethod
    def schema_fingerprint(self) -> str:
        """`sha256:...` over every user object's definition; the same before and after a faithful restore."""

    @property
    def is_d1(self) -> bool:
        """Whether this is a database of Cloudflare's D1, or of its local runtime."""
        return False

    @abstractmethod
    def size_bytes(self) -> int: ...

    @abstractmethod
    def page(self, table: str, *, limit: int = 50, after: str | None = None) -> Page:
        """Rows of one table (by `Table.full_name`, matched against the catalogue), read-only, with a short timeout."""

    def sessions(self) -> list[str]:
        """Who else is connected, in words, without our own sessions; empty where the vendor cannot tell."""
        return []

    def writes(self) -> str:
        """What the server counts of rows written into user tables; another text after the next write, where it does."""
        return ""

    @abstractmethod
    def script(
        self, patience: Patience = USUAL, *, read_only: bool = False, foreign_keys: bool | None = None
    ) -> AbstractContextManager[Script]:
        """A session for SQL of others, such as migrations.

        `foreign_keys` is whether SQLite enforces references (None: where the database is D1's); other vendors always
        do.
        """

    @abstractmethod
    def inquiry(self, *, seconds: float = ASKING_SECONDS) -> AbstractContextManager[Inquiry]:
        """One moment of the database to ask many things of, each of which may take `seconds`."""

    @property
    @abstractmethod
    def wording(self) -> Wording:
        """How single rows are named, read and compared in SQL."""

    @abstractmethod
    def fixing(
        self, tables: Sequence[Relation], *, home: str, loose: Sequence[ForeignKey] = ()
    ) -> AbstractContextManager[Fixing]:
        """A transaction that sets rows right, with these tables closed to other writers.

        `home` is the schema for our table of images, "" where the vendor has none. While it lasts the foreign keys
        `loose`, and perhaps others, are not enforced; who wants that looks after them. Raises OperationFailed when
        that cannot be had.
        """

    def enforces(self, keys: Sequence[ForeignKey]) -> list[ForeignKey]:
        """Those of the foreign keys that `fixing` could not leave unenforced with the role that the console has."""
        return []

    def unquiet(self, relations: Sequence[Relation]) -> list[Relation]:
        """Those of the tables with triggers that a `Fixing` could not keep from firing with that role."""
        return []

    @abstractmethod
    def landed(self, witness: Mapping[str, Any]) -> bool | None:
        """Whether the transaction of a `Fixing` with that witness was committed; None when nobody can tell any more."""

    @abstractmethod
    def vitals(self, *, seconds: float) -> Vitals:
        """How it stands in this moment; every step of looking, the connection included, may take `seconds`."""

    @abstractmethod
    def definitions(self) -> Mapping[str, str]:
        """Every user object's definition by kind and name ("column public.users.email"), as in `Survey`."""

    @abstractmethod
    def survey(self, tick: Callable[[], None], *, like: Survey | None = None) -> Survey:
        """Read everything in full, for a comparison with another time. `tick` is called often and may raise.

        With `like`, an earlier one, the digest of each table is over the columns that it had then, if it has them all.
        """

    def watching(self, script: Script) -> AbstractContextManager[Callable[[], Held]]:
        """A function that tells, from another session, which locks on tables a script's session holds now.

        Nothing where the vendor locks the whole database.
        """
        return nullcontext(dict)

    @abstractmethod
    def hold(self) -> AbstractContextManager[TargetLock]:
        """Take the lock inside the target for as long as the context lasts.

        Raises TargetBusy when another operation or console holds it. A holder of the same operation with a lower
        fence is terminated first (take-over after a lost worker).
        """

    @abstractmethod
    def leftovers(self) -> list[str]:
        """Names of our own objects and sessions in or beside the target that no running operation owns by name."""


class TargetLock(ABC):
    """The lock inside the target."""

    @abstractmethod
    def confirm(self) -> None:
        """Raise TargetProblem(code="locked") unless the lock is still ours."""

    def release_inner(self) -> None:
        """Give up the part of the lock that lives inside the database itself, just before a swap renames it."""
