"""Doing what units say, one after another, in the transaction shape of their tool."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime

from lifecycle.sources.acts import Act, Given, Hex, Measured, Phase, Unit
from opsconsole.engines.scripting import Script, ScriptFailed, Value

ENDED = "transaction_ended"  # code of the failure of a text that left the transaction it was in
LEFT_OPEN = "transaction_left_open"  # code of the failure of a text that began a transaction and did not end it
_ENDED = "It ended the transaction that it runs in (COMMIT or ROLLBACK); what it did before that may stay."
_LEFT_OPEN = "It began a transaction and did not end it, so that nothing of that transaction stays."


@dataclass
class Watch:
    """Who looks on while units run; everything here may be replaced, and may raise to stop before the next act."""

    tick: Callable[[], None] = lambda: None
    before: Callable[[Unit, Act], None] = lambda unit, act: None
    after: Callable[[Unit, Act, float], None] = lambda unit, act, seconds: None
    before_commit: Callable[[Unit], None] = lambda unit: None  # after the last text, in its transaction if it has one
    again: Callable[[Unit, Act, ScriptFailed], bool] = lambda unit, act, error: False  # whether an act is tried anew


@dataclass
class _Facts:
    """What measured values of one unit are."""

    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    seconds: float = 0.0
    failure: str = ""


def execute(script: Script, unit: Unit, watch: Watch | None = None) -> None:
    """Do one unit. Raises ScriptFailed after having written what the tool writes of a failure."""
    watch, facts = watch or Watch(), _Facts()
    for phase in unit.always:
        _do(script, unit, phase, facts, Watch(tick=watch.tick))
    last = next((phase for phase in reversed(unit.phases) if any(act.script for act in phase.acts)), unit.phases[-1])
    try:
        for phase in unit.phases:
            _do(script, unit, phase, facts, watch, last=phase is last)
    except ScriptFailed as error:
        facts.failure = error.why
        if script.in_transaction:
            script.write("ROLLBACK")  # one that the text began by itself
        for phase in unit.failed:
            _do(script, unit, phase, facts, Watch())
        raise


def execute_all(script: Script, units: Sequence[Unit], watch: Watch | None = None) -> None:
    """Do units in order, up to the first that fails."""
    for unit in units:
        execute(script, unit, watch)


def state(script: Script, act: Act) -> None:
    """Run one statement of ours whose values are known beforehand, such as a tool's lock."""
    _write(script, act, _Facts())


def _do(script: Script, unit: Unit, phase: Phase, facts: _Facts, watch: Watch, *, last: bool = False) -> None:
    with script.transaction() if phase.transaction else nullcontext():
        for act in phase.acts:
            watch.before(unit, act)
            began = time.monotonic()
            _perform(script, unit, act, facts, watch)
            if phase.transaction and not script.in_transaction:
                raise ScriptFailed(_ENDED, code=ENDED)
            if script.in_transaction and not phase.transaction:
                raise ScriptFailed(_LEFT_OPEN, code=LEFT_OPEN)
            took = time.monotonic() - began
            facts.seconds += took if act.script else 0.0
            watch.after(unit, act, took)
        if last:
            watch.before_commit(unit)


def _perform(script: Script, unit: Unit, act: Act, facts: _Facts, watch: Watch) -> None:
    if not act.script:
        _write(script, act, facts)
        return
    while True:
        try:
            script.run(act.sql, tick=watch.tick)
            break
        except ScriptFailed as error:
            if not watch.again(unit, act, error):
                raise


def _write(script: Script, act: Act, facts: _Facts) -> None:
    now = datetime.now(UTC)  # one moment for all values of a statement
    script.write(act.sql, [_known(value, facts, script.vendor, now) for value in act.values])


def _known(value: Given, facts: _Facts, vendor: str, now: datetime) -> Value:
    if isinstance(value, Hex):
        return bytes.fromhex(value.digits)
    if not isinstance(value, Measured):
        return value
    stamp = now.isoformat(timespec="milliseconds")
    known: dict[Measured, Value] = {
        Measured.UUID: facts.identifier,
        Measured.NOW: datetime.fromisoformat(stamp) if vendor == "postgresql" else stamp,
        Measured.NOW_Z: stamp.replace("+00:00", "Z"),
        Measured.NOW_MS: int(now.timestamp() * 1000),
        Measured.ELAPSED_NS: int(facts.seconds * 1e9),
        Measured.FAILURE: facts.failure,
    }
    return known[value]
