"""The plan of a rehearsal: which units, the way back, of what the copy is made, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lifecycle.backups import archives
from lifecycle.encryption import recipients
from lifecycle.migrating import going_back, planning, selecting, showing
from lifecycle.migrating.findings import reviewed
from lifecycle.migrating.planning import Seen, Subject
from lifecycle.migrating.rehearsals import digest_of_units
from lifecycle.models import Rehearsal
from lifecycle.rehearsing import copies, places
from lifecycle.rehearsing.copies import Origin
from lifecycle.rehearsing.places import Place
from lifecycle.rehearsing.trying import Trial
from lifecycle.sources.acts import Unit, unit_from
from lifecycle.sources.base import Entry, Migration, Row, State
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Refused, Usage
from opsconsole.kinds import Request
from opsconsole.plans import Plan, Precondition, Step
from opsconsole.review import read_live
from opsconsole.targets import plan_target

FRESH, BACK = Rehearsal.Mode.FRESH.value, Rehearsal.Mode.BACK.value


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a rehearsal tries: the pending units, their way back, and for a fresh database those of the whole folder.

    With `taken_back`, the units are those of a rollback, and there is no way back of them to try.
    """

    chosen: Sequence[Migration]
    units: Sequence[Unit]
    back: Sequence[Unit] = ()
    all_units: Sequence[Unit] = ()
    taken_back: bool = False


def compose(request: Request, subject: Subject) -> Plan:
    """Read the target and write nothing. Raises Refused, Usage, TargetProblem."""
    engine, given = engine_for(request.database), request.parameters
    seen = planning.look(engine, subject)
    planning.refuse(subject, seen)
    wanted = _wanted(subject, seen, given)
    for units in (wanted.units, wanted.back, wanted.all_units):
        planning.refuse_too_large(units)
    origin, told = Origin(backup=None), "nothing: an empty database"
    place = Place(where="")
    if wanted.units:
        origin, told = places.origin_of(request.database, engine, given["source"], given["backup"], given["store"])
        contents = places.contents_of(engine, origin)
        place = places.place_of(engine, contents, [*wanted.units, *wanted.back], given["where"])
    if origin.backup is not None:
        manifest = archives.manifest_of(origin.backup, store=origin.store)
        recipients.refuse_locked(f"Backup {origin.backup.pk}", manifest.public_keys)
    return _plan(request, subject, seen, engine, wanted, origin, place, told)


def trial_of(plan: Plan) -> Trial:
    """What a sealed plan has tried."""
    given = plan.parameters
    return Trial(
        units=[unit_from(unit) for unit in given["units"]],
        back=[unit_from(unit) for unit in given["back"]],
        d1=bool(given["d1"]),
        foreign_keys=given["foreign_keys"],
        all_units=[unit_from(unit) for unit in given["all_units"]],
        seed=str(given["seed_sql"]),
        names=dict(given["names"]),
        ledger=str(given.get("ledger", "")),
    )


def _wanted(subject: Subject, seen: Seen, given: Any) -> Wanted:
    source, options, fresh = subject.source, subject.folder.options, given["mode"] == FRESH
    if given["mode"] == BACK:
        return _taken_back(subject, seen, given)
    try:
        chosen = selecting.pending(seen.entries, to=given["to"], only=given["only"])
    except Refused as refused:
        if not fresh or refused.code != "nothing_pending":
            raise
        chosen = []
    units = source.apply(chosen, seen.ledger, seen.place, options) if chosen else ()
    if not fresh:
        return Wanted(chosen=chosen, units=units, back=_back(subject, seen, chosen))
    nothing = replace(seen.ledger, exists=False, rows=(), facts={})
    return Wanted(
        chosen=chosen, units=units, all_units=source.apply(seen.migrations, nothing, seen.place, options)
    )  # fmt: skip


def _taken_back(subject: Subject, seen: Seen, given: Any) -> Wanted:
    if given["only"]:
        raise Usage("bad_value", "only= means nothing for what is taken back.", "Use to= for the one that stays.")
    back = going_back.back_to(subject, seen, given["to"])
    return Wanted(chosen=back.chosen, units=back.units, taken_back=True)


def _back(subject: Subject, seen: Seen, chosen: Sequence[Migration]) -> list[Unit]:
    """The tool's own way back of all of them, the newest first; none where one has none."""
    if not all(migration.down for migration in chosen):
        return []
    found = []
    try:
        for migration in reversed(chosen):
            row = Row(key=migration.key, name=migration.name)
            ledger = replace(seen.ledger, exists=True, rows=(row,))
            entry = Entry(state=State.APPLIED, sentence="", migration=migration, row=row)
            found.append(subject.source.down(entry, ledger, seen.place, subject.folder.options))
    except Refused:
        return []
    return found


