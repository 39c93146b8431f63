"""Restoring data into tables that are there: the half of the kind `restore` that takes rows instead of a database.

Planned from a survey of document and database; run as safety backup, survey again, one transaction that is proven
before it commits. Killed before that commit, the old rows stand; after it, the new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lifecycle import loading, loss, patches
from lifecycle.backups import taking
from lifecycle.documents.upgrades import UpgradedDocument, upgraded
from lifecycle.formats import formats_for
from lifecycle.loading import Options, Survey
from lifecycle.loss.values import grouped
from lifecycle.models import Backup
from lifecycle.restores import document_effects, document_rejects, document_sources, kept, replacing
from lifecycle.restores.document_questions import CLEAR, accepted, refuse_unanswered, told
from lifecycle.restores.document_requests import refuse_whole
from lifecycle.restores.document_sources import Source
from lifecycle.versions import declared
from lifecycle.versions.declared import Declared
from opsconsole import databases
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Moved, OperationFailed, Refused, Usage
from opsconsole.kinds import Recovery, Request, Result, Run, Witness
from opsconsole.models import Database
from opsconsole.plans import Growth, Plan, Precondition, Step, Target
from opsconsole.targets import plan_target

WAY_BACK = (
    "A safety backup of the whole database is taken first. Undo restores it; what was written after this restore is "
    "lost then, and there is no quicker way back."
)
PROBES = frozenset({"document", "declared"})


def is_of_document(plan: Plan) -> bool:
    """Whether a sealed plan loads rows; other restores put a whole backup in place."""
    return bool(plan.parameters.get("mode"))


def plan(request: Request, source: Source) -> Plan:
    """What loading the document would do. Raises Refused with everything that somebody must say yes to first."""
    destination, mode = request.database, request.parameters["mode"]
    if not mode:
        raise Usage(
            "mode_needed",
            f"{source.name.capitalize()} holds rows, which go into the tables that are there.",
            "Choose mode=replace (empty the tables that it holds first) or mode=merge (insert, or update by key)."
            + (" Or give a method (swap, in_place): then it is put back whole." * isinstance(source.item, Backup)),
        )
    refuse_whole(request.parameters)
    engine, stated = engine_for(destination), declared.of(destination)
    identity = engine.identity()
    document = upgraded(source.open(), stated.read_rules(), version=stated.version)
    options = _options(request.parameters, destination)
    survey = loading.survey(engine, document, options)
    for refusal in survey.refusals:
        raise Refused(*refusal)
    before = _declare_first(source, stated, destination)
    refuse_unanswered(survey, document.summary.problems, request.parameters["accept"], before=before)
    taking.planned_room(engine, formats_for(engine.name)[0], taking.first_store(destination))
    preview = loading.preview(engine, document, survey)
    return Plan(
        kind="restore",
        summary=_summary(destination, source, mode),
        targets=_targets(plan_target(destination, identity), source.database, destination),
        parameters={
            "backup": "", "upload": "", **source.parameters, "source": source.database.name, "mode": mode,
            "accept": request.parameters["accept"], "rejects": options.on_reject,
        },
        steps=_steps(source, survey, document, options),
        effects=document_effects.told(survey, preview),
        preconditions=(
            Precondition(probe="identity", subject="target", value=identity.key),
            Precondition(probe="incarnation", subject="target", value=identity.incarnation),
            Precondition(probe="schema", subject="target", value=engine.schema_fingerprint()),
            Precondition(probe="document", subject=source.name, value=source.digest),
            Precondition(probe="declared", subject=str(destination.pk), value=str(stated)),
        ),
        risk="high",
        risk_reasons=_risks(survey, document, destination),
        evidence=_evidence(source, document, stated, engine),
        way_back=WAY_BACK,
        confirmation=preview.confirmation(),
    )  # fmt: skip


def run(run: Run) -> Result:
    """Carry out a sealed plan that `plan` made."""
    engine, database = run.engine(), run.database()
    run.recheck()
    run.log("Taking a safety backup of what is there now.")
    spot = replacing.safety_spot(database, run.operation_id, run.fence)
    safety = taking.take(run, spot, formats_for(engine.name)[0])
    run.arm()
    document = _document(run.plan, run.workdir)
    options = _agreed(run.plan, database)
    run.look_again()
    survey = loading.survey(engine, document, options)
    run.log(f"Loading {grouped(sum(table.rows for table in survey.tables))} rows into {len(survey.tables)} tables.")
    place = patches.Place(database, run.operation_id, run.fence)
    facts = loading.load(engine, run.lock(), document, survey, options, run, rejects=document_rejects.place_for(place))
    return _conclude(run.plan, (run.operation_id, run.fence), engine, facts, safety)


def witness(recovery: Recovery) -> tuple[Witness, Result | None]:
    """On which side of its commit a lost run ended; read in the target."""
    engine = recovery.engines["target"]
    landed = loading.landed(engine, recovery.witness) if recovery.witness else False
    verdict = {True: Witness.DONE, False: Witness.NOT_DONE, None: Witness.UNKNOWN}[landed]
    if verdict is not Witness.DONE:
        return verdict, None
    safety, who = replacing.safety_of(recovery), (recovery.operation_id, recovery.fence)
    return verdict, _conclude(recovery.plan, who, engine, recovery.witness["loaded"], safety)


def moved(plan: Plan, engines: Mapping[str, Engine], growth: Growth) -> list[Moved]:
    """Whether more would be lost by now than was approved, or a table that the plan does not empty."""
    engine = engines["target"]
    document = _document(plan)
    survey = loading.survey(engine, document, _agreed(plan, Database.objects.get(pk=plan.target().database_id)))
    found = [
        Moved(question.subject, "kept as it is", "not agreed to", said=f"nobody has agreed to this: {question.text}")
        for question in survey.open_questions
    ]
    found += [
        Moved(effect.object, "replaced", "kept as it is", said=f"{effect.object} is a record of migrations, and stays")
        for effect in plan.effects
        if effect.object in survey.kept_ledgers and effect.action != document_effects.KEPT
    ]
    return found or loss.moved(plan, loading.preview(engine, document, survey, loss.unhurried()), growth)


def probe(name: str, subject: str) -> str:
    """The value now of a precondition of such a plan. Raises Refused when the document cannot be used any more."""
    if name == "declared":
        return str(declared.of(Database.objects.get(pk=int(subject))))
    noun, _, number = subject.partition(" ")
    found = document_sources.planned({noun: number})
    return found.digest if found else "no document"


def _document(plan: Plan, workdir: Path | None = None) -> UpgradedDocument:
    """The rows of a sealed plan, as its destination needs them."""
    source = document_sources.planned(plan.parameters)
    if source is None:
        raise OperationFailed("document_damaged", "What was to be restored is no document any more.", "Ask again.")
    stated = declared.of(Database.objects.get(pk=plan.target().database_id))
    return upgraded(source.open(workdir), stated.read_rules(), version=stated.version)


def _options(parameters: Mapping[str, Any], database: Database) -> Options:
    return Options(
        mode=str(parameters["mode"]),
        accept=accepted(str(parameters["accept"])),
        on_reject=loading.FILE if parameters["rejects"] == loading.FILE else loading.STOP,
        masked=tuple(database.masked_columns),
    )


def _agreed(plan: Plan, database: Database) -> Options:
    """The options of a sealed plan. That tables are emptied beside the document's is agreed for those it names."""
    options = _options(plan.parameters, database)
    named = {f"{CLEAR}:{effect.object}" for effect in plan.effects if effect.action != document_effects.KEPT}
    return replace(options, accept=options.accept - {CLEAR} | (named if CLEAR in options.accept else set()))


