"""Resolve: set a ledger right, finish what is half applied or take it back, as somebody decided after a look."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from lifecycle.doctoring import resolving
from lifecycle.doctoring.values import Diagnosis, Do, Verdict, diagnosis_from
from lifecycle.kinds.migrate import MigrateKind
from lifecycle.migrating import asking, material, planning, selecting, ways_back
from lifecycle.migrating.planning import Seen, Subject
from lifecycle.sources.acts import unit_from
from lifecycle.sources.base import Entry, Migration
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Usage
from opsconsole.kinds import Afterwards, Parameter, Request
from opsconsole.models import Database, Operation
from opsconsole.plans import Demand, Plan
from opsconsole.states import State

DO = Parameter(
    name="do",
    label="What to do",
    required=True,
    choices=(
        (Do.APPLIED, "mark it as applied, and run nothing"),
        (Do.ROLLED_BACK, "mark it as not applied, and run nothing"),
        (Do.FINISH, "run what is left of it, then mark it"),
        (Do.UNDO, "take back what is there of it, then mark it"),
        (Do.BASELINE, "mark everything up to it as applied"),
    ),
    help="applied, rolled_back, finish, undo or baseline; for golang-migrate, applied is its force",
)
MIGRATION = Parameter(name="migration", label="Migration", required=True, help="by its name, or how it begins")
AT = Parameter(
    name="at", label="Statements in effect", default="0",
    help="for finish and undo: how many of its statements are in effect, as the doctor found",
)  # fmt: skip
_SUMMARY = {
    Do.APPLIED: "the ledger says that {name} is applied; nothing of it is run.",
    Do.ROLLED_BACK: "the ledger says that {name} is not applied; nothing of it is taken back.",
    Do.FINISH: "{name} is applied to its end, from statement {next} on.",
    Do.UNDO: "what statements 1 to {at} of {name} made is gone, and the ledger says that it is not applied.",
    Do.BASELINE: "the ledger says that everything up to {name} is applied; nothing is run.",
}


class ResolveKind(MigrateKind):
    name = "resolve"
    label = "Resolve a migration"
    noun = "resolution of a migration"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        DO, MIGRATION, AT, asking.FOLDER, asking.BROUGHT, asking.ROOT, asking.PATH, asking.TOOL, *asking.COMMON,
    )  # fmt: skip
    like = "migrate"

    def plan(self, request: Request) -> Plan:
        asking.refuse_bad(request)
        do, at = Do(request.parameters["do"]), _number(request.parameters["at"])
        engine = engine_for(request.database)
        subject = material.subject_of(request, engine)
        seen = planning.look(engine, subject)
        entry = selecting.named(seen.entries, request.parameters["migration"])
        units = resolving.units_for(engine, subject, seen, do, entry, at)
        keys = [key for unit in units for key in unit.migrations]
        chosen = [each for each in seen.migrations if each.key in keys] or [_stranger(entry)]
        plan = planning.compose(self.name, request, subject, seen, units, chosen)
        said = _SUMMARY[do].format(name=entry.name, at=at, next=at + 1)
        proof = _proof(engine, subject, seen, entry, do, at)
        return replace(
            plan,
            summary=f"{request.database.name}: {said}",
            way_back=ways_back.of_resolution(planning.last_backup(request.database)),
            risk_reasons=(*_reasons(do, entry, proof), *plan.risk_reasons),
            risk="high" if proof is None else plan.risk,
            evidence={**plan.evidence, "the doctor": proof or "has not found this, or something has changed since"},
        )

    def evidence_problems(self, plan: Plan, demand: Demand) -> list[tuple[str, str, str]]:
        """No rehearsal is demanded: no backup has the state that it starts from. The doctor's word is its evidence."""
        return []

    def afterwards(self, operation: Operation) -> tuple[Afterwards, ...]:
        return ()

    def heading(self, database: Database) -> str:
        return f"Set the migrations of {database.name} right"

    def button(self, database: Database) -> str:
        return ""  # it is offered where something is wrong


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) > 100_000:
        raise Usage("bad_value", f"{text!r} is no number of statements.", "Write how many are in effect, such as 3.")
    return int(text)


def _stranger(entry: Entry) -> Migration:
    """A migration without a file, of which the ledger alone knows."""
    return Migration(key=entry.key, name=entry.name, path="", text="")


def _proof(engine: Engine, subject: Subject, seen: Seen, entry: Entry, do: Do, at: int) -> str | None:
    """What the newest examination of these texts said that fits, in words; None when nobody has found that."""
    rows = Operation.objects.filter(database=subject.database, kind="doctor", state=State.SUCCEEDED)
    row, migration = rows.order_by("-pk").first(), entry.migration
    looked_at = (engine.schema_fingerprint(), seen.ledger.digest)
    if row is None or migration is None or (row.result.get("schema"), row.result.get("ledger")) != looked_at:
        return None
    examined = [unit_from(unit) for name in ("done", "rest") for unit in row.plan.parameters[name]]
    now = resolving.statements_of(engine, subject, seen, migration)
    first = at if do in (Do.FINISH, Do.UNDO) else None
    if not resolving.as_examined(examined, engine, now, entry.key, first):
        return None
    for found in map(diagnosis_from, row.result.get("diagnoses", ())):
        if found.key == entry.key and _fits(found, do, at):
            return f"operation {row.pk}, {row.finished_at:%Y-%m-%d %H:%M} UTC: {found.sentence}"
    return None


def _fits(found: Diagnosis, do: Do, at: int) -> bool:
    wanted = Do.APPLIED if do is Do.BASELINE else do
    return (
        found.verdict not in (Verdict.ROWS, Verdict.DRIFTED)
        and wanted in found.ways
        and (do not in (Do.FINISH, Do.UNDO) or found.at == at)
    )


def _reasons(do: Do, entry: Entry, proof: str | None) -> tuple[str, ...]:
    if proof is not None:
        return ()
    claim = {
        Do.APPLIED: f"Nobody has proven that what {entry.name} makes is there: the doctor can.",
        Do.ROLLED_BACK: f"Nobody has proven that nothing of {entry.name} is there: the doctor can.",
        Do.BASELINE: f"Nobody has proven that everything up to {entry.name} is there: the doctor can.",
    }
    return (claim.get(do, f"Nobody has proven how far {entry.name} came: the doctor can."),)
