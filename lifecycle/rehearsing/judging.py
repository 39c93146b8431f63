"""What a rehearsal means, in words: a sentence a table, ordered by what would be lost, and one for all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from lifecycle.loss.values import grouped
from lifecycle.migrating.differences import Change
from lifecycle.migrating.ledgers import names_of
from lifecycle.rehearsing.comparing import paired
from lifecycle.rehearsing.values import Recording, TableRecord
from opsconsole.engines.surveying import Survey, TableState

MOST_NAMED = 3
_NOT_NAMED = ", not named in the SQL"
_WORD = re.compile(r"\w+")
LOCKS = {  # what nobody else can do meanwhile
    "AccessExclusiveLock": "nobody can read or write it",
    "ExclusiveLock": "nobody can write it, others only read",
    "ShareRowExclusiveLock": "nobody can write it",
    "ShareLock": "nobody can write it",
    "ShareUpdateExclusiveLock": "nobody can change its schema or vacuum it",
    "RowExclusiveLock": "nobody can build an index on it",
    "RowShareLock": "nobody can lock it as a whole",
}


def tables(
    before: Survey,
    after: Survey,
    locks: Mapping[str, tuple[str, int]],
    changes: Sequence[Change],
    texts: Sequence[str],
    *,
    ledger: str = "",
) -> list[TableRecord]:
    """One record a table, the biggest loss first, what was not touched last. `ledger` is the tool's own table."""
    named = {word.lower() for text in texts for word in _WORD.findall(text)}
    altered = _altered(changes)
    found = []
    for was, now in paired(before, after):
        known = was or now
        assert known is not None
        lock, lock_ms = locks.get(known.number, ("", 0)) if was else ("", 0)
        record = _record(was, now, altered=known.name in altered, named=_is_named(known.name, named))
        own = known.name.lower() in names_of(ledger)
        found.append(_in_words(replace(record, lock=lock, lock_ms=lock_ms, ledger=own)))
    return sorted(found, key=lambda table: (-table.weight, table.untouched, table.name))


def verdict(recording: Recording) -> str:
    """One sentence about all of it, the worst first."""
    failure = recording.failure
    if failure is not None:
        where = f"{failure.migration}, line {failure.line}" if failure.migration and failure.line else failure.migration
        rows = f" ({failure.in_the_way})" if failure.in_the_way else ""
        return f"It fails{f' in {where}' if where else ''}: {failure.why}{rows}"
    losing = [table for table in recording.tables if table.weight]
    parts = []
    if losing:
        more = f"; and {len(losing) - MOST_NAMED} more tables" if len(losing) > MOST_NAMED else ""
        parts.append("It takes away: " + "; ".join(table.sentence for table in losing[:MOST_NAMED]) + more)
    if recording.orphans:
        parts.append(f"{grouped(sum(recording.orphans.values()))} rows come to break a foreign key")
    if recording.invalid_indexes:
        parts.append(f"It leaves invalid indexes: {', '.join(recording.invalid_indexes)}")
    if recording.damage:
        parts.append(f"The check of the rows then finds: {recording.damage[0]}")
    if recording.back is not None and not recording.back.leads_back:
        parts.append("The way back does not bring everything back")
    proven = f"{recording.untouched} of {len(recording.tables)} tables are proven untouched"
    return f"{'. '.join(parts) or 'It loses no row'}. {proven[0].upper()}{proven[1:]}."


def _record(was: TableState | None, now: TableState | None, *, altered: bool, named: bool) -> TableRecord:
    known = now or was
    assert known is not None
    return TableRecord(
        name=known.name,
        sentence="",
        before=was.rows if was else None,
        after=now.rows if now else None,
        was=was.name if was and now and was.name != now.name else "",
        same=_same(was, now),
        rewritten=bool(was and now and was.storage != now.storage),
        altered=altered,
        named=named,
        lost_columns=_lost_columns(was, now),
        bytes_before=was.size_bytes if was else None,
        bytes_after=now.size_bytes if now else None,
    )


