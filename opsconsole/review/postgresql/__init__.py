"""What a statement of PostgreSQL would do, by the word that it begins with."""

from __future__ import annotations

from collections.abc import Callable

from opsconsole.review.context import Context
from opsconsole.review.postgresql import altering, creating, dropping, maintaining, routines, sessions
from opsconsole.review.reading import Reader
from opsconsole.review.writing import delete, insert, merge, query, update, with_

RULES: dict[str, Callable[[Context, Reader], None]] = {
    "SELECT": query, "VALUES": query, "TABLE": query, "(": query, "WITH": with_,
    "INSERT": insert, "UPDATE": update, "DELETE": delete, "MERGE": merge,
    "CREATE": creating.create, "DROP": dropping.drop, "ALTER": altering.alter, "TRUNCATE": dropping.truncate,
    "COMMENT": sessions.comment, "SET": sessions.set_, "RESET": sessions.reset, "SHOW": sessions.show,
    "DISCARD": sessions.reset, "BEGIN": sessions.transaction, "START": sessions.transaction,
    "COMMIT": sessions.transaction, "END": sessions.transaction, "ROLLBACK": sessions.transaction,
    "ABORT": sessions.transaction, "SAVEPOINT": sessions.transaction, "RELEASE": sessions.transaction,
    "GRANT": sessions.grant, "REVOKE": sessions.revoke, "REASSIGN": sessions.grant,
    "LOCK": maintaining.lock, "VACUUM": maintaining.vacuum, "ANALYZE": maintaining.analyze,
    "CLUSTER": maintaining.cluster, "REINDEX": maintaining.reindex, "REFRESH": maintaining.refresh,
    "COPY": maintaining.copy, "DO": routines.do, "CALL": routines.call, "PREPARE": routines.execute,
    "EXECUTE": routines.execute, "EXPLAIN": routines.explain, "LOAD": routines.load,
}  # fmt: skip