def _summary(destination: Database, source: Source, mode: str) -> str:
    if mode == loading.MERGE:
        return (
            f"{destination.name} holds the rows of {source.name} beside its own; where both have a key, those of "
            f"{source.name} count."
        )
    return f"The tables of {destination.name} that {source.name} holds have exactly its rows."


def _targets(target: Target, source: Database, destination: Database) -> tuple[Target, ...]:
    return (target,) if source.pk == destination.pk else (target, plan_target(source, None, role="shared"))


def _steps(source: Source, survey: Survey, document: UpgradedDocument, options: Options) -> tuple[Step, ...]:
    order = ", ".join(table.table for table in survey.tables)
    upgrades = (Step(title="Bring the rows to the declared version", detail="; ".join(document.applied)),)
    misfits = (
        f"Up to {grouped(options.reject_limit)} rows that do not fit go to a file, each with the reason."
        if options.on_reject == loading.FILE
        else "A row that does not fit stops everything."
    )
    how = "emptied and filled" if survey.mode == loading.REPLACE else "added to, or updated by key,"
    return (
        Step(title="Take a safety backup of what is there now", detail="Read through in full before anything else."),
        *(upgrades if document.applied else ()),
        Step(
            title=f"Load {source.name} in one transaction",
            artifact=source.digest,
            detail=f"Tables are {how} in this order: {order}. Applications wait for them meanwhile. {misfits} Counts "
            "are compared, and sequences advanced, before it commits.",
            commit_point=True,
        ),
    )


