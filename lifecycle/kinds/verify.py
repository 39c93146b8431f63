"""Verify: prove that a backup is whole (V0), readable (V1), or that it restores (V2, a drill)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from lifecycle.backups import archives, choices
from lifecycle.backups.manifest import Manifest
from lifecycle.encryption import recipients, unlocking
from lifecycle.formats import format_of, formats_for
from lifecycle.formats.base import SCRATCH
from lifecycle.models import Backup
from lifecycle.proving import drills, grounds, smoke, verdicts, verification
from lifecycle.proving.drills import OWN, SAME_SERVER, place_of
from lifecycle.proving.verification import Outcome
from lifecycle.stores import copies
from opsconsole import installation, stores
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.exceptions import OperationFailed, Refused, TargetProblem
from opsconsole.kinds import Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Database
from opsconsole.plans import Effect, Plan, Precondition, Step
from opsconsole.targets import plan_target

SHARED = "shared"  # the lock is on nothing in the database, so that a verification keeps nobody out


@unlocking.unlocks
class VerifyKind(Kind):
    name = "verify"
    label = "Verify"
    noun = "verification"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (
        choices.BACKUP,
        choices.STORE,
        Parameter(
            name="level",
            label="Level",
            default="V2",
            choices=(
                ("V2", "V2, a drill: restore and compare"),
                ("V1", "V1: read everything back"),
                ("V0", "V0: compare stored bytes"),
            ),
            help="V0 (stored bytes), V1 (read through) or V2 (a real restore that is compared and dropped)",
        ),
        Parameter(
            name="where",
            label="Where a drill restores",
            choices=(
                ("", "its own server, if possible"),
                (SAME_SERVER, "its own server"),
                (OWN, "a server of the console's own"),
            ),
            help="same_server needs a role that may create databases; embedded is started for this run",
        ),
    )
    mutates = False
    repeatable = True
    gated = False

    def plan(self, request: Request) -> Plan:
        database, level = request.database, request.parameters["level"]
        backup = choices.choose(database, request.parameters["backup"])
        store = request.parameters["store"]
        manifest, broken = _manifest(backup, store)
        if manifest is not None and level != "V0":
            recipients.refuse_locked(f"Backup {backup.id}", manifest.public_keys)
        where, why, identity = (
            _where(database, manifest, request.parameters["where"]) if level == "V2" else ("", "", "")
        )
        statements = [{"name": row.name, "statement": row.statement} for row in smoke.in_force(database)]
        asked = statements if level == "V2" else []
        conditions = [Precondition(probe="manifest", subject=f"{backup.id}/{store}", value=_state_of(backup, store))]
        if identity:
            conditions.append(Precondition(probe="identity", subject=SHARED, value=identity))
        return Plan(
            kind=self.name,
            summary=f"It is known whether backup {backup.id} of {database.name} {_CLAIMS[level]}.",
            targets=(plan_target(database, None, role=SHARED),),
            parameters={
                "backup": str(backup.id), "level": level, "where": where, "statements": asked, "store": store,
            },
            steps=_steps(backup, level, where, asked),
            effects=_effects(manifest),
            preconditions=tuple(conditions),
            risk="low",
            risk_reasons=(
                "The database itself is not touched.",
                "If it fails, the backup is marked as damaged and no longer offered for a restore.",
                *([f"Its manifest cannot be read: {broken.why}"] if broken else []),
            ),
            evidence={
                "backup": f"{backup.id}, taken {backup.started_at:%Y-%m-%d %H:%M:%S} UTC, {backup.rows} rows",
                **({"where": why} if why else {}),
                **unlocking.evidence(manifest.public_keys if manifest else ()),
                "last drill": drills.words_for(backup) or "none of this database yet",
            },
            way_back="Nothing is changed, so there is nothing to take back.",
        )  # fmt: skip

    def run(self, run: Run) -> Result:
        run.arm()
        given = run.plan.parameters
        backup, level = Backup.objects.select_related("database").get(pk=int(given["backup"])), str(given["level"])
        store, found = str(given.get("store", "")), None
        began = time.monotonic()
        try:
            found = archives.find(backup, store=store, part=f"{run.operation_id}.{run.fence}")
            if found.said:
                run.log(found.said)
            outcome = verification.verify(
                run, backup, level, found, where=str(given["where"]), statements=given["statements"]
            )
        except OperationFailed as error:
            if verification.is_damage(error):
                _blame(run, backup, level, found.store if found else store, error, round(time.monotonic() - began))
            raise
        run.check_cancel()
        run.before_commit(witness={"backup": backup.id})
        facts = {"seconds": round(time.monotonic() - began), "store": found.store, **outcome.facts()}
        backup = verdicts.record(run, backup.id, level, ok=True, detail=outcome.detail, **facts)
        run.after_commit()
        run.failpoint("verify.recorded")
        return _result(backup, verdicts.recorded(backup, run.operation_id) or {})

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        backup = Backup.objects.select_related("database").get(pk=int(recovery.plan.parameters["backup"]))
        check = verdicts.recorded(backup, recovery.operation_id)
        return (Witness.DONE, _result(backup, check)) if check else (Witness.NOT_DONE, None)

    def clean_up(self, recovery: Recovery) -> None:
        grounds.remove(recovery.operation_id, recovery.fence)
        if recovery.plan.parameters["where"] == SAME_SERVER:
            engine = recovery.engines[SHARED]
            for chosen in formats_for(engine.name):
                chosen.clean_up(engine, recovery.operation_id, recovery.fence)

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        if parameter == "store":
            return choices.stores_to_read(database)
        return choices.suggestions(database, bad=True) if parameter == "backup" else ()

    def probe(self, name: str, subject: str, engines: Mapping[str, Engine]) -> str:
        if name == "manifest":
            number, _, store = subject.partition("/")
            return _state_of(Backup.objects.get(pk=int(number)), store)
        return super().probe(name, subject, engines)


_CLAIMS = {"V0": "is stored as it was published", "V1": "can be read in full", "V2": "restores"}


_THERE = {
    "postgresql": "on the same server, in a database that nobody else may enter",
    "sqlite": "beside the live file, in one of this run alone",
}


def _manifest(backup: Backup, store: str) -> tuple[Manifest | None, OperationFailed | None]:
    """The manifest, or why it cannot be read: to find that out is what a verification is for."""
    try:
        return archives.manifest_of(backup, store=store), None
    except OperationFailed as error:
        return None, error


def _blame(run: Run, backup: Backup, level: str, store: str, error: OperationFailed, seconds: int) -> None:
    """Hold damage against the one copy that was read, where others are good, else against the backup."""
    installation.require_own()  # a store that was taken away meanwhile says nothing of the backup
    if store and copies.found_damaged(backup, store, error, run.operation_id, level):
        raise OperationFailed(error.code, error.why, copies.elsewhere(backup, store)) from error
    stores.require_there(store or stores.LOCAL)
    verdicts.record(run, backup.id, level, ok=False, detail=error.why, seconds=seconds, store=store)


def _state_of(backup: Backup, store: str) -> str:
    manifest, broken = _manifest(backup, store)
    return manifest.digest if manifest else f"unreadable ({broken.code if broken else ''})"


def _where(database: Database, manifest: Manifest | None, wanted: str) -> tuple[str, str, str]:
    """Where a drill takes place, why there, and the identity of the database when it is its own server.

    Raises Refused or TargetProblem when it can be neither there nor elsewhere.
    """
    if manifest is None:
        return wanted or OWN, "", ""
    reason = ""
    if wanted != OWN:
        reason, identity = _ask(database, manifest, insist=bool(wanted))
        if not reason:
            return SAME_SERVER, _THERE[manifest.engine], identity
    if refused := grounds.refusals(manifest.engine, manifest.contents):
        code, why, step = refused[0]
        raise Refused(code, f"{why} And the same server cannot be used: {reason}" if reason else why, step)
    return OWN, f"on a server of the console's own{f': {reason}' if reason else ''}", ""


def _ask(database: Database, manifest: Manifest, *, insist: bool) -> tuple[str, str]:
    """Why the database's own server cannot be used (empty: it can), and its identity."""
    chosen = format_of(manifest.engine, manifest.contents.format)
    try:
        engine = engine_for(database)
        refused = chosen.refusals(engine, manifest.contents, method=SCRATCH, overwrite=True)
        if refused and insist:
            raise Refused(*refused[0])
        return (refused[0][1], "") if refused else ("", engine.identity().key)
    except TargetProblem as problem:
        if insist:
            raise
        return problem.why, ""


