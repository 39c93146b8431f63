"""One rehearsal from beginning to end: copies, units, the way back, and what all of it amounts to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lifecycle.migrating.differences import Change, gist, schema_changes
from lifecycle.rehearsing import copies, heads, judging
from lifecycle.rehearsing.copies import Origin
from lifecycle.rehearsing.recording import Manner, record
from lifecycle.rehearsing.values import Failure, Recording, recording_from
from lifecycle.sources.acts import Act, Phase, Unit
from opsconsole.engines.base import Engine
from opsconsole.engines.scripting import ScriptFailed
from opsconsole.exceptions import TargetProblem
from opsconsole.kinds import Run

TICK_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is tried. `foreign_keys` is what the tool's own connections do on SQLite, None where it has no word on it.

    `all_units` are those of the whole folder, and `seed` a text after them, for a rehearsal on an empty database.
    """

    units: Sequence[Unit]
    back: Sequence[Unit] = ()
    d1: bool = False
    foreign_keys: bool | None = None
    all_units: Sequence[Unit] = ()
    seed: str = ""
    names: Mapping[str, str] = field(default_factory=dict)  # of migrations, by key
    ledger: str = ""  # the tool's own table, whose rows come and go with migrations


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How what a folder builds on an empty database differs from the live schema after the pending migrations."""

    changes: tuple[Change, ...]  # from the folder's schema to the live one's
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of it. `main` is the flavour of the database itself; `differences` are those to the other one.

    `built` is what a whole folder made of an empty database (see `heads`).
    """

    main: str
    recordings: tuple[Recording, ...]
    differences: tuple[str, ...] = ()
    restore_seconds: int = 0
    fresh: Recording | None = None
    drift: Drift | None = None
    built: Mapping[str, Any] | None = None

    @property
    def recording(self) -> Recording:
        """Of the database's own flavour."""
        return next(each for each in self.recordings if each.flavour == self.main)

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.fresh is None:
            return self.recording.verdict
        if self.fresh.failure is not None:
            return f"The folder does not build a database from nothing. {self.fresh.verdict}"
        assert self.drift is not None
        if self.drift.failure is not None:
            return f"The folder builds a database, but what is pending cannot be applied: {self.drift.failure.why}"
        if self.drift.changes:
            return f"The folder builds a database that differs from the live one in {len(self.drift.changes)} places."
        return "The folder builds the very schema that the live database has."

    @property
    def summary(self) -> str:
        """The verdict without the database's own words, which can quote values of rows."""
        failures = [self.drift.failure if self.drift else None, (self.fresh or self.recording).failure]
        if failure := next((each for each in failures if each), None):
            line = f", line {failure.line}" if failure.line else ""
            where = f"{failure.migration or failure.title}{line}"
            return f"It fails in {where}; what the database said stands with what was found."
        return self.verdict

    @property
    def held(self) -> bool:
        """Nothing failed, nothing went that the SQL does not name, and nothing is broken that was not."""
        told = self.fresh or self.recording
        if self.drift is not None and (self.drift.changes or self.drift.failure):
            return False
        unnamed = any(table.weight and not table.named for table in told.tables)
        return not (told.failure or unnamed or told.orphans or told.invalid_indexes or told.damage)

    def to_json(self) -> dict[str, Any]:
        return {
            "main": self.main,
            "recordings": [each.to_json() for each in self.recordings],
            "differences": list(self.differences),
            "restore_seconds": self.restore_seconds,
            "fresh": self.fresh.to_json() if self.fresh else None,
            "drift": {
                "changes": [each.__dict__ for each in self.drift.changes],
                "failure": self.drift.failure.__dict__ if self.drift.failure else None,
            }
            if self.drift
            else None,
            "built": self.built,
        }


def report_from(given: dict[str, Any]) -> Report:
    """Inverse of `Report.to_json`."""
    drift = given["drift"]
    return Report(
        main=given["main"],
        recordings=tuple(recording_from(each) for each in given["recordings"]),
        differences=tuple(given["differences"]),
        restore_seconds=given["restore_seconds"],
        fresh=recording_from(given["fresh"]) if given["fresh"] else None,
        drift=Drift(
            changes=tuple(Change(**each) for each in drift["changes"]),
            failure=Failure(**drift["failure"]) if drift["failure"] else None,
        )
        if drift
        else None,
        built=given.get("built"),
    )


