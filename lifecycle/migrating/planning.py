"""Planning migrations: which ones, what exactly would be done, what that means, and the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lifecycle.migrating import asking, effects, ledgers, rehearsals, showing, ways_back
from lifecycle.migrating.effects import Announced
from lifecycle.migrating.findings import Reviewed, refuse_impossible, reviewed
from lifecycle.migrating.ledgers import Given
from lifecycle.migrating.rehearsals import Rehearsed, digest_of_units
from lifecycle.models import Backup
from lifecycle.sources.acts import Unit
from lifecycle.sources.base import Entry, Folder, Ledger, Migration, Place, Source
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Refused
from opsconsole.kinds import Request
from opsconsole.models import Database
from opsconsole.plans import Plan, Precondition, Step
from opsconsole.review import Live, Severity, read_live
from opsconsole.targets import plan_target

MOST_BYTES = 8 << 20  # of SQL in one plan
FORWARD = ("migrate", "handover")  # kinds that apply what is pending, here or elsewhere


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose migrations, from which folder, for which database. `because` says how the tool was recognised."""

    database: Database
    source: Source
    folder: Folder
    because: str
    brought: str  # what was brought, and its digest, in words
    chosen: Mapping[str, str]  # the request's parameters as they were found out: brought, path, tool


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Files beside ledger, at one moment."""

    place: Place
    ledger: Ledger
    migrations: Sequence[Migration]
    entries: Sequence[Entry]


def look(engine: Engine, subject: Subject) -> Seen:
    """Read the ledger and lay the files beside it. Raises Refused for a folder that the tool would not take."""
    place = ledgers.place_of(engine)
    migrations = subject.source.migrations(subject.folder, place)
    ledger = ledgers.read(engine, subject.source, subject.folder.options)
    return Seen(place=place, ledger=ledger, migrations=migrations, entries=subject.source.compare(migrations, ledger))


def refuse(subject: Subject, seen: Seen) -> None:
    """Raise Refused when the tool itself would run nothing now, in its words, with where to look."""
    for code, why, next_step in subject.source.refusals(seen.entries, seen.ledger)[:1]:
        raise Refused(code, why, f"{next_step} Or ask the doctor: `manage.py operate doctor {subject.database.name}`.")


def compose(
    kind: str, request: Request, subject: Subject, seen: Seen, units: Sequence[Unit], chosen: Sequence[Migration]
) -> Plan:
    """The plan of units, of whichever direction. `chosen` are their migrations, in the order in which they run."""
    engine = engine_for(subject.database)
    refuse_too_large(units)
    asking.refuse_without_backup(request.database, request.parameters.get("backup", ""))
    live = read_live(engine, exact=True)
    rehearsed = rehearsals.newest(subject.database, units)
    found = reviewed(engine, units, chosen, live, rehearsed.wrote if rehearsed else None)
    refuse_impossible(engine, units, found)
    announced = effects.announce([each.review for each in found], live, rehearsed)
    identity = engine.identity()
    given = Given(tool=subject.source.name, options=subject.folder.options, place=seen.place, units=units)
    remarks = _remarks(subject, seen, chosen) if kind in FORWARD else []
    risk, reasons = _risk(found, announced, rehearsed, remarks)
    takes = any(each.lost for each in announced.effects) or any(map(ways_back.destroys_something, found))
    return Plan(
        kind=kind,
        summary=_summary(kind, subject, chosen),
        targets=(plan_target(subject.database, identity),),
        parameters={
            **request.parameters,
            **subject.chosen,
            "options": dict(subject.folder.options),
            "migrations": [
                {"key": each.key, "name": each.name, "sha256": each.sha256, "down": bool(each.down)} for each in chosen
            ],
            "stays": _before(seen, chosen),
            "units": [unit.to_json() for unit in units],
            "units_digest": digest_of_units(units),
            "rehearsal": rehearsed.operation if rehearsed else 0,
            "findings": [finding for each in found for finding in each.to_json()],
            "announced": dict(announced.losses),
        },
        steps=_steps(request, units, chosen, found),
        effects=announced.effects,
        preconditions=(
            Precondition(probe="identity", subject="target", value=identity.key),
            Precondition(probe="incarnation", subject="target", value=identity.incarnation),
            Precondition(probe="schema", subject="target", value=engine.schema_fingerprint()),
            Precondition(probe="ledger", subject=given.subject, value=seen.ledger.digest),
        ),
        risk=risk,
        risk_reasons=reasons,
        evidence=_evidence(subject, seen, announced, rehearsed, live),
        way_back=ways_back.words(kind, subject, chosen, takes=takes, backup=last_backup(subject.database)),
        confirmation=effects.confirmation(announced),
    )


def _before(seen: Seen, chosen: Sequence[Migration]) -> str:
    """The name of the migration that was applied last before the chosen ones; to go back to."""
    done = [entry.name for entry in seen.entries if entry.row and entry.migration not in chosen]
    return done[-1] if done else ""


def refuse_too_large(units: Sequence[Unit]) -> None:
    """Raise Refused for more SQL than a plan holds."""
    size = sum(len(act.sql.encode()) for unit in units for act in unit.scripts)
    if size > MOST_BYTES:
        raise Refused(
            "too_large",
            f"These migrations are {size >> 20} MiB of SQL, and a plan that people read holds {MOST_BYTES >> 20} MiB.",
            "Apply fewer at a time (to=), or bring the rows as data: an import or a restore.",
        )


def _summary(kind: str, subject: Subject, chosen: Sequence[Migration]) -> str:
    last, number, label = chosen[-1].name, len(chosen), subject.source.label
    if kind == "rollback":
        what = f"migration {last} is" if number == 1 else f"the last {number} migrations, down to {last}, are"
        return (
            f"{subject.database.name}: {what} taken back by {'its' if number == 1 else 'their'} own way back ({label})."
        )
    what = f"migration {last} applied" if number == 1 else f"{number} migrations applied, up to {last}"
    return f"{subject.database.name} has {what}, in the way of {label}."


def _remarks(subject: Subject, seen: Seen, chosen: Sequence[Migration]) -> list[str]:
    """Where the real tool would stumble, each with its file's name."""
    names = {each.key: each.name for each in chosen}
    return [f"{names[key]}: {sentence}" for key, sentence in subject.source.remarks(chosen, seen.place)]


