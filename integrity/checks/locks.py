"""Tables that another session of PostgreSQL keeps for itself: to ask for their definition would be to wait for it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace

from integrity.checks.base import Found, Moment, Outcome, Severity
from integrity.checks.telling import Telling

# Who waits for such a lock is in line before us, and keeps us out as well.
LOCKED = (
    "SELECT relation FROM pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'"
    " AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
# The bytes of pg_class c; as VACUUM or ANALYZE counted them, where counting would be waiting.
BYTES = (
    f"CASE WHEN c.oid IN ({LOCKED}) THEN c.relpages::bigint * current_setting('block_size')::int"
    " ELSE pg_relation_size(c.oid) END"
)
_TABLES = (
    "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    f" WHERE c.oid IN ({LOCKED})"
)


def locked(moment: Moment) -> list[str]:
    """The user's tables whose definition cannot be asked for now."""
    if moment.vendor != "postgresql":
        return []
    return sorted(name for (name,) in moment.inquiry.ask(_TABLES) if name in moment.structure.relations)


def waits(check: Telling, what: str, *, severity: Severity = Severity.INFO) -> Found:
    """That it was not waited for."""
    because = "another session holds a lock on the table that keeps everybody out, or waits for one"
    step = "See who holds the table, end it or let it finish, then check again."
    return check.unseen(what, because, step, severity=severity)


class Unlocked(Telling):
    """A check that judges definitions: of the tables that nobody keeps for himself, and it tells which those are."""

    def look(self, moment: Moment) -> Iterator[Outcome]:
        kept = locked(moment)
        for table in kept:
            yield waits(self, f"{self.label} ({table})")
        yield from self.judge(without(moment, kept))

    @abstractmethod
    def judge(self, moment: Moment) -> Iterator[Outcome]:
        """What it sees by itself; no other tables are in the moment's structure."""


def without(moment: Moment, tables: list[str]) -> Moment:
    """The same moment, as if these tables were not there."""
    if not tables:
        return moment
    structure = moment.structure
    left = {name: relation for name, relation in structure.relations.items() if name not in tables}
    keys = tuple(key for key in structure.foreign_keys if key.table in left)
    return replace(moment, structure=replace(structure, relations=left, foreign_keys=keys))
