"""The contract of a source: how one tool names its migrations, keeps its ledger, and applies, marks and forgets.

A source is pure but for reading the ledger: from files and ledger it says what is pending, and what exactly would be
done (`acts`). Whatever runs are those values, so the plan, the rehearsal and the run cannot differ. The real tools are
the judges: after ours, they find nothing to do, and every row is as they would have written it.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from lifecycle.sources.acts import Act, Unit
from opsconsole.engines.scripting import Script
from opsconsole.exceptions import Refused, Usage

Refusal = tuple[str, str, str]  # code, why, what to do next


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A tool's folder, or a repository, as bytes by relative path with `/` (no leading one); no links, no devices.

    `options` are what the tool's configuration says of this folder (table, schema, pattern, ...); detection sets them.
    """

    name: str  # as somebody called it
    files: Mapping[str, bytes] = field(repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """`sha256:...` over names and contents of all files."""
        total = hashlib.sha256()
        for path in sorted(self.files):
            total.update(f"{len(path.encode())}:{path}{hashlib.sha256(self.files[path]).hexdigest()}".encode())
        return f"sha256:{total.hexdigest()}"

    def below(self, path: str) -> Folder:
        """What lies in one of its folders, by the paths there; itself for ""."""
        if not path:
            return self
        start = path.rstrip("/") + "/"
        found = {key[len(start) :]: data for key, data in self.files.items() if key.startswith(start)}
        return Folder(name=f"{self.name}/{path}", files=found)


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One migration of a folder. `key` is what the ledger knows it by, as text; `name` is what people call it.

    `text` is the file exactly (decoded as UTF-8, byte order mark and line ends kept); `down` is the way back, None
    where there is none. `facts` are what else its source needs of it (JSON).
    """

    key: str
    name: str
    path: str
    text: str = field(repr=False)
    down: str | None = field(default=None, repr=False)
    down_path: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a ledger. `key` as in `Migration`; `checksum` is the tool's own, "" where it keeps none."""

    key: str
    name: str = ""
    applied_at: datetime | None = None
    checksum: str = ""
    failed: bool = False  # begun and not finished: the tool stops here
    undone: bool = False  # rolled back, by the tool's own word
    raw: Mapping[str, Any] = field(default_factory=dict)  # every column, as JSON


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """A tool's table as it is now. Without the table, nothing is applied. `facts` are JSON (columns, current, ...)."""

    table: str  # with its schema, as people read it
    exists: bool
    rows: tuple[Row, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Equal as long as no row came, went or changed; what a plan binds to."""
        told = [self.table, self.exists, *(sorted(row.raw.items(), key=str) for row in self.rows)]
        return "sha256:" + hashlib.sha256(repr(told).encode()).hexdigest()


class State(StrEnum):
    """What is said of one migration."""

    APPLIED = "applied"
    PENDING = "pending"
    EDITED = "edited since"  # applied, and its file is another one now
    HALF = "half applied"  # begun and failed; the tool runs nothing before somebody has resolved it
    SKIPPED = "skipped for ever"  # not applied, and its tool will never look at it again
    UNKNOWN = "unknown to the folder"  # in the ledger, without a file
    UNDONE = "rolled back"  # was applied and taken back; its tool applies it again


DONE = (State.APPLIED, State.EDITED)
RUNNABLE = (State.PENDING, State.UNDONE)  # what applying takes up


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a status: a migration, its row, or both, and one sentence about it."""

    state: State
    sentence: str
    migration: Migration | None = None
    row: Row | None = None

    @property
    def key(self) -> str:
        return self.migration.key if self.migration else self.row.key if self.row else ""

    @property
    def name(self) -> str:
        return self.migration.name if self.migration else self.row.name or self.row.key if self.row else ""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where migrations go. `d1` is Cloudflare's flavour of SQLite; `database` is the vendor's own name of it."""

    engine: str  # postgresql or sqlite
    database: str
    d1: bool = False


class Source(ABC):
    """One tool. `options` are `Folder.options`, or come from the request: table, schema, ..."""

    name: ClassVar[str]  # as in tool=NAME
    label: ClassVar[str]
    engines: ClassVar[frozenset[str]]
    foreign_keys: ClassVar[bool | None] = None  # on SQLite; None: on where the database is D1's, as it is otherwise
    together: ClassVar[bool] = False  # all pending migrations in one transaction
    one_number: ClassVar[bool] = False  # the ledger is one version, and all below it count as applied
    transactional: ClassVar[bool] = True  # a failing migration leaves nothing of itself

    @abstractmethod
    def migrations(self, folder: Folder, place: Place) -> tuple[Migration, ...]:
        """The folder's migrations in the tool's order. Raises Refused for a folder that the tool would not take."""

    @abstractmethod
    def ledger(self, script: Script, place: Place, options: Mapping[str, str]) -> Ledger:
        """Read the ledger; writes nothing, also where the tool would create it."""

    @abstractmethod
    def compare(self, migrations: Sequence[Migration], ledger: Ledger) -> tuple[Entry, ...]:
        """Files against ledger, in the tool's order; rows without a file stand where they were applied."""

    @abstractmethod
    def refusals(self, entries: Sequence[Entry], ledger: Ledger) -> list[Refusal]:
        """Why the tool would run nothing now (dirty, failed, edited, missing file), most serious first."""

    @abstractmethod
    def apply(
        self, pending: Sequence[Migration], ledger: Ledger, place: Place, options: Mapping[str, str]
    ) -> tuple[Unit, ...]:
        """What applying these does, in the tool's shape and with its rows."""

    @abstractmethod
    def mark(self, migration: Migration, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        """Make the ledger say that it is applied, as the tool would write it, without running it."""

    @abstractmethod
    def forget(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        """Make the ledger say that it is not applied. Raises Refused where that would have no effect."""

    def down(self, entry: Entry, ledger: Ledger, place: Place, options: Mapping[str, str]) -> Unit:
        """Take back the last applied one by its own down file. Raises Refused for a tool without such."""
        raise Refused(
            "no_way_down",
            f"{self.label} has no down migrations.",
            "Write a new migration that takes it back, undo the operation, or restore its safety backup.",
        )

    def taken_back(self, unit: Unit, ledger: Ledger) -> Ledger:
        """The ledger once that unit has taken a migration back, so that the one before it can be planned, too."""
        return replace(ledger, rows=tuple(row for row in ledger.rows if row.key not in unit.migrations))

    def landed(self, unit: Unit, ledger: Ledger) -> bool:
        """Whether a ledger that was read later says that a unit is done; asked about a run that was lost."""
        keys = set(unit.migrations)
        if unit.direction == "forget":
            return not keys & {row.key for row in ledger.rows if not row.undone}
        there = {row.key for row in ledger.rows if not (row.failed or row.undone)}
        return not there & keys if unit.direction == "down" else keys <= there

    def passed_over(self, chosen: Sequence[Migration], entries: Sequence[Entry]) -> list[Migration]:
        """Pending ones that the tool would never look at again once the chosen ones, and not they, are applied."""
        return []

    def locks(self, place: Place, options: Mapping[str, str]) -> tuple[Act, ...]:
        """The lock that the tool itself takes while it runs, as statements on the same session; it ends with it."""
        return ()

    def configured(self, project: Folder) -> Sequence[Mapping[str, str]]:
        """What the tool's configuration at the top of a project says, one mapping a database.

        `dir` is where it says that the migrations are, relative to the project; the others are this source's options
        (table, schema, ...). Empty where there is no configuration of this tool.
        """
        return ()

    def remarks(self, migrations: Sequence[Migration], place: Place) -> list[tuple[str, str]]:
        """(migration's key, sentence) where the real tool would stumble although ours would not."""
        return []


_SOURCES: dict[str, Source] = {}


def register(source: Source) -> None:
    """Add a tool to the table. Raises TypeError for a second one of that name."""
    if source.name in _SOURCES:
        raise TypeError(f"the source {source.name} is registered twice")
    _SOURCES[source.name] = source


def every() -> list[Source]:
    """All tools whose folders can be applied, by name."""
    return [_SOURCES[name] for name in sorted(_SOURCES)]


def source_named(name: str) -> Source:
    """The tool of that name. Raises Usage with the list of what there is."""
    try:
        return _SOURCES[name]
    except KeyError:
        known = ", ".join(sorted(_SOURCES))
        raise Usage("unknown_tool", f"There is no migration tool called {name}.", f"Use one of: {known}.") from None
