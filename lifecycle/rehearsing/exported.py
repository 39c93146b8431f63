"""An export of a D1 beside what the console expects of it: a copy of its own file with the migrations applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lifecycle.doctoring import replaying
from lifecycle.documents.base import Document, Summary
from lifecycle.documents.readers.sqlite.content import LEDGER
from lifecycle.loss.values import grouped
from lifecycle.migrating import ledgers
from lifecycle.rehearsing.comparing import schema_changes
from lifecycle.rehearsing.recording import Manner, record
from lifecycle.rehearsing.values import Change
from lifecycle.sources.acts import Unit
from lifecycle.sources.base import Source
from opsconsole.engines.base import Engine
from opsconsole.engines.sqlite.surveying import spelled
from opsconsole.exceptions import OperationFailed, Refused

OBJECTS = ("table", "index", "view", "trigger")  # the other definitions are parts of tables
MOST_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A database as far as an export tells of it: ledger, definitions by kind and name, rows by table."""

    ledger: tuple[str, ...]
    definitions: Mapping[str, str]
    rows: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How an export differs from what was expected. `rows` are (table, expected, in the export), and no failure."""

    missing: tuple[str, ...]  # migrations that its ledger lacks
    unknown: tuple[str, ...]  # migrations that only its ledger has
    changes: tuple[Change, ...]  # from what was expected to what the export has
    rows: tuple[tuple[str, int, int], ...]
    applied: int  # migrations in its ledger

    @property
    def agrees(self) -> bool:
        return not (self.missing or self.unknown or self.changes)

    def to_json(self) -> dict[str, Any]:
        return {
            "agrees": self.agrees,
            "missing": list(self.missing),
            "unknown": list(self.unknown),
            "changes": [asdict(each) for each in self.changes],
            "rows": [list(each) for each in self.rows],
            "applied": self.applied,
        }


def expected(
    engine: Engine, units: Sequence[Unit], source: Source, options: Mapping[str, str], manner: Manner
) -> Shape:
    """What the copy is once the units have run on it, as D1 runs them. Raises OperationFailed where they do not."""
    recording = record(engine, units, manner)
    if (failure := recording.failure) is not None:
        raise OperationFailed(
            "migration_failed",
            f"On a copy of the console's own file, {failure.title} failed on line {failure.line}: {failure.why}",
            "Nothing can be compared with it. Bring the console's file up to date, then hand over again.",
        )
    ledger = ledgers.read(engine, source, options)
    defined = replaying.definitions(engine, ledger.table)
    return Shape(
        ledger=tuple(row.key for row in ledger.rows),
        definitions={name: text for name, text in defined.items() if name.partition(" ")[0] in OBJECTS},
        rows={
            each.name: each.after for each in recording.tables if each.after is not None and each.name != ledger.table
        },
    )


def refuse_without_schema(summary: Summary) -> None:
    """Raise Refused for a document that does not tell how its tables are defined."""
    if not summary.definitions:
        raise Refused(
            "no_definitions",
            "It is not known how the tables of that upload are defined: it has rows alone, is no export of SQLite, or "
            "was inspected by an older console.",
            "Export all of it (npx wrangler d1 export NAME --remote --output=export.sql), and bring that.",
        )


def found(document: Document, table: str) -> Shape:
    """What an export has; `table` is the ledger's."""
    summary = document.summary
    hidden = f"table {table}"
    return Shape(
        ledger=summary.ledger if table == LEDGER else _names(document, table),
        definitions={name: spelled(text) for name, text in summary.definitions.items() if name != hidden},
        rows={each.name: each.rows for each in summary.tables if each.name != table},
    )


def compare(wanted: Shape, have: Shape) -> Comparison:
    shared = [(table, rows, have.rows[table]) for table, rows in sorted(wanted.rows.items()) if table in have.rows]
    return Comparison(
        missing=tuple(name for name in wanted.ledger if name not in have.ledger),
        unknown=tuple(name for name in have.ledger if name not in wanted.ledger),
        changes=tuple(schema_changes(wanted.definitions, have.definitions)),
        rows=tuple(each for each in shared if each[1] != each[2]),
        applied=len(have.ledger),
    )


def sentence(told: Comparison, handed_over: Sequence[str]) -> str:
    """What is said of it."""
    several = len(handed_over) > 1
    if told.agrees:
        what = f"all {len(handed_over)} migrations" if several else handed_over[0]
        made = f"what {'they were' if several else 'it was'} reviewed to make"
        said = f"The export has {what} in its ledger, and its schema is exactly {made}."
        return f"{said} {_of_rows(told.rows)}".rstrip()
    parts = [
        *([f"{_some(told.missing)} not in its ledger"] if told.missing else []),
        *([f"{_some(told.unknown)} in its ledger and unknown here"] if told.unknown else []),
        *([f"{_definitions(len(told.changes))} other than expected"] if told.changes else []),
    ]
    return f"The export is not what was reviewed: {'; '.join(parts)}."


def _of_rows(rows: Sequence[tuple[str, int, int]]) -> str:
    if not rows:
        return ""
    named = ", ".join(
        f"{table} {grouped(there)} instead of {grouped(here)}" for table, here, there in rows[:MOST_NAMED]
    )
    more = f" and {len(rows) - MOST_NAMED} tables more" if len(rows) > MOST_NAMED else ""
    return f"It has other rows than the console's copy, as it went on being written: {named}{more}."


def _some(names: Sequence[str]) -> str:
    listed = ", ".join(names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{listed}{more} {'is' if len(names) == 1 else 'are'}"


def _definitions(count: int) -> str:
    return "1 definition is" if count == 1 else f"{count} definitions are"


def _names(document: Document, table: str) -> tuple[str, ...]:
    """Of a ledger that is not called as wrangler calls it, and so is among the tables."""
    there: Iterable[Any] = document.rows(table) if any(each.name == table for each in document.summary.tables) else ()
    return tuple(str(row.get("name") or "") for row in there)
