"""Running units on a copy, and recording what became of it. The copy is the caller's, and is used up by this."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lifecycle.migrating.differences import schema_changes
from lifecycle.migrating.running import Watch, execute
from lifecycle.rehearsing import comparing, d1, judging, violations
from lifecycle.rehearsing.noting import Notes, Noting, NotingPostgres, NotingSqlite
from lifecycle.rehearsing.values import Back, Recording
from lifecycle.sources.acts import Unit
from opsconsole.engines.base import Engine
from opsconsole.engines.scripting import Patience, ScriptFailed
from opsconsole.engines.surveying import Survey

MOST_STATEMENTS = 500  # kept of one rehearsal
PATIENT = Patience(lock=60.0)  # nobody else is there


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a copy is used: `flavour` is postgresql, sqlite or d1; `foreign_keys` is what SQLite enforces.

    `search_path` is that of the role's sessions in the live database, "" for the copy's own. `ledger` is the tool's own
    table.

    `tick` is called often and may raise.
    """

    flavour: str
    foreign_keys: bool | None = None
    search_path: str = ""
    names: Mapping[str, str] = field(default_factory=dict)  # of migrations, by key
    ledger: str = ""
    tick: Callable[[], None] = lambda: None


def record(engine: Engine, units: Sequence[Unit], manner: Manner, *, back: Sequence[Unit] = ()) -> Recording:
    """Do the units up to the first that fails, then the units of the way back if all went well.

    What fails in the database is a result. Raises TargetProblem when the copy is lost, and what `tick` raises.
    """
    before = engine.survey(manner.tick)
    began = time.monotonic()
    notes = _attempt(engine, units, manner)
    seconds = time.monotonic() - began
    after = engine.survey(manner.tick, like=before)
    recording = _recorded(manner, units, notes, before, after, seconds)
    if back and notes.failure is None:
        recording = replace(recording, back=_back(engine, back, manner, before))
    return replace(recording, verdict=judging.verdict(recording))


def _attempt(engine: Engine, units: Sequence[Unit], manner: Manner) -> Notes:
    with engine.script(PATIENT, foreign_keys=manner.foreign_keys) as script, engine.watching(script) as look:
        notes = Notes(look, manner.names)
        noting: Noting = (
            NotingPostgres(script, notes)
            if script.vendor == "postgresql"
            else NotingSqlite(script, notes, as_d1=manner.flavour == "d1")
        )
        if manner.search_path:
            script.ask("SELECT set_config('search_path', ?, false)", [manner.search_path])
        watch = Watch(tick=manner.tick, before=notes.turn_to)
        try:
            for unit in units:
                execute(noting, d1.as_batch(unit) if manner.flavour == "d1" else unit, watch)
        except ScriptFailed as error:
            notes.fail(error)
        if notes.failure is not None:
            notes.failure = replace(notes.failure, in_the_way=violations.words(script, notes.failure))
    return notes


def _back(engine: Engine, units: Sequence[Unit], manner: Manner, before: Survey) -> Back:
    began = time.monotonic()
    notes = _attempt(engine, units, manner)
    ms = round((time.monotonic() - began) * 1000)
    differences = comparing.back_differences(before, engine.survey(manner.tick, like=before), ledger=manner.ledger)
    return Back(
        leads_back=notes.failure is None and not differences,
        ms=ms,
        differences=tuple(differences),
        failure=notes.failure,
    )


def _recorded(
    manner: Manner, units: Sequence[Unit], notes: Notes, before: Survey, after: Survey, seconds: float
) -> Recording:
    slowest = sorted(notes.statements, key=lambda each: (not each.failed, -each.ms))[:MOST_STATEMENTS]
    kept = set(map(id, slowest))
    texts = [act.sql for unit in units for phase in (*unit.always, *unit.phases) for act in phase.acts]
    changes = schema_changes(before.definitions, after.definitions)
    return Recording(
        flavour=manner.flavour,
        verdict="",
        tables=tuple(judging.tables(before, after, notes.locks, changes, texts, ledger=manner.ledger)),
        statements=tuple(each for each in notes.statements if id(each) in kept),
        statements_run=len(notes.statements),
        whole=tuple(dict.fromkeys(notes.whole)),
        changes=tuple(changes),
        ms=round(seconds * 1000),
        bytes_before=before.size_bytes,
        bytes_after=after.size_bytes,
        fingerprint_before=before.fingerprint,
        fingerprint_after=after.fingerprint,
        orphans={
            key: count - before.orphans.get(key, 0)
            for key, count in after.orphans.items()
            if count > before.orphans.get(key, 0)
        },
        invalid_indexes=tuple(name for name in after.invalid_indexes if name not in before.invalid_indexes),
        damage=tuple(line for line in after.damage if line not in before.damage),
        failure=notes.failure,
    )
