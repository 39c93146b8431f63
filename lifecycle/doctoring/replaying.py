"""Doing a folder's migrations on an empty database, statement by statement where it matters, and noting the schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from lifecycle.doctoring.values import Point, Replay
from lifecycle.migrating.ledgers import is_of
from lifecycle.migrating.planning import Seen, Subject
from lifecycle.migrating.running import Watch, execute
from lifecycle.sources.acts import Unit
from lifecycle.sources.base import DONE, RUNNABLE, Entry, Migration, State
from opsconsole.engines.base import Engine
from opsconsole.engines.scripting import ScriptFailed
from opsconsole.exceptions import OperationFailed
from opsconsole.review import dialect_of, split

NOT_DONE = (State.HALF, State.SKIPPED, *RUNNABLE)
_RESTRICT = re.compile(r"^\\(?:un)?restrict \w+[ \t]*\r?$", re.MULTILINE)  # of pg_dump, for psql alone
_SETS = re.compile(r"SET\s", re.IGNORECASE)


def units_of(subject: Subject, seen: Seen) -> tuple[list[Unit], list[Unit]]:
    """What the applied migrations did, and what the others would do, each on its own and the failed one first.

    Raises Refused when the tool would not take them.
    """
    entries = [entry for entry in seen.entries if entry.migration]
    done = [entry.migration for entry in entries if entry.state in DONE and entry.migration]
    rest = sorted((entry for entry in entries if entry.state in NOT_DONE), key=_failed_first)
    units = _units(subject, seen, [*done, *(entry.migration for entry in rest if entry.migration)])
    return units[: len(done)], units[len(done) :]


def replay(
    engine: Engine, done: Sequence[Unit], rest: Sequence[Unit], ledger: str, tick: Callable[[], None], base: str = ""
) -> Replay:
    """Run `done` whole and `rest` statement by statement on a database that has what `base` makes, and nothing else.

    Raises TargetProblem, and OperationFailed("base_failed").
    """
    _build(engine, base, tick)
    points, passed, failure = [_point(engine, ledger)], 0, ""
    try:
        for unit in done:
            _run(engine, unit, tick)
            points.append(_after(engine, unit, ledger))
            passed += 1
        for unit in rest:
            _step_by_step(engine, unit, ledger, points, tick)
            passed += 1
    except ScriptFailed as error:
        failure = f"{error.why.rstrip('.')}."
    return Replay(
        points=points,
        ledger=min(passed, len(done)),
        failure=failure,
        left={unit.migrations[-1]: unit.migrations[-1] for unit in [*done, *rest][passed:]},
        unproven=passed < len(done),
        start="the baseline" if base else "an empty database",
    )


def _build(engine: Engine, base: str, tick: Callable[[], None]) -> None:
    """Make what was there before the first migration, statement by statement, as a dump of definitions has it."""
    with engine.script(foreign_keys=False) as script:
        for statement in split(_RESTRICT.sub("", base), dialect_of(engine)):
            try:
                script.run(statement.text, tick=tick)
            except ScriptFailed as error:
                if _SETS.match(statement.text):
                    continue  # a pg_dump of a later version sets what this server does not know
                raise OperationFailed(
                    "base_failed",
                    f"The baseline fails in line {statement.line}: {error.why.rstrip('.')}.",
                    "Mend that line: the file is to hold the definitions from before the first migration, without rows,"
                    " owners and privileges.",
                ) from error


def definitions(engine: Engine, ledger: str) -> dict[str, str]:
    """What is defined, without the tool's own ledger."""
    return {name: text for name, text in engine.definitions().items() if not is_of(ledger, name)}


def _failed_first(entry: Entry) -> bool:
    return entry.state is not State.HALF


def _units(subject: Subject, seen: Seen, migrations: Sequence[Migration]) -> list[Unit]:
    """A unit a migration, as if nothing were applied: only its texts count here."""
    source, nothing = subject.source, replace(seen.ledger, exists=False, rows=())
    groups = [[each] for each in migrations] if source.together else [list(migrations)] * bool(migrations)
    return [unit for some in groups for unit in source.apply(some, nothing, seen.place, subject.folder.options)]


def _run(engine: Engine, unit: Unit, tick: Callable[[], None]) -> None:
    """The texts of a unit in the shape of its tool, without the ledger."""
    phases = tuple(
        replace(phase, acts=tuple(act for act in phase.acts if act.script)) for phase in unit.phases
    )  # fmt: skip
    with engine.script(foreign_keys=False) as script:
        execute(script, replace(unit, always=(), failed=(), phases=phases), Watch(tick=tick))


def _step_by_step(engine: Engine, unit: Unit, ledger: str, points: list[Point], tick: Callable[[], None]) -> None:
    statements = [each for act in unit.scripts for each in split(act.sql, dialect_of(engine))]
    name = unit.migrations[-1]
    with engine.script(foreign_keys=False) as script:
        for number, statement in enumerate(statements, 1):
            try:
                script.run(statement.text, tick=tick)
            except ScriptFailed as error:
                raise ScriptFailed(f"statement {number}: {error.why}", code=error.code) from error
            if not script.in_transaction:
                points.append(_point(engine, ledger, name, number, len(statements)))
    if not statements:
        points.append(_point(engine, ledger, name))


def _after(engine: Engine, unit: Unit, ledger: str) -> Point:
    of = sum(len(split(act.sql, dialect_of(engine))) for act in unit.scripts)
    return _point(engine, ledger, unit.migrations[-1], of, of)


def _point(engine: Engine, ledger: str, key: str = "", at: int = 0, of: int = 0) -> Point:
    return Point(key=key, name=key, at=at, of=of, definitions=definitions(engine, ledger))


def named(found: Replay, names: Mapping[str, str]) -> Replay:
    """With what people call the migrations."""
    points = [replace(point, name=names.get(point.key, point.key)) for point in found.points]
    return replace(found, points=points, left={key: names.get(key, key) for key in found.left})
