"""What SQLite itself finds wrong in its file: damaged pages, untrue indexes, rows that break their constraints."""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import ClassVar

from integrity.checks.base import (
    CONSISTENCY,
    ORPHANS,
    STORAGE,
    Moment,
    Outcome,
    Proposal,
    Severity,
    quoted,
)
from integrity.checks.telling import Telling
from integrity.checks.wording import NOT_COMPARED, rows, verb
from opsconsole.engines.inquiry import AskFailed
from opsconsole.masking import mask_text
from opsconsole.templatetags.console import size

MOST_LINES = 1000  # that SQLite is asked for
SHOWN_LINES = 10
GIB, LARGE = 1 << 30, 64 << 20
PAGES = "pages of the file"
# Lines of PRAGMA integrity_check (sqlite.org/pragma.html); what is none of these is damage of pages.
_OF_INDEX = re.compile(
    r"(?:row -?\d+ missing from|wrong # of entries in|non-unique entry in|of|differ from) index (.+)$"
)
_OF_CONTENT = re.compile(r"(?:NULL value|CHECK constraint failed|\S+ value) in (.+)$")


_REFERRING = (
    "SELECT m.name FROM sqlite_schema AS m WHERE m.type = 'table'"
    " AND EXISTS (SELECT 1 FROM pragma_foreign_key_list(m.name)) ORDER BY 1"
)
_BROKEN = "SELECT parent, count(*) FROM pragma_foreign_key_check(?) GROUP BY 1"


class SqlitePages(Telling):
    """In a quick look `quick_check`, which compares no index with its table; otherwise `integrity_check`."""

    name: ClassVar[str] = "sqlite_pages"
    label: ClassVar[str] = "Pages, indexes and constraints, read by SQLite itself"
    severity: ClassVar[Severity] = Severity.CRITICAL
    category: ClassVar[str] = STORAGE
    engines: ClassVar[frozenset[str]] = frozenset({"sqlite"})

    def __init__(self, *, apart_from: int = LARGE) -> None:
        self.apart_from = apart_from  # bytes of a file from which on it is read table by table

    def step(self, moment: Moment) -> str:
        words = how_long(_size(moment), quick=moment.quick)
        return f"{self.label}: {words}" if words else self.label

    def look(self, moment: Moment) -> Iterator[Outcome]:
        pragma = "quick_check" if moment.quick else "integrity_check"
        bytes_ = _size(moment)
        seconds = moment.inquiry.seconds * max(1, math.ceil(bytes_ / GIB))
        until = time.monotonic() + seconds
        try:
            apart = not moment.quick and bytes_ >= self.apart_from and _sound_apart(moment, until)
            lines = [] if apart else [line for line in _lines(moment, pragma, until) if line != "ok"]
        except AskFailed as error:
            if not error.timeout:
                raise
            step = "Give it more time (seconds= counts for each GiB of the file)"
            step += "." if moment.quick else ", or ask with mode=quick, which compares no index with its table."
            yield self.unseen(
                PAGES.capitalize(), f"it took longer than {seconds:g} seconds", step, severity=self.severity
            )
            return
        margin = f"at least; SQLite was asked for the first {MOST_LINES:,}" if len(lines) >= MOST_LINES else ""
        damage, of_index, of_table = _sorted(moment, lines)
        doubt = "SQLite may have stopped before it" if damage or margin else ""
        yield self._pages(pragma, damage, margin)
        for table in moment.structure.relations:
            yield self._contents(table, of_table.get(table, []), margin, doubt)
        indexes = "SELECT name, tbl_name FROM sqlite_schema WHERE type = 'index' ORDER BY name"
        for index, table in moment.inquiry.ask(indexes):
            likely = doubt or (NOT_COMPARED if moment.quick else "")
            yield self._index(index, table, of_index.get(index, []), margin, likely)

    def _pages(self, pragma: str, damage: list[str], margin: str) -> Outcome:
        if not damage:
            return self.held(PAGES, f"PRAGMA {pragma} found every page of the file sound.")
        return self.found(
            PAGES,
            f"Pages of the file are damaged: {_told(damage)}",
            count=len(damage),
            margin=margin,
            query=f"PRAGMA {pragma}",
            why="Rows on damaged pages are lost or wrong, and each write may spread the damage.",
            next_step="Stop the programs that write to it, look at the disk, and restore the newest good backup.",
        )

    def _contents(self, table: str, lines: list[str], margin: str, doubt: str) -> Outcome:
        subject = f"constraints of {table}"
        if not lines:
            sentence = f"The rows of {table} keep its NOT NULL and CHECK constraints, as SQLite tells."
            return self.held(subject, sentence, doubt)
        return self.found(
            subject,
            f"{rows(len(lines), table)} {verb(len(lines), 'break', 'breaks')} its own constraints: "
            f"{_told(sorted(set(lines)))}",
            category=CONSISTENCY,
            count=len(lines),
            margin=margin,
            table=table,
            query=f"PRAGMA integrity_check({quoted(table)})",
            why="The rows were written past the constraint, and a restore or a rebuilt table will refuse them.",
            next_step="Correct the rows, or the constraint in a migration.",
        )

    def _index(self, index: str, table: str, lines: list[str], margin: str, doubt: str) -> Outcome:
        subject = f"index {index}"
        if not lines:
            return self.held(subject, f"Index {index} tells what {table} holds.", doubt)
        clash = any(line.startswith("non-unique") for line in lines)
        rebuilt = Proposal(
            action="reindex", words=f"Rebuild index {index}", table=table, statement=f"REINDEX {quoted(index)}"
        )
        return self.found(
            subject,
            f"Index {index} does not tell what {table} holds: {_told(lines)}",
            count=len(lines),
            margin=margin,
            table=table,
            query="PRAGMA integrity_check",
            why="Queries that use the index miss rows, or show rows that are not there.",
            next_step="Remove the doubled rows, then rebuild the index."
            if clash
            else "Rebuild the index from its table.",
            proposals=() if clash else (rebuilt,),
        )


