"""Restore: put the content of a backup in the place of what a database holds now, in one atomic act.

A document (an upload, or a portable backup) holds rows and no schema; what is done with one is in `document_restores`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from lifecycle import loss, patches
from lifecycle.backups import archives, choices, taking
from lifecycle.backups.manifest import Manifest
from lifecycle.encryption import recipients, unlocking
from lifecycle.formats import format_of, formats_for
from lifecycle.models import Backup
from lifecycle.patches import listing
from lifecycle.proving import drills
from lifecycle.restores import (
    describing,
    document_requests,
    document_restores,
    document_sources,
    kept,
    offers,
    replacing,
)
from lifecycle.restores.document_requests import DOCUMENT_PARAMETERS
from lifecycle.restores.document_restores import is_of_document
from opsconsole import databases
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Moved, Refused, Usage
from opsconsole.kinds import Afterwards, Errand, Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Account, Database, Operation, Token
from opsconsole.plans import Growth, Plan, Precondition


@unlocking.unlocks
class RestoreKind(Kind):
    name = "restore"
    label = "Restore"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (
        choices.BACKUP,
        choices.STORE,
        Parameter(
            name="source", label="Backups of", help="another database whose backups to choose from; empty for its own"
        ),
        Parameter(
            name="method",
            label="Method",
            choices=(
                ("", "the best that the role allows"),
                ("swap", "beside, prove, swap"),
                ("in_place", "in place, in one transaction"),
            ),
            help="swap (beside, prove, swap) or in_place (one transaction, for roles that may not create databases)",
        ),
        Parameter(
            name="overwrite",
            label="Replace foreign content",
            choices=(("", "no"), ("yes", "yes")),
            help="yes to replace a database that is not empty and is not the one the backup was taken from",
        ),
        Parameter(
            name="patch",
            label="Keep the lost rows in a patch",
            choices=(("", "no"), ("yes", "yes")),
            help="yes to keep rows that are only there now in a file, which a reapply can put back",
        ),
        *DOCUMENT_PARAMETERS,
    )
    mutates = True
    repeatable = False
    gated = True

    def plan(self, request: Request) -> Plan:
        destination = request.database
        source = _source(request)
        if document := document_sources.asked(request, source):
            document.refuse_locked()
            return document_restores.plan(request, document)
        document_requests.refuse_settings(request.parameters)
        backup = choices.choose(source, request.parameters["backup"])
        taking.sound(backup)
        manifest = archives.manifest_of(backup, store=request.parameters["store"])
        recipients.refuse_locked(f"Backup {backup.id}", manifest.public_keys)
        engine = engine_for(destination)
        if engine.name != manifest.engine:
            raise Refused(
                "wrong_engine",
                f"Backup {backup.id} is of {manifest.engine} and {destination.name} is {engine.name}.",
                "Choose a destination of the same engine.",
            )
        chosen = format_of(engine.name, manifest.contents.format)
        method = request.parameters["method"] or chosen.methods(engine)[0]
        refused = chosen.refusals(
            engine, manifest.contents, method=method, overwrite=request.parameters["overwrite"] == "yes"
        )
        if refused:
            raise Refused(*refused[0])
        taking.planned_room(engine, formats_for(engine.name)[0], taking.first_store(destination))
        return self._compose(request, backup, manifest, engine, method)

    def _compose(self, request: Request, backup: Backup, manifest: Manifest, engine: Engine, method: str) -> Plan:
        destination, identity = request.database, engine.identity()
        archive = archives.archive_of(backup, store=request.parameters["store"])
        preview = loss.of_backup(engine, archive, manifest, f"backup {backup.id}")
        if request.parameters["patch"]:
            patches.refuse(preview)
        effects = preview.effects()
        lost = [e.object for e in effects if e.action == "removed"]
        taken = backup.taken_words
        swaps = method == "swap" and engine.name == "postgresql"
        return Plan(
            kind=self.name,
            summary=(
                f"{destination.name} holds exactly what backup {backup.id} of {backup.database.name} held at {taken}; "
                "everything written since is gone from it."
            ),
            targets=describing.targets(destination, identity, backup.database),
            parameters={
                **request.parameters,
                "backup": str(backup.id),
                "source": backup.database.name,
                "method": method,
            },
            steps=describing.steps(backup, manifest, method, patch=bool(request.parameters["patch"])),
            effects=effects,
            preconditions=(
                Precondition(probe="identity", subject="target", value=identity.key),
                Precondition(probe="incarnation", subject="target", value=identity.incarnation),
                Precondition(probe="schema", subject="target", value=engine.schema_fingerprint()),
                Precondition(probe="backup", subject=str(backup.id), value=manifest.digest),
            ),
            risk="high",
            risk_reasons=describing.risks(destination, taken, lost, swaps=swaps),
            evidence={
                "backup": f"{backup.id}, taken {taken}, {backup.rows} rows, {describing.proven(backup)}",
                **unlocking.evidence(manifest.public_keys),
                "counted": "rows before are counted live; rows after are those of the manifest",
                **({"space": offers.room_for(destination, engine, manifest.contents)} if swaps else {}),
                "a restore takes": drills.words_for(backup) or "not measured yet: no drill has restored a backup of it",
            },
            way_back=describing.way_back(),
            confirmation=preview.confirmation(),
        )

    def run(self, run: Run) -> Result:
        if is_of_document(run.plan):
            return document_restores.run(run)
        done = replacing.replace(run, _backup(run.plan), str(run.plan.parameters["method"]))
        return _conclude(run.plan, (run.operation_id, run.fence), run.engine(), done.facts, done.safety)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        if is_of_document(recovery.plan):
            return document_restores.witness(recovery)
        verdict = replacing.verdict(recovery)
        if verdict is not Witness.DONE:
            return verdict, None
        engine, safety = recovery.engines["target"], replacing.safety_of(recovery)
        return verdict, _conclude(
            recovery.plan, (recovery.operation_id, recovery.fence), engine, recovery.witness, safety
        )

    def moved(self, plan: Plan, engines: Mapping[str, Engine], growth: Growth) -> list[Moved]:
        if is_of_document(plan):
            return document_restores.moved(plan, engines, growth)
        backup = _backup(plan)
        archive, manifest = archives.archive_of(backup), archives.manifest_of(backup)
        found = loss.of_backup(engines["target"], archive, manifest, f"backup {backup.id}", loss.unhurried())
        return loss.moved(plan, found, growth)

    def clean_up(self, recovery: Recovery) -> None:
        replacing.clean_up(recovery)

    def afterwards(self, operation: Operation) -> tuple[Afterwards, ...]:
        return (*offers.undo_of(operation), *offers.rows_of(operation))

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        if parameter == "source":
            others = visible.filter(engine=database.engine).exclude(pk=database.pk).order_by("name")
            return (("", f"{database.name} itself"), *((name, name) for name in others.values_list("name", flat=True)))
        if parameter == "upload":
            return document_requests.suggestions(visible)
        return choices.suggestions(database) if parameter == "backup" else ()

    def bring(self, database: Database, given: Mapping[str, str], account: Account, token: Token | None) -> Errand:
        return document_requests.bring(database, given, account, token)

    def fields(self, database: Database, given: Mapping[str, str]) -> tuple[Parameter, ...]:
        return document_requests.fields(super().fields(database, given), database, given)

    def instead(self, database: Database) -> tuple[Afterwards, ...]:
        return (document_requests.invitation(database),)

    def probe(self, name: str, subject: str, engines: Mapping[str, Engine]) -> str:
        if name == "backup":
            return replacing.sound_digest(int(subject))
        if name in document_restores.PROBES:
            return document_restores.probe(name, subject)
        return super().probe(name, subject, engines)


def _source(request: Request) -> Database:
    """The database whose backups are meant, among those that the requester may see."""
    name = request.parameters["source"]
    if not name or name == request.database.name:
        return request.database
    visible = Database.objects.filter(removed_at=None) if request.visible is None else request.visible
    found = visible.filter(name=name).first()
    if found is None:
        raise Usage(
            "unknown_database",
            f"There is no database called {name} that you can see.",
            "See `manage.py database list`.",
        )
    return found


def _backup(plan: Plan) -> Backup:
    return Backup.objects.select_related("database").get(pk=int(plan.parameters["backup"]))


def _conclude(
    plan: Plan, run: tuple[int, int], engine: Engine, facts: Mapping[str, Any], safety: Backup | None
) -> Result:
    """List what was replaced, and tell what is there now. `run` is (operation, fence)."""
    database, backup = Database.objects.get(pk=plan.target().database_id), _backup(plan)
    kept.keep(database, run[0], facts=facts, safety=safety, live=engine.identity().incarnation)
    databases.probe(database)
    manifest, patch = archives.manifest_of(backup), listing.enlist(patches.Place(database, *run))
    kept_rows = f" {patch.rows} rows that only it had are in a patch: reapply puts them back." if patch else ""
    return Result(
        summary=(
            f"{database.name} holds what backup {backup.id} held: {len(manifest.contents.tables)} tables, "
            f"{manifest.rows} rows, counted before it went live.{kept_rows}"
        ),
        data={
            "backup": backup.id,
            "rows": manifest.rows,
            "tables": {t.name: t.rows for t in manifest.contents.tables},
            "safety_backup": safety.id if safety else None,
            "old_database": facts.get("old_database") or "",
            **(
                {"patch": {"manifest": patch.manifest_sha256, "rows": patch.rows, "tables": patch.tables}}
                if patch
                else {}
            ),
        },
    )
