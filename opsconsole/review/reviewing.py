"""The whole review: split, judge each statement, then what only the whole text shows."""

from __future__ import annotations

from opsconsole.review import postgresql, rebuilds, sqlite
from opsconsole.review.asking import ask_sqlite
from opsconsole.review.context import Context
from opsconsole.review.findings import Review, Severity
from opsconsole.review.lexing import Dialect, Kind
from opsconsole.review.live import Live
from opsconsole.review.reading import Reader, Unreadable
from opsconsole.review.second_reading import SecondReading
from opsconsole.review.splitting import Piece, pieces

LONGEST = 1 << 20  # characters
MOST_STATEMENTS = 5_000
LONGEST_SHOWN = 60  # characters of a statement that nobody knows
DEEPEST = 60  # parentheses in one another; whoever reads them descends by recursion
_DESTROYING = frozenset({"DROP", "TRUNCATE", "DELETE", "DETACH", "REPLACE"})


def review(text: str, dialect: Dialect, live: Live | None = None, *, transaction: bool | None = None) -> Review:
    """What a text would do to the database that `live` tells of. Touches no database, and never raises.

    `transaction` says whether its tool runs the text inside a transaction; None when that is not known.
    """
    context = Context(text, dialect, live or Live(), SecondReading(dialect), transaction)
    found = pieces(text, dialect)
    if len(text) > LONGEST or len(found) > MOST_STATEMENTS:
        reason = f"{len(text):,} characters and {len(found):,} statements are more than can be reviewed."
        context.add_at(0, 1, "too-large", "", reason.replace(",", " "))
    else:
        for piece in found:
            _judge(context, piece)
        if dialect.is_sqlite:
            rebuilds.judge(context)
            ask_sqlite(context, found)
        if dialect is Dialect.D1 and found and not found[-1].ended:
            last = found[-1].statement
            context.add_at(last.number, last.line, "no-semicolon", "", "The last statement has no semicolon.")
    unique = dict.fromkeys(context.findings)
    ordered = sorted(unique, key=lambda finding: (finding.statement, finding.line, -finding.severity))
    return Review(statements=tuple(piece.statement for piece in found), findings=tuple(ordered))


def _judge(context: Context, piece: Piece) -> None:
    context.piece = piece
    meta = next((token for token in piece.tokens if token.kind is Kind.META), None)
    if piece.trouble:
        rule = "nul" if "NUL" in piece.trouble else "unterminated"
        context.add(rule, "", f"The text holds {piece.trouble}; nobody knows what a database makes of it.")
    elif meta:
        context.add("meta-command", "", f"{meta.text.split()[0]} is a command to a client program.", meta)
    elif piece.data:
        context.add("copy-data", "", "Rows for COPY stand in the text.")
    else:
        _by_rules(context, Reader(piece.tokens, context.dialect))


def _by_rules(context: Context, reader: Reader) -> None:
    rules = sqlite.RULES if context.dialect.is_sqlite else postgresql.RULES
    rule = rules.get(reader.next)
    try:
        if rule is None or reader.depth() > DEEPEST:
            raise Unreadable
        rule(context, reader)
    except Unreadable:
        begins = " ".join(context.piece.statement.text.split())
        begins = begins if len(begins) <= LONGEST_SHOWN else begins[:LONGEST_SHOWN] + "…"
        grave = sorted(_DESTROYING & set(reader.words))
        holds = f" It holds {', '.join(grave)}." if grave else ""
        severity = Severity.DESTRUCTIVE if grave else None
        context.add("unrecognised", "", f"No rule knows what this does: {begins}.{holds}", severity=severity)