def _plan(
    request: Request,
    subject: Subject,
    seen: Seen,
    engine: Engine,
    wanted: Wanted,
    origin: Origin,
    place: Place,
    told: str,
) -> Plan:
    database, schema = request.database, engine.schema_fingerprint()
    seed = request.parameters["seed_sql"] if wanted.all_units else ""
    return Plan(
        kind="rehearse",
        summary=_summary(database.name, subject, wanted),
        targets=(plan_target(database, None, role=copies.SHARED),),
        parameters={
            **request.parameters,
            **subject.chosen,
            "backup": str(origin.backup.pk) if origin.backup else "",
            "store": origin.store,
            "where": place.where,
            "seed_sql": seed,
            "migrations": [{"key": each.key, "name": each.name, "sha256": each.sha256} for each in wanted.chosen],
            "names": {each.key: each.name for each in (seen.migrations if wanted.all_units else wanted.chosen)},
            "units": [unit.to_json() for unit in wanted.units],
            "back": [unit.to_json() for unit in wanted.back],
            "all_units": [unit.to_json() for unit in wanted.all_units],
            "units_digest": digest_of_units(wanted.all_units or wanted.units),
            **({"findings": _findings(engine, wanted)} if wanted.units else {}),
            "d1": seen.place.d1,
            "foreign_keys": subject.source.foreign_keys,
            "ledger": seen.ledger.table,
            "schema": schema,
        },
        steps=_steps(wanted, told, place, engine.name, seed),
        preconditions=_preconditions(origin, place, engine, schema),
        risk="low",
        risk_reasons=("The database itself is only read; the migrations run on a copy that is removed afterwards.",),
        evidence=_evidence(subject, wanted, place, told),
        way_back="Nothing is changed, so there is nothing to take back.",
    )


def _findings(engine: Engine, wanted: Wanted) -> list[dict[str, Any]]:
    """What a review says of what is tried on a copy; rows are not counted for it, for that is what the copy is for."""
    found = reviewed(engine, wanted.units, wanted.chosen, read_live(engine))
    return [finding for each in found for finding in each.to_json()]


def _evidence(subject: Subject, wanted: Wanted, place: Place, told: str) -> dict[str, str]:
    tried = len(wanted.back)
    back = f"{tried} step{'s' * (tried != 1)} of the tool's own, tried afterwards" if tried else "none here"
    return {
        "folder": subject.brought,
        "tool": f"{subject.source.label}. {subject.because}",
        **({"copy of": told} if wanted.units else {}),
        **({"where": place.why} if place.why else {}),
        **({} if wanted.taken_back else {"way back": back}),
    }


def _summary(name: str, subject: Subject, wanted: Wanted) -> str:
    if wanted.all_units:
        return f"It is known whether the folder builds the schema of {name}, as {subject.source.label} would build it."
    number, last = len(wanted.chosen), wanted.chosen[-1].name
    if wanted.taken_back:
        what = f"taking back migration {last}" if number == 1 else f"taking back {number} migrations, down to {last},"
        return f"It is known what {what} would do to {name}, tried on a copy."
    what = f"migration {last}" if number == 1 else f"{number} migrations, up to {last},"
    return f"It is known what {what} would do to {name}, tried on a copy."


def _steps(wanted: Wanted, told: str, place: Place, engine: str, seed: str) -> tuple[Step, ...]:
    where = "On the copy, once as SQLite and once as D1." if engine == "sqlite" else "On the copy."
    proves = "rollback" if wanted.taken_back else "migration"
    built = [Step(title=f"Build a copy of {told}", detail=place.why)] if wanted.units else []
    found = [
        *(_step(unit, "On an empty database.") for unit in wanted.all_units),
        *([Step(title="Put in the seed rows", sql=seed)] if seed else []),
        *built,
        *(_step(unit, where) for unit in wanted.units),
        *(_step(unit, "On the copy, as the way back.") for unit in wanted.back),
        Step(title="Compare before and after", detail="Rows, values, schema, locks, references, size."),
        Step(title="Remove the copy", detail="Whatever was found."),
        Step(title="Record what was found", detail=f"As evidence for a {proves}."),
    ]
    return tuple(found)


def _step(unit: Unit, where: str) -> Step:
    return Step(title=unit.title, detail=where, artifact=digest_of_units([unit]))


def steps(plan: Plan) -> tuple[Step, ...]:
    """The plan's steps, with the exact SQL of its units."""
    units = (unit_from(each) for name in ("units", "back", "all_units") for each in plan.parameters[name])
    texts = {digest_of_units([unit]): showing.text(unit) for unit in units}
    return tuple(replace(step, sql=texts.get(step.artifact, step.sql)) for step in plan.steps)


def _preconditions(origin: Origin, place: Place, engine: Engine, schema: str) -> tuple[Precondition, ...]:
    found = [Precondition(probe="schema", subject=copies.SHARED, value=schema)]
    if origin.backup is not None:
        digest = archives.manifest_of(origin.backup, store=origin.store).digest
        found.append(Precondition(probe="manifest", subject=f"{origin.backup.pk}/{origin.store}", value=digest))
    if place.where == places.SAME_SERVER or origin.backup is None:
        found.append(Precondition(probe="identity", subject=copies.SHARED, value=engine.identity().key))
    return tuple(found)
