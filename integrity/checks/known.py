"""The explicit table of checks."""

from __future__ import annotations

from integrity.checks.amcheck import PostgresPages
from integrity.checks.base import Check
from integrity.checks.constraints import WeakConstraint
from integrity.checks.d1 import D1Rows, D1Schema, D1Size
from integrity.checks.dangling import DanglingReferences
from integrity.checks.duplicates import RefusedDuplicates
from integrity.checks.exhaustion import KeyExhaustion
from integrity.checks.gaps import UnusualNulls
from integrity.checks.index_faults import DuplicateIndex, InvalidIndex, PrefixIndex, UnusedIndex
from integrity.checks.index_gaps import UnindexedReference, UnindexedUsual
from integrity.checks.inferred import InferredOrphans
from integrity.checks.keys import MissingPrimaryKey
from integrity.checks.likely_keys import LikelyDuplicates
from integrity.checks.orphans import Orphans
from integrity.checks.pages import ForeignKeyCheck, SqlitePages
from integrity.checks.sequences import SequenceBehind, SequenceNearEnd
from integrity.checks.sessions import IdleInTransaction, LongTransaction, PreparedTransaction
from integrity.checks.statements import SlowStatement
from integrity.checks.upkeep import MuchWritten, NeedsAnalyze, NeedsVacuum, UnusedRoom
from integrity.checks.wraparound import Wraparound

CHECKS: tuple[Check, ...] = (
    MissingPrimaryKey(),
    SqlitePages(),
    PostgresPages(),
    DanglingReferences(),
    Orphans(),
    InferredOrphans(),
    RefusedDuplicates(),
    LikelyDuplicates(),
    UnusualNulls(),
    ForeignKeyCheck(),
    WeakConstraint(),
    SequenceBehind(),
    SequenceNearEnd(),
    KeyExhaustion(),
    InvalidIndex(),
    DuplicateIndex(),
    PrefixIndex(),
    UnusedIndex(),
    UnindexedReference(),
    UnindexedUsual(),
    NeedsVacuum(),
    NeedsAnalyze(),
    MuchWritten(),
    UnusedRoom(),
    Wraparound(),
    LongTransaction(),
    IdleInTransaction(),
    PreparedTransaction(),
    SlowStatement(),
    D1Size(),
    D1Schema(),
    D1Rows(),
)


def check_named(name: str) -> Check | None:
    """The check of that name."""
    return next((check for check in CHECKS if check.name == name), None)
