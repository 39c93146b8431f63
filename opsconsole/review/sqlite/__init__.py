"""What a statement of SQLite would do, by the word that it begins with."""

from __future__ import annotations

from collections.abc import Callable

from opsconsole.review.context import Context
from opsconsole.review.reading import Reader
from opsconsole.review.sqlite import defining, pragmas, sessions
from opsconsole.review.writing import delete, insert, query, update, with_

RULES: dict[str, Callable[[Context, Reader], None]] = {
    "SELECT": query, "VALUES": query, "WITH": with_,
    "INSERT": insert, "REPLACE": insert, "UPDATE": update, "DELETE": delete,
    "CREATE": defining.create, "DROP": defining.drop, "ALTER": defining.alter, "PRAGMA": pragmas.pragma,
    "BEGIN": sessions.transaction, "COMMIT": sessions.transaction, "END": sessions.transaction,
    "ROLLBACK": sessions.transaction, "SAVEPOINT": sessions.transaction, "RELEASE": sessions.transaction,
    "ATTACH": sessions.attach, "DETACH": sessions.attach, "VACUUM": sessions.vacuum, "ANALYZE": sessions.analyze,
    "REINDEX": sessions.reindex, "EXPLAIN": sessions.explain,
}  # fmt: skip
