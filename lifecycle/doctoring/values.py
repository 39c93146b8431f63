"""What a doctor sees and says, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

MOST_CHANGES = 50


class Verdict(StrEnum):
    """What is true of one migration, whatever the ledger says."""

    NOTHING = "nothing of it is there"
    HALF = "half of it is there"
    ALL = "all of it is there"
    RECORDED = "recorded, and not there"
    ROWS = "only rows could tell"
    DRIFTED = "the schema is another one"


class Do(StrEnum):
    """What `resolve` can do."""

    FINISH = "finish"
    UNDO = "undo"
    APPLIED = "applied"
    ROLLED_BACK = "rolled_back"
    BASELINE = "baseline"


@dataclass(frozen=True, kw_only=True)
class Point:
    """A schema on the way: after `at` of the `of` statements of a migration; key "" is the empty database."""

    key: str
    name: str
    at: int
    of: int
    definitions: Mapping[str, str]

    @property
    def whole(self) -> bool:
        return self.at == self.of


@dataclass(frozen=True, kw_only=True)
class Replay:
    """The points in order. The ledger stands at `points[ledger]`; `failure` is why the last could not be passed.

    `left` are the migrations, name by key, that were not replayed to their end, in order; `unproven` where the ledger
    has one of them, so that nothing is known of where it stands.
    """

    points: Sequence[Point]
    ledger: int
    failure: str = ""
    left: Mapping[str, str] = field(default_factory=dict)
    unproven: bool = False
    start: str = "an empty database"  # what the first point is

    @property
    def names(self) -> dict[str, str]:
        """What people call the migrations, by key."""
        return {**{point.key: point.name for point in self.points}, **self.left}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One migration. `at` of `of` statements are in effect; `ways` are what `resolve` can do, the best first."""

    key: str
    name: str
    verdict: Verdict
    sentence: str
    at: int = 0
    of: int = 0
    ways: tuple[Do, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of it. `changes` are what the live schema has otherwise than the point that is nearest to it, in words.

    `unchecked` are the migrations of which nothing is said, because they could not be replayed.
    """

    sentence: str
    diagnoses: tuple[Diagnosis, ...] = ()
    changes: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "sentence": self.sentence,
            "diagnoses": [each.to_json() for each in self.diagnoses],
            "changes": list(self.changes[:MOST_CHANGES]),
            "changes_in_all": len(self.changes),
            "unchecked": list(self.unchecked),
        }


def diagnosis_from(given: Mapping[str, Any]) -> Diagnosis:
    """Inverse of `Diagnosis.to_json`."""
    ways = tuple(Do(each) for each in given["ways"])
    return Diagnosis(**{**given, "verdict": Verdict(given["verdict"]), "ways": ways})
