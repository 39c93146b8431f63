"""What D1 makes of a migration's text: what it takes away, what it refuses, and where it is stricter than SQLite.

Seen with wrangler 4.86 and its local D1, statement by statement.
"""

from __future__ import annotations

from collections.abc import Sequence

from lifecycle.sources import statements
from lifecycle.sources.base import Migration
from opsconsole.exceptions import Refused

_BEGIN = "BEGIN TRANSACTION"
_OF_TRANSACTIONS = frozenset({"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"})
_NOT_AUTHORIZED = frozenset({"ATTACH", "DETACH"})
_PRAGMAS = frozenset(
    {"JOURNAL_MODE", "USER_VERSION", "WRITABLE_SCHEMA", "SYNCHRONOUS", "CACHE_SIZE", "ENCODING"}
)  # what it answers with "not authorized"


def trimmed(text: str) -> str:
    """The text without its first `BEGIN TRANSACTION;` and `COMMIT;`, which wrangler takes out, wherever they stand."""
    return text.replace(_BEGIN + ";", "", 1).replace("COMMIT;", "", 1) if _BEGIN in text else text


def require_accepted(migration: Migration) -> None:
    """Raises Refused, naming file and line, for a text that wrangler or D1 is known to refuse."""
    if why := _refused(migration.text):
        raise Refused(
            "file_refused",
            f"{migration.name} cannot be applied: {why}",
            "Mend the file, or apply only the migrations before it with to=.",
        )


def remarks(migration: Migration) -> list[str]:
    """What the text does otherwise than it reads, or why it will be refused."""
    said = [f"Wrangler refuses it: {why}"] if (why := _refused(migration.text)) else []
    if _BEGIN in migration.text and not said:
        said.append("Wrangler takes its BEGIN TRANSACTION; and COMMIT; out: D1 runs a file as one transaction anyway.")
    if migration.name.endswith(".down.sql"):
        said.append("To wrangler a .down.sql is a migration like any other: it applies it.")
    if any(found.words[:2] == ("PRAGMA", "FOREIGN_KEYS") for found in statements.code(migration.text)):
        said.append(
            "PRAGMA foreign_keys has no effect inside D1's transaction; PRAGMA defer_foreign_keys = true is what works."
        )
    return said


def _refused(text: str) -> str:
    """Why this text is refused as a whole, in one sentence; "" when nothing is known against it."""
    left = trimmed(text)
    if _BEGIN in left:
        return "it holds several transactions (BEGIN TRANSACTION), and D1 runs a file in one of its own."
    last = None
    for last in statements.code(left):
        if why := forbidden(last.words):
            return f"line {last.line} has {why}."
    if last and not last.ends:
        return (
            f"its last statement (line {last.line}) has no semicolon, and wrangler puts the ledger's INSERT behind it."
        )
    return ""


def forbidden(words: Sequence[str]) -> str:
    """What D1 refuses about a statement that begins with these words, as in "line 3 has ..."; "" when it takes it."""
    first, second = (*words[:2], "", "")[:2]
    if first in _OF_TRANSACTIONS:
        return f"{first}, and D1 takes no transactions of others"
    if first == "VACUUM":
        return "VACUUM, which no transaction can hold"
    if first in _NOT_AUTHORIZED or (first == "PRAGMA" and second in _PRAGMAS):
        return f"{f'PRAGMA {second}' if first == 'PRAGMA' else first}, which D1 does not allow"
    if first == "CREATE" and second in ("TEMP", "TEMPORARY"):
        return "a temporary table, which D1 does not allow"
    return ""
