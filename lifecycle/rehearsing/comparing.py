"""How two surveys of one database differ."""

from __future__ import annotations

from collections.abc import Mapping

from lifecycle.loss.values import grouped
from lifecycle.migrating.differences import Change, schema_changes
from lifecycle.migrating.ledgers import is_of
from opsconsole.engines.surveying import Survey, TableState

MOST_NAMED = 20


def paired(before: Survey, after: Survey) -> list[tuple[TableState | None, TableState | None]]:
    """Each table of either, with what it is now: by number, else by name, else by content."""
    numbers = {table.number for table in before.tables.values() if table.number}
    numbered = {table.number: table for table in after.tables.values() if table.number}
    found: list[tuple[TableState | None, TableState | None]] = []
    left = dict(after.tables)
    for state in before.tables.values():
        namesake = after.tables.get(state.name)
        if namesake is not None and namesake.number in numbers and namesake.number != state.number:
            namesake = None  # another one has come to its name
        now = numbered.get(state.number) or namesake or _renamed(state, before, left)
        found.append((state, left.pop(now.name, None) if now else None))
    return found + [(None, state) for state in left.values()]


def _renamed(state: TableState, before: Survey, left: Mapping[str, TableState]) -> TableState | None:
    """The one new table that holds exactly the same rows."""
    same = [
        table
        for table in left.values()
        if table.name not in before.tables
        and (table.rows, table.columns, table.digest) == (state.rows, state.columns, state.digest)
    ]
    return same[0] if len(same) == 1 and state.rows and state.digest else None


def back_differences(before: Survey, after: Survey, *, ledger: str = "") -> list[str]:
    """In what the way back does not lead back, in words, rows first; sequences and files' sizes are not compared.

    Nor is the tool's own table, which stays once it was made.
    """
    words = []
    for was, now in paired(before, after):
        known = was or now
        assert known is not None
        if is_of(ledger, known.name):
            continue
        if was is None or now is None:
            words.append(f"{known.name} is {'new' if was is None else 'gone'}")
        elif was.rows != now.rows:
            words.append(f"{was.name} has {grouped(now.rows)} rows instead of {grouped(was.rows)}")
        elif was.columns == now.columns and was.digest != now.digest:
            words.append(f"{was.name} has other values in its {grouped(was.rows)} rows")
    changes = schema_changes(before.definitions, after.definitions)
    words += [_words(change) for change in changes if not is_of(ledger, change.name)]
    more = len(words) - MOST_NAMED
    return words[:MOST_NAMED] + ([f"and {more} more differences"] if more > 0 else [])


def _words(change: Change) -> str:
    return {
        "added": f"{change.name} is there and was not",
        "removed": f"{change.name} is gone",
        "changed": f"{change.name} is another one",
    }[change.change]
