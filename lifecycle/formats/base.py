"""The contract of a backup format: one file each, one shape.

A backup is a folder of objects in a store (`backups/DATABASE/OPERATION/...`), `manifest.json` published last. A
format writes the objects, reads them all back (V1), and restores them in two stages that the kinds put together:
`prepare` makes a proven copy beside the live database; `publish` makes it live in one atomic act (the commit point).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from opsconsole.engines.base import Answer, Engine, TargetLock
from opsconsole.exceptions import Refused
from opsconsole.storage import Store

PART = "part"  # in Contents.source: what a backup that is not of everything leaves out, in words
TWIN = "twin"  # in Contents.source: the folder of another backup, in another format, of the very same moment
SCRATCH = "scratch"  # the method of a copy that is built only to be compared, and never published


class Progress(Protocol):
    """What a format may use of the run that drives it; `opsconsole.kinds.Run` fits, tests have a small twin."""

    operation_id: int
    fence: int
    workdir: Path  # private, on the store's disk, removed afterwards

    def progress(self, done: int, total: int, unit: str, *, step: str = "") -> None: ...
    def log(self, line: str) -> None: ...
    def check_cancel(self) -> None: ...
    def failpoint(self, name: str) -> None: ...
    def recheck(self) -> None: ...
    def before_commit(self, *, witness: Mapping[str, Any] | None = None) -> None: ...
    def after_commit(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """One published object: `sha256` and `size` are of the stored bytes, `plain_*` of what they unpack to."""

    key: str  # relative to the backup's folder
    size: int
    sha256: str
    plain_size: int
    plain_sha256: str
    compression: str  # zstd, none
    chunks: tuple[str, ...] = ()  # sha256 of each 64 MiB of the stored bytes
    encryption: str = ""  # age, or "" for none; what is encrypted was compressed before


@dataclass(frozen=True, kw_only=True)
class TableContent:
    """What one table holds in the backup.

    `digest` is the sha256 of its unpacked stream; of several objects, the sha256 over their plain digests, one a line;
    "" where the format cannot tell the tables' streams apart.
    """

    name: str  # Table.full_name
    rows: int
    digest: str
    objects: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Everything a format knows about what it wrote; it goes into the manifest word for word."""

    format: str
    format_version: int
    objects: tuple[StoredObject, ...]
    tables: tuple[TableContent, ...]
    schema_fingerprint: str
    sequences: Mapping[str, str] = field(default_factory=dict)  # name -> "last_value,is_called"
    source: Mapping[str, Any] = field(
        default_factory=dict
    )  # engine, server_version, encoding, collation, extensions, ...
    tool: Mapping[str, str] = field(default_factory=dict)  # path and version of the client program
    snapshot: Mapping[str, str] = field(default_factory=dict)  # snapshot id, LSN
    fallback_reason: str = ""  # why this format was used instead of the one asked for


@dataclass(frozen=True, kw_only=True)
class Archive:
    """Where one backup lies: `folder` is the key prefix of its objects, `part` (`OPERATION.FENCE`) names part files.

    What is written into it is encrypted for `recipients` (age1..., none: as it is), what is read is decrypted with
    `identities` (AGE-SECRET-KEY-1...). Everybody goes through `streams` for that, or hands both to a copy worker.
    """

    store: Store
    folder: str
    part: str = ""
    recipients: tuple[str, ...] = ()
    identities: tuple[str, ...] = field(default=(), repr=False)

    def key(self, name: str) -> str:
        return f"{self.folder}/{name}"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A proven copy beside the live one. `name` is the staging database or file; `tables` what was counted in it."""

    method: str  # swap, in_place (nothing is staged: the archive itself is what was proven), or SCRATCH
    name: str = ""
    tables: Mapping[str, int] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What of a database goes into a backup, and how. Tables are named as `Table.full_name`, or without `public.`."""

    tables: tuple[str, ...] = ()  # these only; none: all of them
    without: tuple[str, ...] = ()
    rows: bool = True  # False: the schema alone
    apart: bool = False  # one object a table

    def of(self, names: Sequence[str]) -> list[str]:
        """The tables whose rows are wanted, of all that there are. Raises Refused for one that is not among them."""
        for given in (*self.tables, *self.without):
            if not any(_is_called(name, given) for name in names):
                listed = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
                raise Refused("unknown_table", f"There is no table called {given}.", f"Use some of: {listed}.")
        return [
            name
            for name in names
            if self.rows
            and (not self.tables or any(_is_called(name, given) for given in self.tables))
            and not any(_is_called(name, given) for given in self.without)
        ]


WHOLE = Scope()


def _is_called(name: str, given: str) -> bool:
    return given in (name, name.removeprefix("public."))