def rehearse(run: Run, trial: Trial, origin: Origin, where: str) -> Report:
    """Build the copy, do the units on it, and the way back. Raises OperationFailed, Refused, TargetProblem."""
    began = time.monotonic()
    ticker, path = _Ticker(run), _search_path(run.engine(copies.SHARED))
    with copies.copies(run, origin, where) as fresh:
        seconds = max(1, round(time.monotonic() - began))
        recordings = []
        for manner in manners(trial, run.database(copies.SHARED).engine):
            run.log(f"Trying {len(trial.units)} steps on the copy{_as(manner)}.")
            with fresh(manner.flavour) as engine:
                how = replace(manner, tick=ticker.tick, search_path=path)
                recordings.append(record(engine, trial.units, how, back=trial.back))
            run.failpoint("rehearse.tried")
    other = judging.flavour_differences(recordings)
    main = "d1" if trial.d1 else recordings[0].flavour
    return Report(
        main=main, recordings=tuple(recordings), differences=tuple(other), restore_seconds=seconds
    )  # fmt: skip


def from_nothing(run: Run, trial: Trial, origin: Origin, where: str) -> Report:
    """Build a database from the whole folder, and compare it with the live one after what is pending."""
    live, ticker = run.engine(copies.SHARED), _Ticker(run)
    manner = replace(manners(trial, live.name)[-1 if trial.d1 else 0], tick=ticker.tick)
    with copies.empty(run, live.identity(), live.name) as engine:
        run.log(f"Building a database from nothing in {len(trial.all_units)} steps.")
        built = record(engine, [*trial.all_units, *_seed(trial.seed)], manner)
        definitions = engine.definitions()
        head = heads.built_by(engine, definitions)
    if built.failure is not None:
        return Report(main=manner.flavour, recordings=(), fresh=built, drift=Drift(changes=()))
    wanted, failure = _after_pending(run, trial, origin, where, manner) if trial.units else (live.definitions(), None)
    changes = () if failure else tuple(gist(schema_changes(definitions, wanted)))
    return Report(
        main=manner.flavour, recordings=(), fresh=built, drift=Drift(changes=changes, failure=failure), built=head
    )


def manners(trial: Trial, engine_name: str) -> list[Manner]:
    """On PostgreSQL one; on SQLite as SQLite, with foreign keys as the tool has them, and as D1.

    What D1's own tool has is D1; for a D1 database the other one is SQLite as it comes, without foreign keys.
    """
    if engine_name == "postgresql":
        return [Manner(flavour="postgresql", names=trial.names, ledger=trial.ledger)]
    as_d1 = Manner(flavour="d1", foreign_keys=True, names=trial.names, ledger=trial.ledger)
    return [
        replace(as_d1, flavour="sqlite", foreign_keys=bool(trial.foreign_keys) and not trial.d1),
        as_d1,
    ]


def _after_pending(run: Run, trial: Trial, origin: Origin, where: str, manner: Manner) -> tuple[Any, Failure | None]:
    """Definitions of the live database once the pending migrations are applied, tried on a copy."""
    with copies.copies(run, origin, where) as fresh, fresh(manner.flavour) as engine:
        failure = record(engine, trial.units, manner).failure
        return engine.definitions(), failure


def _seed(text: str) -> list[Unit]:
    if not text:
        return []
    act = Act(sql=text, script=True, migration="seed")
    return [Unit(title="Put in the seed rows", migrations=("seed",), phases=(Phase(acts=(act,)),))]


def _search_path(live: Engine) -> str:
    """Where the role's own sessions look names up; "" where there is no such thing, or nobody can tell."""
    if live.name != "postgresql":
        return ""
    try:
        with live.script(read_only=True) as script:
            ((path,),) = script.ask("SHOW search_path")
            return str(path)
    except (TargetProblem, ScriptFailed):
        return ""


def _as(manner: Manner) -> str:
    return {"sqlite": ", as SQLite", "d1": ", as D1"}.get(manner.flavour, "")


@dataclass
class _Ticker:
    """Reports that work goes on, and hears a cancel."""

    run: Run
    began: float = field(default_factory=time.monotonic)
    _next: float = 0.0

    def tick(self) -> None:
        at = time.monotonic()
        if at >= self._next:
            self._next = at + TICK_SECONDS
            self.run.check_cancel()
            self.run.progress(round(at - self.began), 0, "seconds", step="Trying")
