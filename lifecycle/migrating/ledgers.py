"""Reading the ledger of a sealed plan: by its tool, under its options, in the database it was made for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lifecycle.sources.acts import Unit, unit_from
from lifecycle.sources.base import Ledger, Place, Source, source_named
from opsconsole.engines.base import Engine
from opsconsole.engines.scripting import Script, ScriptFailed
from opsconsole.exceptions import TargetProblem
from opsconsole.plans import Plan


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a plan says of tool, ledger and units."""

    tool: str
    options: Mapping[str, str]
    place: Place
    units: Sequence[Unit]

    @cached_property
    def source(self) -> Source:
        return source_named(self.tool)

    @property
    def subject(self) -> str:
        """Of the precondition `ledger`."""
        return subject_of(self.tool, self.options)

    def ledger(self, script: Script) -> Ledger:
        return self.source.ledger(script, self.place, self.options)

    def landed(self, ledger: Ledger) -> int:
        """How many of the units, from the first on, the ledger says are done."""
        flags = [self.source.landed(unit, ledger) for unit in self.units]
        return flags.index(False) if False in flags else len(flags)


def subject_of(tool: str, options: Mapping[str, str]) -> str:
    """Of the precondition `ledger`: whose ledger, under which options."""
    return json.dumps([tool, dict(options)], sort_keys=True)


def given(plan: Plan, engine: Engine) -> Given:
    """What a sealed plan says. Raises KeyError for a plan of another kind."""
    told = plan.parameters
    return Given(
        tool=str(told["tool"]),
        options=dict(told["options"]),
        place=place_of(engine),
        units=[unit_from(unit) for unit in told["units"]],
    )


def place_of(engine: Engine) -> Place:
    """Where migrations go, of an engine. Raises TargetProblem."""
    d1 = engine.name == "sqlite" and engine.identity().details.get("flavour") == "d1"
    return Place(engine=engine.name, database=engine.address.name, d1=d1)


def names_of(table: str) -> frozenset[str]:
    """What a ledger's own table may be called in a list of tables, in small letters; none for ""."""
    small = table.lower()
    return frozenset({small, small.rpartition(".")[2], f"public.{small}"}) if table else frozenset()


def is_of(table: str, name: str) -> bool:
    """Whether a name in `Engine.definitions` is of a ledger's own table, or of what its keys brought along."""
    bare = re.escape(table.replace('"', "").rpartition(".")[2])
    return bool(bare) and re.search(rf"(?<!\w){bare}(?:_\w*(?:pkey|key|seq|not_null))?(?!\w)", name) is not None


def digest(engine: Engine, subject: str) -> str:
    """The ledger's digest now; the probe `ledger`. Raises TargetProblem."""
    tool, options = json.loads(subject)
    return read(engine, source_named(tool), options).digest


def read(engine: Engine, source: Source, options: Mapping[str, Any]) -> Ledger:
    """The ledger as it is now, in a session that writes nothing. Raises TargetProblem."""
    with engine.script(read_only=True) as script:
        try:
            return source.ledger(script, place_of(engine), options)
        except ScriptFailed as error:
            raise TargetProblem(
                "permission",
                f"The ledger of {source.label} cannot be read: {error.why}.",
                "Let the console's role read the ledger's table.",
            ) from error