def _risk(
    found: Sequence[Reviewed], announced: Announced, rehearsed: Rehearsed | None, remarks: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """How grave it is, with the gravest reasons first."""
    all_findings = [(each, finding) for each in found for finding in each.review.findings]
    all_findings.sort(key=lambda pair: -pair[1].severity)
    worst = all_findings[0][1].severity if all_findings else Severity.INFO
    grave = [
        f"{each.name}, line {finding.line} ({finding.severity.word}): {finding.reason}"
        for each, finding in all_findings
        if finding.severity >= Severity.LOCKING
    ]
    lost = any(each.lost for each in announced.effects)
    risk = "high" if worst >= Severity.UNKNOWN or lost else "medium" if worst >= Severity.LOCKING else "low"
    reasons = grave[:MOST_REASONS]
    if len(grave) > MOST_REASONS:
        reasons.append(f"And {len(grave) - MOST_REASONS} more findings of that kind: they stand beside the SQL.")
    if rehearsed is not None and not rehearsed.held:
        risk = "high"
        reasons.insert(0, f"The rehearsal of exactly this: {rehearsed.verdict}")
    reasons += remarks[:MOST_REASONS]
    return risk, tuple(reasons) or (_TAKES if lost else _CALM,)


MOST_REASONS = 12
_CALM = "Nothing in it is known to lose rows or to keep others from working."
_TAKES = "It takes rows away."


def _steps(
    request: Request, units: Sequence[Unit], chosen: Sequence[Migration], found: Sequence[Reviewed]
) -> tuple[Step, ...]:
    first = Step(
        title="Take a safety backup of what is there now", detail="Read through in full before anything else happens."
    )
    final = ways_back.point_of_no_return(units, chosen, found)
    names = {each.key: each.name for each in chosen}
    return (
        *([first] if request.parameters.get("backup", "no") != "no" else []),
        *(
            Step(
                title=unit.title,
                detail=showing.detail(unit, names, found),
                artifact=digest_of_units([unit]),
                commit_point=number == final,
            )
            for number, unit in enumerate(units)
        ),
    )


def _evidence(
    subject: Subject, seen: Seen, announced: Announced, rehearsed: Rehearsed | None, live: Live
) -> dict[str, Any]:
    backup = last_backup(subject.database)
    ledger, applied = seen.ledger, len(seen.ledger.rows)
    known = f"{ledger.table} has {applied} row{'s' * (applied != 1)}"
    return {
        "folder": subject.brought,
        "tool": f"{subject.source.label}. {subject.because}",
        "ledger": known if ledger.exists else f"{ledger.table} is not there yet, and is made first",
        "rehearsal": _rehearsal(rehearsed),
        "counted": f"live, in {len(live.rows)} tables, of which {announced.unmentioned} are not named in the SQL",
        "a restore takes": ways_back.restoring(backup),
    }


def _rehearsal(rehearsed: Rehearsed | None) -> Mapping[str, Any] | str:
    if rehearsed is None:
        return "none: exactly this was not tried on a copy"
    told = f"operation {rehearsed.operation}, {rehearsed.at:%Y-%m-%d %H:%M} UTC: {rehearsed.verdict}"
    return {"tried on a copy": told, **rehearsed.facts}


def last_backup(database: Database) -> Backup | None:
    return Backup.objects.good().filter(database=database).order_by("-started_at").first()
