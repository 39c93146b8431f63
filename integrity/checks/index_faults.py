"""Indexes that are broken, that are there twice, or that nobody uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from integrity.checks.base import PERFORMANCE, SCHEMA, Moment, Outcome, Proposal, Severity
from integrity.checks.index_catalogue import Index, by_table, indexes
from integrity.checks.locks import Unlocked
from integrity.checks.standbys import is_standby, uncounted
from integrity.checks.wording import listed, many
from opsconsole.templatetags.console import size

_BUILT_NOW = "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database()"
_COUNTED_SINCE = """
SELECT extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time())) / 86400
FROM pg_stat_database WHERE datname = current_database()
"""


class InvalidIndex(Unlocked):
    """What a CREATE INDEX CONCURRENTLY leaves behind when it fails."""

    name: ClassVar[str] = "invalid_index"
    label: ClassVar[str] = "Invalid indexes"
    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = SCHEMA
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql"})

    def judge(self, moment: Moment) -> Iterator[Outcome]:
        found = indexes(moment)
        if any(not index.valid for index in found) and moment.inquiry.ask(_BUILT_NOW)[0][0]:
            yield self.unseen("Invalid indexes", "an index is being built just now", "Check again when that has ended.")
            return
        for index in found:
            yield self._judged(index)

    def _judged(self, index: Index) -> Outcome:
        if index.valid:
            return self.held(index.name, f"The index {index.name} is valid.")
        if index.partitioned:
            return self.found(
                index.name,
                f"The index {index.name} of the partitioned table {index.table} is not valid: parts of the table have "
                "no index for it.",
                table=index.table,
                why="It serves no query on the whole table, and if it is unique, it ensures nothing.",
                next_step="Make the index on each part that lacks it and attach it (ALTER INDEX ... ATTACH PARTITION).",
            )
        leftover = index.name.rstrip("0123456789").endswith(("_ccnew", "_ccold"))
        return self.found(
            index.name,
            f"The index {index.name} of {index.table} is not valid.",
            table=index.table,
            why="No query uses it, but every write keeps it up."
            + (" It is unique, and does not keep duplicates out of what was there before." if index.unique else ""),
            next_step="A REINDEX CONCURRENTLY left it behind: drop it (DROP INDEX CONCURRENTLY) in a migration."
            if leftover
            else "Build it anew; if that fails because of duplicate rows, set these right first. Or drop it in a "
            "migration.",
            proposals=()
            if leftover
            else (
                Proposal(
                    action="reindex",
                    words=f"Build the index {index.name} anew",
                    table=index.table,
                    statement=f"REINDEX INDEX CONCURRENTLY {index.sql}",
                ),
            ),
        )


class DuplicateIndex(Unlocked):
    name: ClassVar[str] = "duplicate_index"
    label: ClassVar[str] = "Indexes that are there twice"
    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = PERFORMANCE

    def judge(self, moment: Moment) -> Iterator[Outcome]:
        for found in by_table([index for index in indexes(moment) if index.valid]).values():
            copies = {index: keeper for index in found if (keeper := _replaced_by(index, found, _serves))}
            for words in dict.fromkeys(index.words for index in found):
                mine = {index: keeper for index, keeper in copies.items() if index.words == words}
                if not mine:
                    yield self.held(words, f"{words} has one index.")
                    continue
                names, keeper = listed([index.name for index in mine]), next(iter(mine.values()))
                yield self.found(
                    words,
                    f"{names} {'does' if len(mine) == 1 else 'do'} nothing that {keeper.name} does not do already: "
                    f"both are over {words}.",
                    count=len(mine),
                    table=keeper.table,
                    why=f"Every write keeps each of them up{_sizes(list(mine))}.",
                    next_step=f"Drop {names} in a migration; {keeper.name} stays."
                    + (" It is kept for a constraint: drop that." if any(index.constrained for index in mine) else ""),
                )


class PrefixIndex(Unlocked):
    name: ClassVar[str] = "prefix_index"
    label: ClassVar[str] = "Indexes that a longer one could serve for"
    severity: ClassVar[Severity] = Severity.INFO
    category: ClassVar[str] = PERFORMANCE

    def judge(self, moment: Moment) -> Iterator[Outcome]:
        for table, found in by_table([index for index in indexes(moment) if index.valid]).items():
            shorter = [(index, keeper) for index in found if (keeper := _replaced_by(index, found, _begins_with))]
            if not shorter:
                yield self.held(table, f"No index of {table} is the beginning of another one.")
                continue
            pairs = listed([f"{index.name} (of {keeper.name})" for index, keeper in shorter])
            yield self.found(
                table,
                f"{many(len(shorter), 'index', 'indexes')} of {table} {'is' if len(shorter) == 1 else 'are'} the "
                f"beginning of a longer one: {pairs}.",
                count=len(shorter),
                of=len(found),
                table=table,
                why="The longer one can answer the same queries, a little slower where it is much wider; every write "
                f"keeps both up{_sizes([index for index, _ in shorter])}.",
                next_step="Look whether both are needed; drop the shorter one in a migration if not.",
            )


def _replaced_by(index: Index, among: list[Index], replaces: Callable[[Index, Index], bool]) -> Index | None:
    """The one of `among` that makes an index needless; of several the one to keep."""
    if index.primary or index.attached:
        return None
    able = [other for other in among if other is not index and replaces(other, index)]
    return min(able, key=_worth, default=None)


def _worth(index: Index) -> tuple[bool, bool, bool, str]:
    """What is kept first: the primary key's, a constraint's, a unique one, the first by name."""
    return not index.primary, not index.constrained, not index.unique, index.name


def _serves(other: Index, index: Index) -> bool:
    """Whether `other` does all that `index` does. Of two that do the same, the lesser is needless."""
    if not _alike(other, index) or (other.columns, other.ways) != (index.columns, index.ways):
        return False
    if (index.unique and not (other.unique and other.nulls == index.nulls)) or not index.included <= other.included:
        return False
    if (index.constrained and not other.constrained) or (index.unique and index.immediate and not other.immediate):
        return False
    back = index.unique == other.unique and index.included == other.included and index.constrained == other.constrained
    return not back or _worth(other) < _worth(index)


def _begins_with(other: Index, index: Index) -> bool:
    """Whether `other` is longer and can be used in place of `index`, which keeps no rule itself."""
    length = len(index.columns)
    return (
        _alike(other, index)
        and index.method == "btree"
        and not (index.unique or index.constrained or index.included or index.expressions)
        and len(other.columns) > length
        and (other.columns[:length], other.ways[:length]) == (index.columns, index.ways)
    )


def _alike(other: Index, index: Index) -> bool:
    return (other.method, other.predicate) == (index.method, index.predicate) and (
        other.expressions == index.expressions or not index.expressions
    )


def _sizes(found: list[Index]) -> str:
    total = sum(index.bytes for index in found)
    return f", and {size(total)} of disk" if total else ""


class UnusedIndex(Unlocked):
    """`days` is how long the server must have counted before an index is judged, `least` the bytes that matter."""

    name: ClassVar[str] = "unused_index"
    label: ClassVar[str] = "Indexes that nobody uses"
    severity: ClassVar[Severity] = Severity.INFO
    category: ClassVar[str] = PERFORMANCE
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql"})

    def __init__(self, *, days: int = 7, least: int = 1 << 20) -> None:
        self.days, self.least = days, least

    def judge(self, moment: Moment) -> Iterator[Outcome]:
        every = indexes(moment)
        judged = [index for index in every if self._may_go(index)]
        if is_standby(moment):
            yield uncounted(self, "The use of indexes")
            return
        counted = float(moment.inquiry.ask(_COUNTED_SINCE)[0][0])
        if counted < self.days:
            if any(not index.scans for index in judged):
                yield self.unseen(
                    "The use of indexes",
                    f"the server has counted for less than {self.days} days",
                    "Nothing needs to be done: a later check looks at them.",
                )
            return
        of_table = by_table(every)
        for index in judged:
            if index.scans:
                yield self.held(index.name, f"The index {index.name} is used.")
                continue
            if parent := _led_from(index, of_table[index.table], moment):
                yield self.held(index.name, f"Nothing but {index.name} leads from {parent} to its rows.")
                continue
            yield self.found(
                index.name,
                f"The index {index.name} of {index.table} ({size(index.bytes)}) was not used once in {counted:.0f} "
                "days.",
                table=index.table,
                why="Every write keeps it up, and it takes room in memory and backups.",
                next_step="Make sure that no standby and no monthly job needs it, then drop it in a migration.",
            )

    def _may_go(self, index: Index) -> bool:
        kept = index.unique or index.primary or index.constrained or index.partitioned or index.attached
        return index.valid and not kept and index.bytes >= self.least


def _led_from(index: Index, among: list[Index], moment: Moment) -> str:
    """The table of a foreign key that no other index is for: without this one, the key would be without an index."""
    others = [other for other in among if other is not index]
    for key in moment.structure.foreign_keys:
        needs = key.table == index.table and index.finds(key.columns)
        if needs and not any(other.finds(key.columns) for other in others):
            return key.parent
    return ""