def _in_words(table: TableRecord) -> TableRecord:
    weight, words = _weighed(table)
    return replace(table, weight=weight, sentence=f"{table.was or table.name}: {words}")


def _weighed(table: TableRecord) -> tuple[int, str]:
    """How much is lost (rows, and rows of a column that goes), and the rest of the sentence."""
    before, after = table.before, table.after
    if table.ledger and before is not None and after is not None:
        return 0, f"{grouped(before)} → {grouped(after)}, as the tool's own record of migrations"
    unnamed = "" if table.named else _NOT_NAMED
    if before is None:
        return 0, f"new, with {grouped(after or 0)} rows"
    if after is None:
        return max(before, 1), f"{grouped(before)} → the table is gone{unnamed}"
    renamed = f", renamed to {table.name}" if table.was else ""
    if table.lost_columns and before:
        columns = f"{grouped(before)} values of {', '.join(table.lost_columns)} are gone"
        return max(before, before - after), f"{grouped(before)} → {grouped(after)}, {columns}{renamed}{unnamed}"
    if after < before:
        return before - after, f"{grouped(before)} → {grouped(after)}{renamed}{unnamed}"
    if after > before:
        return 0, f"{grouped(before)} → {grouped(after)}{renamed}{unnamed}"
    return 0, _kept(table) + renamed


def _kept(table: TableRecord) -> str:
    rows = grouped(table.before or 0)
    if table.untouched:
        return f"{rows} rows, proven untouched"
    written = ", written anew" if table.rewritten else ""
    if table.same:
        return f"{rows} rows with the same values{', other columns' if table.altered else ''}{written}"
    return f"{rows} rows, with other values{written}{'' if table.named else _NOT_NAMED}"


def _altered(changes: Sequence[Change]) -> set[str]:
    """Tables of which a column is another one."""
    columns = (change.name.removeprefix("column ") for change in changes if change.name.startswith("column "))
    return {column.replace('"', "").rpartition(".")[0] for column in columns}


def _same(was: TableState | None, now: TableState | None) -> bool | None:
    """Whether every value of the columns that it had is as it was, also where columns have other names now."""
    if was is None or now is None or not was.digest or len(was.columns) != len(now.columns):
        return None
    return was.digest == now.digest


def _lost_columns(was: TableState | None, now: TableState | None) -> tuple[str, ...]:
    if was is None or now is None or _same(was, now):
        return ()
    return tuple(name for name in was.columns if name not in now.columns)


def _is_named(table: str, named: set[str]) -> bool:
    return all(word in named for word in _words(table.rpartition(".")[2]))


def _words(name: str) -> Iterator[str]:
    return (word.lower() for word in _WORD.findall(name))


def flavour_differences(recordings: Sequence[Recording]) -> list[str]:
    """What D1 does otherwise than SQLite, in words; empty for anything but a pair of them."""
    if {each.flavour for each in recordings} != {"sqlite", "d1"}:
        return []
    sqlite, d1 = sorted(recordings, key=lambda each: each.flavour == "d1")
    found = []
    if (sqlite.failure is None) != (d1.failure is None):
        failing, words = (sqlite, "As SQLite") if sqlite.failure else (d1, "As D1")
        assert failing.failure is not None
        found.append(f"{words} it fails: {failing.failure.why}")
    ours = {table.name: table for table in sqlite.tables}
    for table in d1.tables:  # the biggest loss first
        other = ours.get(table.name)
        if other is not None and (table.after, table.same) != (other.after, other.same):
            found.append(f"as SQLite {other.sentence}; as D1 {table.sentence}")
    if sqlite.orphans != d1.orphans:
        mine, its = sum(sqlite.orphans.values()), sum(d1.orphans.values())
        found.append(f"as SQLite {grouped(mine)} rows come to break a foreign key, as D1 {grouped(its)}")
    return found
