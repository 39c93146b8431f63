"""A scene: SQL that plants one fault, and SQL that plants what nearly is one, about the same subject.

All scenes of an engine are laid out side by side, the faults in one database and the near misses in another. What is
looked for must be found in the first, and told as sound, under the same subject, in the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from integrity.checks.base import Check, Held, Outcome
from integrity.rules.base import Spec

POSTGRESQL, SQLITE = "postgresql", "sqlite"
BOTH = (POSTGRESQL, SQLITE)
FULL_NAME = {POSTGRESQL: "public.", SQLITE: ""}  # stands for #. in subjects
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "


@dataclass(frozen=True, kw_only=True)
class Scene:
    """`what` looks, and `nearly` at the near miss, where the same rows are a fault or none by a threshold.

    `subject` is that of the finding, a `*` stands for anything; `sound` that of the other one, where it is another.
    """

    what: Check | Spec
    subject: str
    fault: str = ""
    near: str = ""
    on: tuple[str, ...] = BOTH
    nearly: Check | None = None
    sound: str = ""
    d1: bool = False  # looked at as a database of D1's

    @property
    def name(self) -> str:
        """Under which it tells what it sees."""
        return self.what.name if isinstance(self.what, Check) else self.what.check

    def is_found(self, vendor: str, told: list[Outcome]) -> bool:
        """Whether the fault is among what was told."""
        return any(not isinstance(each, Held) and not each.failed for each in self._about(vendor, told, self.subject))

    def holds(self, vendor: str, told: list[Outcome]) -> bool:
        """Whether the near miss was looked at and is sound."""
        about = [*self._about(vendor, told, self.subject), *self._about(vendor, told, self.sound or self.subject)]
        return bool(about) and all(isinstance(each, Held) for each in about)

    def _about(self, vendor: str, told: list[Outcome], subject: str) -> list[Outcome]:
        wanted = subject.replace("#.", FULL_NAME[vendor])
        return [each for each in told if each.check == self.name and fnmatchcase(each.subject, wanted)]
