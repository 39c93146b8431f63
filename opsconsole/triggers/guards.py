"""What a guard is: one refusal, as data, from which both backends build their trigger."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from opsconsole.exceptions import Refused

MARK = "opsconsole:"
PREFIX = "opsconsole_guard_"
_TOLD = re.compile(re.escape(MARK) + r" \[(?P<code>\w+)\] (?P<why>.*?) Next: (?P<next>[^\n]*)")


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Refuses `event` (INSERT, UPDATE, DELETE or TRUNCATE) on `table` when `condition` holds for OLD and NEW.

    The condition is SQL that PostgreSQL and SQLite read alike. `on` names the backends that need the guard.
    """

    name: str
    table: str
    event: str
    condition: str
    code: str
    why: str
    next_step: str
    on: frozenset[str] = frozenset({"postgresql", "sqlite"})

    @cached_property
    def trigger(self) -> str:
        """The name in the database."""
        return f"{PREFIX}{self.name}"

    @cached_property
    def message(self) -> str:
        """What the database says: `opsconsole: [code] WHY Next: STEP`."""
        return f"{MARK} [{self.code}] {self.why} Next: {self.next_step}"

    @property
    def quoted_message(self) -> str:
        return "'" + self.message.replace("'", "''") + "'"


def refusal_of(error: BaseException) -> Refused | None:
    """The refusal that a database error carries when one of our guards raised it, else None."""
    told = _TOLD.search(str(error))
    return Refused(told["code"], told["why"], told["next"].strip()) if told else None