def _effects(manifest: Manifest | None) -> tuple[Effect, ...]:
    tables = manifest.contents.tables if manifest else ()
    return tuple(
        Effect(object=table.name, action="read", rows_before=table.rows, rows_after=table.rows, note="in the backup")
        for table in tables
    )


def _steps(backup: Backup, level: str, where: str, statements: list[dict[str, str]]) -> tuple[Step, ...]:
    last = Step(title="Record what was found", detail="In the backup and in the audit history.", commit_point=True)
    artifact = backup.manifest_sha256
    if level == "V0":
        return (Step(title="Compare every stored byte with the manifest's hashes", artifact=artifact), last)
    if level == "V1":
        return (Step(title="Read everything back, unpack and parse it", artifact=artifact), last)
    return (
        Step(title=f"Restore it into a scratch database {place_of(backup.engine, where)}", artifact=artifact,
             detail="By the code that every restore uses; the time is measured."),
        Step(title="Compare the copy with the backup",
             detail="Counts, the content of every row, sequences, definitions, foreign keys."),
        *(Step(title=f"Ask: {given['name']}", sql=given["statement"]) for given in statements),
        Step(title="Drop the scratch database", detail="Whatever was found."),
        last,
    )  # fmt: skip


def _result(backup: Backup, check: Mapping[str, Any]) -> Result:
    bad = backup.state == Backup.State.BAD
    outcome = Outcome(**{key: check[key] for key in ("detail", "where", "restore_seconds") if key in check})
    took = f" Restoring took {drills.about(outcome.restore_seconds)}." if outcome.restore_seconds else ""
    still = " It stays marked as damaged, because an earlier check failed." if bad else ""
    return Result(
        summary=f"Backup {backup.id} of {backup.database.name} holds. {outcome.detail}{took}{still}",
        data={"backup": backup.id, "level": check.get("level"), "seconds": check.get("seconds"), **outcome.facts()},
    )
