"""Transactions that are open for long, as the server tells of other sessions; never the text of their statements."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from integrity.checks.base import PERFORMANCE, Moment, Outcome, Severity
from integrity.checks.telling import Telling
from integrity.checks.wording import listed, many
from opsconsole.templatetags.console import duration

_SESSIONS = """
SELECT coalesce(nullif(application_name, ''), 'a program without a name'), coalesce(usename, 'nobody'), pid,
  extract(epoch FROM now() - {since})::float8
FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'
  AND pid <> pg_backend_pid() AND application_name NOT LIKE 'opsconsole%' AND ({where})
  AND now() - {since} > interval '{minutes} minutes' ORDER BY 4 DESC
"""
_HIDDEN = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND application_name NOT LIKE 'opsconsole%' AND NOT (
    pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') OR pg_has_role(current_user, usesysid, 'USAGE'))
  AND usesysid IS NOT NULL
"""
_PREPARED = """
SELECT gid, owner, 0, extract(epoch FROM now() - prepared)::float8 FROM pg_prepared_xacts
WHERE database = current_database() AND now() - prepared > interval '{minutes} minutes' ORDER BY 4 DESC
"""


class _OpenForLong(Telling):
    """`minutes` is how long is long. The subject is the database, for sessions come and go."""

    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = PERFORMANCE
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql"})
    minutes: float
    noun: ClassVar[str]
    plural: ClassVar[str]
    next_step: ClassVar[str]
    of_others: ClassVar[bool] = True  # the server hides it from roles that may not look at others

    def __init__(self, *, minutes: float | None = None) -> None:
        self.minutes = self.minutes if minutes is None else minutes

    @abstractmethod
    def asked(self) -> str:
        """The SELECT of (program, role, pid, seconds), the longest first."""

    def look(self, moment: Moment) -> Iterator[Outcome]:
        found = moment.inquiry.ask(self.asked())
        hidden = moment.inquiry.ask(_HIDDEN)[0][0] if self.of_others else 0
        if hidden:
            yield self.unseen(
                f"{self.plural.capitalize()} of other roles",
                "the server shows the console's role only its own sessions",
                "Grant the role pg_read_all_stats (or pg_monitor) to the console's role.",
            )
        if not found:
            if not hidden:
                yield self.held("sessions", f"No {self.noun} of more than {duration(self.minutes * 60)}.")
            return
        who = listed([f"{program} of {role} for {duration(seconds)}" for program, role, _, seconds in found])
        yield self.found(
            "sessions",
            f"{many(len(found), self.noun, self.plural)} of more than {duration(self.minutes * 60)}: {who}.",
            count=len(found),
            why="An open transaction keeps every row that was deleted since from being cleared away, in all tables, "
            "and its locks may keep others waiting.",
            next_step=self.next_step,
        )


class LongTransaction(_OpenForLong):
    name: ClassVar[str] = "long_transaction"
    label: ClassVar[str] = "Long transactions"
    minutes = 60
    noun, plural = "transaction", "transactions"
    next_step = "Ask whoever runs it whether it is still wanted; pg_terminate_backend ends its session."

    def asked(self) -> str:
        where = "xact_start IS NOT NULL AND state NOT LIKE 'idle in transaction%'"
        return _SESSIONS.format(since="xact_start", where=where, minutes=self.minutes)


class IdleInTransaction(_OpenForLong):
    name: ClassVar[str] = "idle_in_transaction"
    label: ClassVar[str] = "Sessions that do nothing in a transaction"
    minutes = 5
    noun, plural = "idle session in a transaction", "idle sessions in a transaction"
    next_step = (
        "Mend the program: it waits for something else while it holds a transaction. "
        "idle_in_transaction_session_timeout ends such sessions by itself."
    )

    def asked(self) -> str:
        where = "state IN ('idle in transaction', 'idle in transaction (aborted)')"
        return _SESSIONS.format(since="state_change", where=where, minutes=self.minutes)


class PreparedTransaction(_OpenForLong):
    name: ClassVar[str] = "prepared_transaction"
    label: ClassVar[str] = "Prepared transactions that nobody finished"
    minutes = 60
    noun, plural = "prepared transaction", "prepared transactions"
    next_step = "Ask its coordinator how it ended, then COMMIT PREPARED or ROLLBACK PREPARED it by its name."
    of_others = False

    def asked(self) -> str:
        return _PREPARED.format(minutes=self.minutes)