def _risks(survey: Survey, document: UpgradedDocument, destination: Database) -> tuple[str, ...]:
    first = (
        f"Rows of {destination.name} in tables that the document holds are replaced."
        if survey.mode == loading.REPLACE
        else f"Rows of {destination.name} with a key of the document take the document's values."
    )
    left = [f"{name} ({ledger.words})" for name, ledger in survey.kept_ledgers.items() if ledger.rows is not None]
    ledgers = (
        f"Kept as they are, though the document has rows of them: {', '.join(left)}; accept=ledgers replaces them."
    )
    return (first, *([ledgers] if left else []), *told(survey, document.summary.problems))


def _declare_first(source: Source, stated: Declared, destination: Database) -> str:
    """Where only the document tells a version, nothing of an older one is filled in by rules."""
    version = source.open().summary.version
    if stated.version is not None or version is None:
        return ""
    return (
        f"The document is of version {version}, and nobody has declared which version {destination.name} has: declare "
        "it on its tab Version, and rules fill in what an older document lacks. "
    )


def _evidence(source: Source, document: UpgradedDocument, stated: Declared, engine: Engine) -> dict[str, Any]:
    summary = source.open().summary
    version = "none is told" if summary.version is None else f"{summary.version} {summary.version_name}".strip()
    other = {problem.code: problem.text for problem in document.summary.problems if problem.level == "warning"}
    hint = declared.hint(engine)
    return {
        source.item.noun: source.told,
        "format": summary.label,
        "document's version": version,
        "database's version": f"{stated} is declared" + (f"; it says of itself {hint}, a hint only" if hint else ""),
        **({"upgrades": "; ".join(document.applied)} if document.applied else {}),
        **({"problems": other} if other else {}),
        "counted": "rows before are counted live; rows after are those of the document",
    }


def _conclude(
    plan: Plan, who: tuple[int, int], engine: Engine, facts: Mapping[str, Any], safety: Backup | None
) -> Result:
    """List the way back and the rows that did not fit, and tell what went in. `who` is (operation, fence)."""
    database = Database.objects.get(pk=plan.target().database_id)
    kept.keep(database, who[0], facts={}, safety=safety, live=engine.identity().incarnation)
    databases.probe(database)
    misfits = document_rejects.keep(patches.Place(database, *who), engine, facts)
    name = "upload" if plan.parameters["upload"] else "backup"
    one = misfits is not None and misfits.rows == 1
    words = "row did not fit and is" if one else "rows did not fit and are"
    left = f" {grouped(misfits.rows)} {words} in a file of their own." if misfits else ""
    return Result(
        summary=f"{database.name} has {grouped(facts['rows'])} row{'s' * (facts['rows'] != 1)} of {name} "
        f"{plan.parameters[name]} in {len(facts['tables'])} tables, counted before it was final.{left}",
        data={
            name: int(plan.parameters[name]),
            "rows": facts["rows"],
            "tables": dict(facts["tables"]),
            "safety_backup": safety.pk if safety else None,
            **(
                {"rejects": {"manifest": misfits.manifest_sha256, "rows": misfits.rows, "tables": misfits.tables}}
                if misfits
                else {}
            ),
        },
    )