class Format(ABC):
    """One backup format of one engine."""

    name: ClassVar[str]  # native, custom, json
    engine: ClassVar[str]
    label: ClassVar[str]
    divides: ClassVar[bool] = False  # whether it can write another scope than WHOLE

    @abstractmethod
    def estimate_bytes(self, engine: Engine) -> int:
        """An upper estimate of the stored size, for the check of free space."""

    @abstractmethod
    def moment(self, engine: Engine, run: Progress) -> AbstractContextManager[Any]:
        """One state of the database while it lasts, for `write_from` of any format of this engine."""

    @abstractmethod
    def write_from(
        self, moment: Any, engine: Engine, archive: Archive, run: Progress, scope: Scope = WHOLE
    ) -> Contents:
        """Write and publish the objects, never the manifest.

        Failpoints: backup.mid, backup.before_fsync, backup.data_renamed.
        """

    def write(self, engine: Engine, archive: Archive, run: Progress, scope: Scope = WHOLE) -> Contents:
        """`write_from` a moment of its own."""
        with self.moment(engine, run) as moment:
            return self.write_from(moment, engine, archive, run, scope)

    @abstractmethod
    def read_through(self, archive: Archive, contents: Contents, run: Progress) -> None:
        """V1: read every byte, unpack, parse and compare with `contents`. Raises OperationFailed("backup_damaged")."""

    @abstractmethod
    def refusals(
        self, engine: Engine, contents: Contents, *, method: str, overwrite: bool
    ) -> list[tuple[str, str, str]]:
        """Why this backup cannot be restored into that database: (code, why, next step), empty when it can.

        Unsuitable versions, missing extensions, not enough space, a non-empty foreign destination without the flag,
        logical slots or subscriptions that a swap would leave behind, a role that may not do it.
        """

    @abstractmethod
    def methods(self, engine: Engine) -> tuple[str, ...]:
        """The restore methods this role can use here, best first: swap, in_place."""

    @abstractmethod
    def why_no_scratch(self, engine: Engine) -> str:
        """Why no scratch copy can be built beside that database, in one sentence; empty when one can."""

    @abstractmethod
    def prepare(self, engine: Engine, archive: Archive, contents: Contents, run: Progress, *, method: str) -> Prepared:
        """Build and prove the copy (counts equal the manifest, keys valid). The live database is only read.

        With the method SCRATCH it is for comparing only: nobody is let into it, and it is never published.

        Failpoints: restore.staging_half.
        """

    @abstractmethod
    def differences(
        self, engine: Engine, archive: Archive, contents: Contents, prepared: Prepared, run: Progress
    ) -> list[str]:
        """V2: read the prepared copy in full and say how it differs from the backup, in words; empty when it is equal.

        Compares counts, contents, sequences, definitions and foreign keys. Raises OperationFailed("backup_damaged").
        """

    @abstractmethod
    def rows_beside(
        self, engine: Engine, archive: Archive, contents: Contents, prepared: Prepared, run: Progress
    ) -> list[str]:
        """How the rows of this backup differ from those of a copy that its twin prepared, in words."""

    @abstractmethod
    def ask(self, engine: Engine, prepared: Prepared, statements: Sequence[str], *, seconds: int) -> list[Answer]:
        """What each SELECT gives in the prepared copy: run read-only, with few rights, for at most so many seconds."""

    @abstractmethod
    def publish(
        self, engine: Engine, lock: TargetLock, archive: Archive, contents: Contents, prepared: Prepared, run: Progress
    ) -> Mapping[str, Any]:
        """Make it live in one atomic act and give back facts for the result (old database's name, seconds, ...).

        Right before the act: `run.recheck()`, then `run.before_commit(witness=...)` with what `landed` needs; right
        after it: `run.after_commit()`. Failpoints: restore.before_swap, restore.in_swap, restore.swapped, inplace.mid,
        sqlite.copy_half, sqlite.copied.
        """

    @abstractmethod
    def landed(self, engine: Engine, witness: Mapping[str, Any]) -> bool | None:
        """Did the atomic act take place? None when that cannot be known. Reads only."""

    @abstractmethod
    def clean_up(self, engine: Engine, operation_id: int, fence: int) -> None:
        """Drop staging databases, files and sessions of one operation up to that fence; never anything live."""


class Keeper(ABC):
    """Looks after whole databases that a swap has kept beside the live one, under another name.

    `incarnation` is the kept database's own; every method takes another one under that name for gone.
    """

    engine: ClassVar[str]

    @abstractmethod
    def room(self, engine: Engine, contents: Contents) -> tuple[int, int | None]:
        """(bytes that a copy of a backup needs on the server, bytes free there or None when nobody here can tell)."""

    @abstractmethod
    def open(self, engine: Engine, name: str, incarnation: str) -> Engine | None:
        """The kept database as an engine of its own, beside the live one's `engine`; None when it is gone."""

    @abstractmethod
    def refusals(self, engine: Engine, name: str, incarnation: str) -> list[tuple[str, str, str]]:
        """Why it cannot be swapped back in: (code, why, next step), empty when it can."""

    @abstractmethod
    def swap_back(
        self, engine: Engine, lock: TargetLock, name: str, incarnation: str, rows: Mapping[str, int], run: Progress
    ) -> Mapping[str, Any]:
        """Let it and the live database change names, once it was seen to hold `rows`; gives back facts for the result.

        `rows` are those of the tables for which they are known. What is live now is kept in turn. Right before the act
        as in `Format.publish`, with the failpoints of a swap.
        """

    @abstractmethod
    def drop(self, engine: Engine, name: str, incarnation: str) -> None:
        """Drop it; gone is fine too. Raises Refused for another one under that name."""
