"""What a load is asked for, and what is known of it before anything is touched: frozen values, any engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lifecycle.formats.base import Archive
from opsconsole.engines.structure import Structure
from opsconsole.exceptions import Refused

REPLACE, MERGE = "replace", "merge"
STOP, FILE = "stop", "file"
REJECTS = 10_000  # rows; a document of which more do not fit is another database's
Refusal = tuple[str, str, str]  # code, why, next step


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to load. `accept` holds what somebody said yes to: a question's code ("uncovered"), or one of them by key
    ("uncovered:public.comments").

    `renames` gives the target's name of a table ("devTasks": "dev_tasks") or a column ("users.emailVerified":
    "email_verified") where pairing by name does not find it; `keys` the columns that a merge goes by, by table.
    """

    mode: str = REPLACE
    on_reject: str = STOP
    accept: frozenset[str] = frozenset()
    renames: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    masked: tuple[str, ...] = ()  # columns whose values are never told, beside those whose names say so
    reject_limit: int = REJECTS


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A column of the document and the one that takes its values. `is_json`: the source itself calls it JSON."""

    source: str
    target: str
    is_json: bool = False


@dataclass(frozen=True, kw_only=True)
class Covered:
    """One table that rows go into."""

    source: str  # the document's name
    table: str  # the target's full name
    pairs: tuple[Pair, ...]
    rows: int  # in the document
    live: int
    key: tuple[str, ...] = ()  # what a merge goes by
    partnerless: tuple[str, ...] = ()  # columns of the document whose values have no place
    defaults: tuple[str, ...] = ()  # columns of the target that the document does not know
    computed: tuple[str, ...] = ()  # columns of the document that the target computes itself
    triggers: tuple[str, ...] = ()  # those that will fire
    numbered: tuple[str, ...] = ()  # columns whose sequence is advanced
    discreet: bool = False  # it has values that are masked, so what a trigger says of them is not told either


@dataclass(frozen=True, kw_only=True)
class Uncovered:
    """A table of the target that the document says nothing of. `referring` rows of it refer to what is cleared."""

    table: str
    live: int
    referring: int = 0
    refers_to: tuple[str, ...] = ()
    cleared: bool = False  # somebody said yes to that


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The record that a migration tool keeps in the target. It goes with the schema, so that only a yes replaces it.

    `rows` are those that the document has of it, None when it has none.
    """

    table: str
    tool: str
    rows: int | None = None
    replaced: bool = False

    @property
    def words(self) -> str:
        return f"the record of {self.tool}'s migrations"


@dataclass(frozen=True, kw_only=True)
class Group:
    """Tables that are loaded together. `knotted`: their rows refer to one another, or to others of the same table."""

    tables: tuple[str, ...]
    knotted: bool = False


@dataclass(frozen=True, kw_only=True)
class Question:
    """Something that is only done when somebody said yes to it."""

    code: str  # uncovered, clear, document_column, target_column, absent, emptied, ledger
    subject: str
    text: str
    accepted: bool

    @property
    def key(self) -> str:
        return f"{self.code}:{self.subject}"


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A document beside a database. `tables` and `groups` are in the order of the load, parents first."""

    mode: str
    tables: tuple[Covered, ...]
    groups: tuple[Group, ...]
    absent: Mapping[str, int]  # tables of the document that the target lacks, and their rows
    uncovered: tuple[Uncovered, ...]
    truncates: bool  # whether tables are cleared at one stroke rather than row by row
    questions: tuple[Question, ...]
    refusals: tuple[Refusal, ...]
    structure: Structure = field(repr=False)
    ledgers: tuple[Ledger, ...] = ()

    @property
    def cleared(self) -> tuple[str, ...]:
        """Every table that is emptied first, parents first."""
        if self.mode != REPLACE:
            return ()
        return (*(table.table for table in self.tables), *(item.table for item in self.uncovered if item.cleared))

    @property
    def open_questions(self) -> tuple[Question, ...]:
        return tuple(question for question in self.questions if not question.accepted)

    @property
    def kept_ledgers(self) -> dict[str, Ledger]:
        """By table, those that stay as they are."""
        return {ledger.table: ledger for ledger in self.ledgers if not ledger.replaced}

    def table(self, name: str) -> Covered:
        """The covered table of that full name. Raises KeyError."""
        return {table.table: table for table in self.tables}[name]

    def require(self) -> None:
        """Raise Refused unless nothing stands in the way and every question was answered with yes."""
        for refusal in self.refusals:
            raise Refused(*refusal)
        if waiting := self.open_questions:
            named = "; ".join(question.text for question in waiting[:3])
            more = f" (and {len(waiting) - 3} more)" if len(waiting) > 3 else ""
            codes = ",".join(sorted({question.code for question in waiting}))
            raise Refused(
                "not_accepted",
                f"Nobody has said yes to this: {named}{more}.",
                f"Look at the plan, then accept: {codes}.",
            )


@dataclass(frozen=True, kw_only=True)
class RejectObject:
    """Where rows that do not fit are written: an object of a store, JSON lines, compressed."""

    archive: Archive
    key: str