class ForeignKeyCheck(Telling):
    """The same rows are counted, key by key, by `orphans`; this is the vendor's own word for it."""

    name: ClassVar[str] = "foreign_key_check"
    label: ClassVar[str] = "Foreign keys, checked by SQLite itself"
    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = ORPHANS
    engines: ClassVar[frozenset[str]] = frozenset({"sqlite"})

    def look(self, moment: Moment) -> Iterator[Outcome]:
        subject = "PRAGMA foreign_key_check"
        broken: list[tuple[int, str, str]] = []
        unseen: list[Outcome] = []
        for (table,) in moment.inquiry.ask(_REFERRING):
            try:
                broken += [(number, table, parent) for parent, number in moment.inquiry.ask(_BROKEN, (table,))]
            except AskFailed as error:  # a reference that leads to no key spoils all of its table
                unseen.append(self.unseen(f"Foreign keys of {table}", error.why, _step(error)))
        yield from unseen
        if not broken:
            margin = "not of every table" if unseen else ""
            yield self.held(subject, f"{subject} names no row.", margin)
            return
        count = sum(number for number, *_ in broken)
        broken.sort(key=lambda each: (-each[0], each))
        listed = [f"{number:,} of {table} without their {parent}" for number, table, parent in broken]
        yield self.found(
            subject,
            f"{subject} names {count:,} row{'s' * (count != 1)}: {_told(listed)}",
            count=count,
            margin="at least; not every table could be looked at" if unseen else "",
            query=subject,
            why="It is SQLite's own word for what the findings of Orphaned Records count reference by reference.",
            next_step="Set the findings of Orphaned Records right; this one goes with them.",
        )


def _step(error: AskFailed) -> str:
    if error.timeout:
        return "Give the check more time (seconds=)."
    return "Set right what dangling_references says of it."


def how_long(bytes_: int, *, quick: bool) -> str:
    """Words on how long SQLite reads so large a file; empty where that is a matter of seconds."""
    if quick or bytes_ < LARGE:
        return ""
    return f"PRAGMA integrity_check of {size(bytes_)} takes one to three minutes a GiB"


def _size(moment: Moment) -> int:
    pages, page = (moment.inquiry.ask(f"PRAGMA {name}")[0][0] for name in ("page_count", "page_size"))
    return int(pages * page)


def _sound_apart(moment: Moment, until: float) -> bool:
    """Whether `quick_check`, and then `integrity_check` of each table, find nothing, which is when `integrity_check` of
    the whole finds nothing: only the order is another (sqlite.org/pragma.html).

    So somebody who waits sees how far it is, for a few percent more time. What is wrong is left to the whole to tell.
    Raises AskFailed when the time is over.
    """
    tables = [name for (name,) in moment.inquiry.ask("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")]
    tables.sort(key=lambda name: -moment.before.get(name, 0))
    try:
        moment.follow(0, len(tables), "SQLite reads every page")
        if _told_of(moment, "quick_check(1)", until) != ["ok"]:
            return False
        for done, table in enumerate(tables):
            moment.follow(done, len(tables), f"SQLite compares {table} with its indexes")
            if _told_of(moment, f"integrity_check({quoted(table)})", until) != ["ok"]:
                return False
    except AskFailed as error:
        if error.timeout:
            raise
        return False
    return True


def _lines(moment: Moment, pragma: str, until: float) -> list[str]:
    """What the pragma says; the first line alone where the damage is such that SQLite cannot read on."""
    try:
        return _told_of(moment, f"{pragma}({MOST_LINES})", until)
    except AskFailed as error:
        if not error.code.startswith("SQLITE_CORRUPT"):
            raise
        return _told_of(moment, f"{pragma}(1)", until)


def _told_of(moment: Moment, pragma: str, until: float) -> list[str]:
    left = max(0.001, until - time.monotonic())
    return [str(line) for (line,) in moment.inquiry.ask(f"PRAGMA {pragma}", seconds=left)]


def _sorted(moment: Moment, lines: list[str]) -> tuple[list[str], dict[str, list[str]], dict[str, list[str]]]:
    """Lines about pages; about an index, by its name; about what rows hold, by table."""
    damage: list[str] = []
    of_index: defaultdict[str, list[str]] = defaultdict(list)
    of_table: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        if found := _OF_INDEX.match(line):
            of_index[found[1]].append(line)
        elif (found := _OF_CONTENT.match(line)) and (table := _table(moment, found[1])):
            of_table[table].append(line)
        else:
            damage.append(line)
    return damage, of_index, of_table


def _table(moment: Moment, name: str) -> str:
    """The table of `table` or `table.column`; the longest that fits, for names may hold dots."""
    fitting = [table for table in moment.structure.relations if name == table or name.startswith(f"{table}.")]
    return max(fitting, key=len, default="")


def _told(lines: list[str]) -> str:
    shown = "; ".join(mask_text(" ".join(line.split())) for line in lines[:SHOWN_LINES])
    return f"{shown} and {len(lines) - SHOWN_LINES:,} more." if len(lines) > SHOWN_LINES else f"{shown}."
