"""Findings from what SQLite itself reports, where the rules did not see it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from opsconsole.review.authorizer import MISSING_HERE, Report, reports
from opsconsole.review.context import Context
from opsconsole.review.findings import Severity
from opsconsole.review.lexing import Dialect
from opsconsole.review.reading import Reader, Unreadable
from opsconsole.review.splitting import Piece

_QUERIES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH", "VALUES"})
_DOES = {"delete": "Deletes rows of", "update": "Changes rows of", "drop": "Drops"}


def ask_sqlite(context: Context, pieces: Sequence[Piece]) -> None:
    """Give the statements to SQLite, when the texts that make the schema are known."""
    if context.live.ddl is None or not context.dialect.is_sqlite:
        return
    given = [_compiled_only(context.dialect, piece) for piece in pieces]
    switch = context.dialect is Dialect.SQLITE and context.transaction is False
    found = reports(context.live.ddl, given, switch=switch)
    if found is None:
        context.add_at(0, 0, "not-checked", "", "The schema could not be built in memory, so SQLite was not asked.")
        return
    told = _told(context)
    for piece, report in zip(pieces, found, strict=False):
        _failure(context, piece, report)
        for kind, table, by in sorted(report.effects):
            if table not in told[piece.statement.number] and table not in context.ever_own:
                _effect(context, piece, kind, table, by)


def _compiled_only(dialect: Dialect, piece: Piece) -> str:
    """The statement so that it defines what it defines, and reads and writes no row."""
    text, reader = piece.statement.text, Reader(piece.tokens, dialect)
    if reader.next in _QUERIES:
        return f"EXPLAIN {text}"
    try:
        reader.need("CREATE")
        reader.take_one("TEMP", "TEMPORARY")
        reader.need("TABLE")
        reader.take("IF", "NOT", "EXISTS")
        reader.name()
        reader.need("AS")
        query = reader.skip().start - piece.statement.start
    except Unreadable:
        return text
    return f"{text[:query]} SELECT * FROM ({text[query:]}\n) LIMIT 0"


def _told(context: Context) -> dict[int, set[str]]:
    """The tables that the findings of each statement name already, with those that lose rows along with them."""
    told: defaultdict[int, set[str]] = defaultdict(set)
    for finding in context.findings:
        table = finding.object.partition(".")[0].lower()
        told[finding.statement] |= {table} | {key.table.lower() for key in context.live.emptied_with(table)}
    return told


def _failure(context: Context, piece: Piece, report: Report) -> None:
    if not report.error or report.denied or piece.trouble:
        return
    place = (piece.statement.number, piece.statement.line)
    if report.error.startswith(MISSING_HERE):
        context.add_at(*place, "not-checked", "", f"SQLite here says: {report.error}. It was asked no further.")
    elif report.error == "interrupted":
        context.add_at(*place, "fails-on-schema", "", "It takes SQLite too long, even without any rows.")
    else:
        context.add_at(*place, "fails-on-schema", "", f"SQLite says: {report.error}.")


def _effect(context: Context, piece: Piece, kind: str, table: str, by: str) -> None:
    through = f" through the trigger or view {by}" if by else ""
    if not by and table not in piece.statement.text.lower():
        through = " through a foreign key"
    grave = kind == "drop" or (kind == "delete" and not by)
    context.add_at(
        piece.statement.number,
        piece.statement.line,
        "sqlite-reports",
        table,
        f"{_DOES[kind]} {table}{through}, as SQLite itself reports.",
        Severity.DESTRUCTIVE if grave else None,
    )
