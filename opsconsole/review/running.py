"""Findings from what SQLite itself reports, beside those of the rules."""

from __future__ import annotations

from opsconsole.review.authorizer import Report, reports
from opsconsole.review.context import Context
from opsconsole.review.findings import Severity
from opsconsole.review.lexing import Dialect
from opsconsole.review.splitting import Piece

_VERBS = {"delete": "Deletes rows of", "update": "Changes rows of", "drop": "Drops"}
_REPORTED = frozenset({"delete", "update", "drop"})


def ask_sqlite(context: Context, pieces: list[Piece]) -> None:
    """Run the statements on an empty copy of the schema, when its texts are known."""
    if context.live.ddl is None or not context.dialect.is_sqlite:
        return
    runnable = pieces
    foreign_keys = context.dialect is Dialect.D1 or context.transaction is not False
    found = reports(context.live.ddl, [piece.statement.text for piece in runnable], foreign_keys=foreign_keys)
    if found is None:
        context.add_at(
            0, 0, "not-checked", "", "The schema could not be built in memory, so that SQLite was not asked."
        )
        return
    told = {(finding.statement, finding.object.lower().partition(".")[0]) for finding in context.findings}
    mentioned = {finding.statement: finding.reason.lower() for finding in context.findings}
    for piece, report in zip(runnable, found, strict=False):
        _tell(context, piece, report, told, mentioned.get(piece.statement.number, ""))


def _tell(context: Context, piece: Piece, report: Report, told: set[tuple[int, str]], reasons: str) -> None:
    statement = piece.statement
    if report.error and not report.denied:
        reason = f"SQLite says: {report.error}."
        context.add_at(statement.number, statement.line, "fails-on-schema", "", reason)
    for kind, table, by in sorted(report.effects):
        if (statement.number, table) in told or table in context.ever_own or f"{table} (" in reasons:
            continue
        through = (
            f" through {by}"
            if by
            else ", through a foreign key or a trigger"
            if table not in statement.text.lower()
            else ""
        )
        severity = Severity.DESTRUCTIVE if kind == "drop" or not by else None
        reason = f"{_VERBS[kind]} {table}{through}, as SQLite itself reports."
        context.add_at(statement.number, statement.line, "sqlite-reports", table, reason, severity)
