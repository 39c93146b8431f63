"""What a rehearsal found, as frozen values and as JSON; times are whole milliseconds, sizes bytes, counts rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lifecycle.migrating.differences import Change


@dataclass(frozen=True, kw_only=True)
class TableRecord:
    """One table before and after. `before` is None for a new one, `after` for one that is gone.

    `same` tells that every value of the columns it had before is as it was, by digest; None where that is not known.
    `weight` orders by loss, the most first; `sentence` says it in words.
    """

    name: str
    sentence: str
    before: int | None
    after: int | None
    weight: int = 0
    was: str = ""  # the name it had before, where it has another one now
    same: bool | None = None
    rewritten: bool = False
    altered: bool = False  # its columns are other ones, or are defined otherwise
    named: bool = True  # whether a text names it
    ledger: bool = False  # the tool's own, whose rows come and go with migrations
    lost_columns: tuple[str, ...] = ()
    lock: str = ""  # the strongest lock that was held on it, in the vendor's word
    lock_ms: int = 0
    bytes_before: int | None = None
    bytes_after: int | None = None

    @property
    def untouched(self) -> bool:
        """Proven: the rows are the same, and neither they nor the columns were written anew."""
        same = self.same is True and self.before == self.after
        return same and not (self.rewritten or self.altered or self.was)

    @property
    def lost(self) -> int:
        """Rows that are gone; those of the ledger are none."""
        return 0 if self.ledger else max(0, (self.before or 0) - (self.after or 0))


@dataclass(frozen=True, kw_only=True)
class StatementRecord:
    """One statement, or a text that could not be run statement by statement. `line` is 1-based within its file."""

    migration: str
    line: int
    text: str  # its beginning
    ms: int
    failed: bool = False
    rows: int | None = None  # that it wrote; None where that is not known, or it writes none


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Where it failed, and the database's own message."""

    migration: str
    title: str  # of the unit
    line: int
    text: str
    why: str
    code: str = ""
    in_the_way: str = ""  # how many rows are, where the statement tells what it demands of them


@dataclass(frozen=True, kw_only=True)
class Back:
    """The way back, tried. `leads_back` where schema and rows are those of before; else `differences` in words."""

    leads_back: bool
    ms: int
    differences: tuple[str, ...] = ()
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One rehearsal of units on one copy. `flavour` is postgresql, sqlite or d1."""

    flavour: str
    verdict: str
    tables: tuple[TableRecord, ...]  # by loss, the most first
    statements: tuple[StatementRecord, ...]  # in order; of very many the slowest
    statements_run: int
    whole: tuple[str, ...]  # why some texts were not run statement by statement
    changes: tuple[Change, ...]
    ms: int
    bytes_before: int
    bytes_after: int
    fingerprint_before: str
    fingerprint_after: str
    orphans: Mapping[str, int]  # rows that have come to break a foreign key
    invalid_indexes: tuple[str, ...]  # those that have come
    damage: tuple[str, ...]  # what the vendor's check of the rows says that it did not say before
    failure: Failure | None = None
    back: Back | None = None

    @property
    def untouched(self) -> int:
        """How many tables are proven untouched."""
        return sum(table.untouched for table in self.tables)

    @property
    def longest_lock(self) -> TableRecord | None:
        """The table that was locked longest, among those locked in the strongest way there is a word for."""
        held = [table for table in self.tables if table.lock]
        return max(held, key=lambda table: table.lock_ms, default=None)

    @property
    def lost_rows(self) -> int:
        return sum(table.lost for table in self.tables)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def recording_from(given: Mapping[str, Any]) -> Recording:
    """Inverse of `Recording.to_json`, also after it went through JSON."""
    back = given["back"]
    return Recording(
        **{
            **given,
            "tables": tuple(
                TableRecord(**{**each, "lost_columns": tuple(each["lost_columns"])}) for each in given["tables"]
            ),
            "statements": tuple(StatementRecord(**each) for each in given["statements"]),
            "changes": tuple(Change(**each) for each in given["changes"]),
            **{name: tuple(given[name]) for name in ("whole", "invalid_indexes", "damage")},
            "failure": _failure(given["failure"]),
            "back": Back(
                **{**back, "differences": tuple(back["differences"]), "failure": _failure(back["failure"])}
            ) if back else None,
        }
    )  # fmt: skip


def _failure(given: Mapping[str, Any] | None) -> Failure | None:
    return Failure(**given) if given else None
