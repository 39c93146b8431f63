"""Slow statements, where the extension pg_stat_statements counts them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import ClassVar

from integrity.checks.base import PERFORMANCE, Moment, Outcome, Severity, quoted
from integrity.checks.telling import Telling
from integrity.checks.wording import many
from opsconsole.engines.inquiry import AskFailed
from opsconsole.review.lexing import Dialect, Kind, tokens
from opsconsole.templatetags.console import count, duration

SHOWN = 10
LONGEST = 300  # characters of a statement
_EXTENSION = """
SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'
"""
# Names of columns changed with versions of the extension, which may be older than the server; hence the JSON.
_SLOWEST = """
SELECT s.query, (to_jsonb(s) ->> 'calls')::bigint,
  coalesce(to_jsonb(s) ->> 'mean_exec_time', to_jsonb(s) ->> 'mean_time')::float8 AS mean
FROM {view} s JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = current_database() AND s.calls >= {calls} AND s.query !~ '^<insufficient privilege>'
  AND s.query ~* '^\\s*(select|insert|update|delete|with|merge|/\\*|--)'
  AND coalesce(to_jsonb(s) ->> 'mean_exec_time', to_jsonb(s) ->> 'mean_time')::float8 >= {mean}
ORDER BY mean DESC LIMIT {most}
"""
_HIDDEN = """
SELECT count(*) FROM {view} s JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = current_database() AND s.query ~ '^<insufficient privilege>'
"""


class SlowStatement(Telling):
    """Statements that take `mean` milliseconds or more on average, of at least `calls` calls."""

    name: ClassVar[str] = "slow_statement"
    label: ClassVar[str] = "Slow statements"
    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = PERFORMANCE
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql"})

    def __init__(self, *, mean: float = 1000.0, calls: int = 10) -> None:
        self.mean, self.calls = mean, calls

    def look(self, moment: Moment) -> Iterator[Outcome]:
        there = moment.inquiry.ask(_EXTENSION)
        if not there:
            return  # nobody counts here
        view = f"{quoted(there[0][0])}.pg_stat_statements"
        try:
            slow = moment.inquiry.ask(_SLOWEST.format(view=view, calls=self.calls, mean=self.mean, most=SHOWN))
            hidden = moment.inquiry.ask(_HIDDEN.format(view=view))[0][0]
        except AskFailed as error:
            step = "Load pg_stat_statements (shared_preload_libraries), and let the console's role read its view."
            yield self.unseen("Slow statements", error.why, step)
            return
        if hidden:
            yield self.unseen(
                "Statements of other roles",
                "the server hides their text from the console's role",
                "Grant the role pg_read_all_stats (or pg_monitor) to the console's role.",
            )
        if not slow and not hidden:
            yield self.held("statements", f"No statement takes {duration(self.mean / 1000)} on average.")
        for text, calls, mean in slow:
            yield self._told(without_values(text), calls, mean)

    def _told(self, text: str, calls: int, mean: float) -> Outcome:
        mark = hashlib.sha256(text.encode()).hexdigest()[:8]
        shown = text if len(text) <= LONGEST else text[:LONGEST] + " …"
        return self.found(
            f"statement {mark}",
            f"A statement took {duration(mean / 1000)} on average in {count(calls)} {many(calls, 'call').split()[-1]}: "
            f"{shown}",
            count=calls,
            query=text,
            why="Whoever waits for it waits that long each time, and so do those who wait for its locks.",
            next_step="Look at its plan (EXPLAIN) in a copy of the database: for an index that is missing, or for rows "
            "that are read and not needed.",
        )


def without_values(text: str) -> str:
    """A statement on one line with `?` in place of every string and number, and without comments."""
    parts, end = [], 0
    for token in tokens(text, Dialect.POSTGRESQL):
        if token.kind is Kind.BROKEN:
            parts.append(" …")
            break
        gap = " " if parts and token.start > end else ""
        value = token.kind in (Kind.STRING, Kind.NUMBER)
        parts.append(gap + ("?" if value else re.sub(r"\s+", " ", token.text)))
        end = token.end
    return "".join(parts)
