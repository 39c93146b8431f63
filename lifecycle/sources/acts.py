"""What a migration does to a database, as plain values: the plan shows them, a rehearsal tries them, a run does them.

A unit is what one migration (or, for tools that put all of them into one transaction, one run) does. It has phases in
the transaction shape of its tool, and each phase has acts: a script's exact text, or one statement on the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Measured(StrEnum):
    """A value of a ledger row that is only known when it is written."""

    UUID = "uuid4"  # text, once a unit: the same wherever it stands in it
    NOW = "now"  # a timestamp with time zone, to the millisecond; on SQLite the text YYYY-MM-DDTHH:MM:SS.mmm+00:00
    NOW_Z = "now_z"  # the text YYYY-MM-DDTHH:MM:SS.mmmZ
    NOW_MS = "now_ms"  # milliseconds since 1970
    ELAPSED_NS = "elapsed_ns"  # of the unit's scripts so far
    FAILURE = "failure"  # the database's message


@dataclass(frozen=True)
class Hex:
    """Bytes of a ledger row, as hexadecimal digits, because plans are JSON."""

    digits: str


Given = str | int | bool | None | Measured | Hex


@dataclass(frozen=True, kw_only=True)
class Act:
    """One text to be run as it is (`script`), or one statement of ours on the ledger with `?` for its values.

    `migration` names the migration whose file the text is of, "" for what is no migration's.
    """

    sql: str
    script: bool = False
    values: tuple[Given, ...] = ()
    migration: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "values": [_value_to_json(value) for value in self.values]}


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Acts in order: in one transaction, or each as it commits by itself."""

    acts: tuple[Act, ...]
    transaction: bool = False


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What happens for one migration, or for all of `migrations` (their keys) together. Then it is applied.

    `failed` is what the tool writes when a phase failed (prisma's failed row); most tools write nothing. `always` is
    what makes the ledger beforehand and stays, whatever happens to the migrations.
    """

    title: str  # "Apply 0004_add_status"
    migrations: tuple[str, ...]
    phases: tuple[Phase, ...]
    failed: tuple[Phase, ...] = ()
    always: tuple[Phase, ...] = ()
    direction: str = "up"  # up, down, none where the ledger is told of it alone, forget where it is told the opposite

    @property
    def atomic(self) -> bool:
        """Whether it happens as a whole or not at all: all texts, and the ledger's word, are in one transaction."""
        if not self.phases or not self.phases[0].transaction:
            return False
        first = self.phases[0].acts
        later = any(act.script for phase in self.phases[1:] for act in phase.acts)
        return not later and any(not act.script for act in first)

    @property
    def scripts(self) -> tuple[Act, ...]:
        """The texts of migrations, in the order in which they run."""
        return tuple(act for phase in self.phases for act in phase.acts if act.script)

    def to_json(self) -> dict[str, Any]:
        """As a plan keeps it."""
        return {
            "title": self.title, "migrations": list(self.migrations), "direction": self.direction,
            **{name: [_phase_to_json(phase) for phase in getattr(self, name)] for name in _PHASES},
        }  # fmt: skip


_PHASES = ("always", "phases", "failed")


def unit_from(given: Mapping[str, Any]) -> Unit:
    """Inverse of `Unit.to_json`. Raises KeyError or ValueError for what is no unit."""
    phases = {name: tuple(_phase_from(each) for each in given[name]) for name in _PHASES}
    return Unit(
        title=given["title"], migrations=tuple(given["migrations"]), direction=given["direction"], **phases
    )  # fmt: skip


def _phase_to_json(phase: Phase) -> dict[str, Any]:
    return {"transaction": phase.transaction, "acts": [act.to_json() for act in phase.acts]}


def _phase_from(given: Mapping[str, Any]) -> Phase:
    acts = (Act(**{**each, "values": tuple(_value_from(value) for value in each["values"])}) for each in given["acts"])
    return Phase(acts=tuple(acts), transaction=given["transaction"])


def _value_to_json(value: Given) -> Any:
    if isinstance(value, Measured):
        return {"measured": value.value}
    return {"hex": value.digits} if isinstance(value, Hex) else value


def _value_from(given: Any) -> Given:
    if isinstance(given, Mapping):
        return Measured(given["measured"]) if "measured" in given else Hex(str(given["hex"]))
    return given
