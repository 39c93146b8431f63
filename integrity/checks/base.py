"""What a check is, what it asks, and what it finds: values that know nothing of operations or pages.

A check either asks about rows of a table (`questions`: these are answered together, in one pass over each table) or
looks by itself (`look`: catalogues, pragmas). All that it was able to look at is told, sound or not: `Found` or `Held`.
"""

from __future__ import annotations

import hashlib
from abc import ABC
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from opsconsole.engines.base import Engine
from opsconsole.engines.inquiry import Inquiry
from opsconsole.engines.structure import Structure


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 is the worst."""
        return list(Severity).index(self)


ORPHANS, BUSINESS, CONSISTENCY, PERFORMANCE = (
    "Orphaned Records", "Business Rules", "Data Consistency", "Performance",
)  # fmt: skip
SCHEMA, STORAGE, CAPACITY = "Schema", "Storage", "Capacity"
RULE = "rule:"  # before the name of a rule, where the names of checks stand


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What would set a finding right, as somebody may ask for it with the kind `fix`.

    `action` is one of `integrity.fixing.actions`; for actions on rows, `table`, `joins` and `where` say which (see
    `Condition`), `column` and `value` (an SQL expression over t) what they get. `statement` is the exact text of an
    action that is one statement without rows. `words` say it: "Delete the 3 sessions that expired".
    """

    action: str
    words: str
    table: str = ""
    where: str = ""
    joins: str = ""
    column: str = ""
    value: str = ""
    statement: str = ""
    people: bool = False  # it holds SQL of people

    def to_json(self) -> dict[str, Any]:
        """The members that are set."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Some of the rows; values as they are, but that long ones are cut. They are masked before they are stored or
    shown.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Found:
    """One fault. `subject` is what it is about, the same words in every report; with the check's name it is the
    fingerprint. `count` is of rows (or of objects), `of` how many there are altogether.
    """

    check: str
    subject: str
    severity: Severity
    category: str
    sentence: str
    count: int = 1
    of: int | None = None
    margin: str = ""  # how exact the count is, in words; empty when it is exact
    table: str = ""
    sample: Sample | None = None
    query: str = ""  # what finds the rows again, by hand
    why: str = ""
    next_step: str = ""
    proposals: tuple[Proposal, ...] = ()
    rule: Mapping[str, Any] | None = None  # that somebody may confirm, when this is a guess; as rules are imported
    failed: bool = False

    @property
    def fingerprint(self) -> str:
        return "sha256:" + hashlib.sha256(f"{self.check}\0{self.subject}".encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Held:
    """What was looked at and is sound. With a `margin` (see `Found`) only a sample was, so that it is only likely."""

    check: str
    subject: str
    sentence: str
    margin: str = ""

    @property
    def fingerprint(self) -> str:
        return "sha256:" + hashlib.sha256(f"{self.check}\0{self.subject}".encode()).hexdigest()


Outcome = Found | Held


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Rows of one table that break something: those of `FROM table AS t JOINS` for which WHERE is true.

    `where` is an SQL boolean that names the table's columns by the alias t; rows for which it is NULL do not meet it.
    Without joins, and without a SELECT inside, it is asked together with others in one pass over the table. All others
    are asked by themselves, so that the database can make a hash join of them: rows without a parent are best found by
    `joins` = "LEFT JOIN parent AS p ON p.id = t.parent_id" and `where` = "t.parent_id IS NOT NULL AND p.id IS NULL".
    Joins must not multiply rows of t.

    `by` says that joins and where name no columns of t but these (a foreign key's). SQLite then looks at the distinct
    values of an index that begins with them, where there is one, instead of at every row.
    """

    table: str  # its full name
    where: str
    joins: str = ""
    people: bool = False  # it holds SQL of people
    by: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How many rows meet a condition, of how many; a sample of them, when there are any."""

    count: int
    of: int
    margin: str = ""
    sample: Sample | None = None
    query: str = ""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A condition, and how to tell its answer. `show` are columns for the sample, after the key's.

    `of_all` says that it is about how many rows there are altogether, which every answer tells, and about none of them.
    """

    check: str
    subject: str
    title: str  # what is asked, for a report on a question that got no answer: "orphans of accounts.user_id"
    severity: Severity
    category: str
    condition: Condition
    told: Callable[[Answer], Outcome]
    show: tuple[str, ...] = ()
    of_all: bool = False


Progress = Callable[[int, int, str], None]  # tables that are done, of how many, what is looked at now


def unheard(done: int, of: int, what: str) -> None:
    """Progress that nobody follows."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What checks may look at: one moment of one database. A check that takes long tells `follow` how far it is."""

    inquiry: Inquiry
    engine: Engine
    structure: Structure
    name: str  # of the database, for sentences
    d1: bool = False
    before: Mapping[str, int] = field(default_factory=dict)  # rows by table in the last whole report
    quick: bool = False  # only what can be critical is asked
    ruled: frozenset[tuple[str, str]] = (
        frozenset()
    )  # (table, column) of references that rules look after, in lower case
    follow: Progress = unheard

    @property
    def vendor(self) -> str:
        return self.inquiry.vendor


class Check(ABC):
    """One thing that is looked for. It has questions, or looks by itself, or both; `look` may raise AskFailed."""

    name: ClassVar[str]  # stable: part of the fingerprints of what it finds
    label: ClassVar[str]
    severity: ClassVar[Severity]  # of the worst that it finds: quick checks leave out what cannot be critical
    category: ClassVar[str]
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql", "sqlite"})

    def step(self, moment: Moment) -> str:
        """What somebody who waits is told that it does."""
        return self.label

    def questions(self, moment: Moment) -> Iterable[Question]:
        """What it asks about rows."""
        return ()

    def look(self, moment: Moment) -> Iterable[Outcome]:
        """What it sees by itself."""
        return ()


def quoted(name: str) -> str:
    """An identifier in SQL of either vendor."""
    return '"' + name.replace('"', '""') + '"'


def named(structure: Structure, table: str) -> str:
    """A table, by its full name, as SQL has it."""
    relation = structure.relations[table]
    return f"{quoted(relation.schema)}.{quoted(relation.name)}" if relation.schema else quoted(relation.name)
