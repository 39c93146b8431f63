"""Reapply: put the rows back that a restore took away and kept in a patch. All of them in one transaction, or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from django.db.models import QuerySet

from lifecycle.backups import archives
from lifecycle.backups.manifest import Manifest
from lifecycle.encryption import recipients, unlocking
from lifecycle.formats.base import Archive, TableContent
from lifecycle.loss.sides import Asked, OutOfTime, Row, Shape, Side
from lifecycle.loss.values import grouped
from lifecycle.models import Patch
from lifecycle.patches import listing, postgresql, sqlite
from lifecycle.restores import kept, replacing
from opsconsole import databases
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Refused, Usage
from opsconsole.kinds import Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Database, Operation
from opsconsole.plans import Effect, Plan, Precondition, Step
from opsconsole.row_numbers import row_number
from opsconsole.states import State
from opsconsole.targets import plan_target

VENDORS = {"postgresql": postgresql, "sqlite": sqlite}
LOOKED_UP = 500  # rows at once
AWAY = "they are away"


@dataclass(frozen=True)
class Waiting:
    """One table of a patch beside the live one: rows to put back, and those whose key is taken by now."""

    name: str
    rows: int
    taken: int
    live: int | None


@unlocking.unlocks
class ReapplyKind(Kind):
    name = "reapply"
    label = "Reapply"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (
        Parameter(name="restore", label="Patch of", default="latest", help="the number of a restore, or latest"),
        Parameter(
            name="conflict",
            label="Rows whose key is taken by now",
            choices=(("refuse", "refuse: put nothing back"), ("skip", "skip: leave out those rows")),
            default="refuse",
            help="refuse, or skip: rows that are there by now stay as they are",
        ),
    )
    mutates = True
    repeatable = False
    gated = True
    like = "restore"

    def plan(self, request: Request) -> Plan:
        row = _wanted(request.database, request.parameters["restore"])
        patch = _read(row)
        recipients.refuse_locked(f"The patch of restore {row.pk}", patch.public_keys)
        engine = engine_for(request.database)
        identity, skip = engine.identity(), request.parameters["conflict"] == "skip"
        try:
            waiting = _compare(engine, archives.archive_of(row), patch)
        except OutOfTime as over:
            raise Refused(
                "timeout",
                f"The rows of the patch could not be looked up in {request.database.name}: {over.why}.",
                "Try again when the database is less busy.",
            ) from over
        if not skip and (taken := sum(table.taken for table in waiting)):
            raise Refused(
                "conflict",
                f"{grouped(taken)} rows of the patch have keys that are taken by now.",
                "Choose skip (conflict=skip) to leave them out and keep what is there.",
            )
        once = _once(row.operation, patch)
        return Plan(
            kind=self.name,
            summary=(
                f"{request.database.name} holds the {grouped(sum(t.rows - t.taken for t in waiting))} rows again that "
                f"restore {row.pk} took away; no other row is touched."
            ),
            targets=(plan_target(request.database, identity),),
            parameters={**request.parameters, "restore": str(row.pk)},
            steps=(
                Step(
                    title="Insert the rows in one transaction",
                    artifact=patch.digest,
                    detail="Writers wait meanwhile; keys, counts and foreign keys are checked before it commits.",
                    commit_point=True,
                ),
            ),
            effects=tuple(_effect(table) for table in waiting),
            preconditions=(
                Precondition(probe="identity", subject="target", value=identity.key),
                Precondition(probe="incarnation", subject="target", value=identity.incarnation),
                Precondition(probe="schema", subject="target", value=engine.schema_fingerprint()),
                Precondition(probe="patch", subject=str(row.pk), value=patch.digest),
                *once,
            ),
            risk="medium",
            risk_reasons=("Rows are added; triggers of the tables fire as for any insert.",),
            evidence={"patch": f"of restore {row.pk}, {patch.rows} rows, taken {_moment(patch.finished_at)}"},
            way_back="The rows can be deleted again by their keys; take a backup first for more than that.",
        )

    def run(self, run: Run) -> Result:
        run.arm()
        row = Patch.objects.get(pk=int(run.plan.parameters["restore"]))
        patch, archive = _read(row), archives.archive_of(row)
        expected = {e.object: (e.rows_after or 0) - (e.rows_before or 0) for e in run.plan.effects}
        skip = run.plan.parameters["conflict"] == "skip"
        engine = run.engine()
        VENDORS[engine.name].apply(engine, run.lock(), archive, patch, expected, run, skip=skip)
        databases.probe(run.database())
        return _result(run.plan)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        verdict = replacing.verdict(recovery)
        return verdict, _result(recovery.plan) if verdict is Witness.DONE else None

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        if parameter != "restore":
            return ()
        found = ((str(row.pk), f"restore {row.pk}, {row.rows} rows") for row in _offered(database))
        return (("latest", "the latest restore that kept a patch"), *found)

    def button(self, database: Database) -> str:
        found = _offered(database).first()
        return f"Reapply the rows of restore {found.pk}" if found else ""

    def probe(self, name: str, subject: str, engines: Mapping[str, Engine]) -> str:
        if name == "waiting":
            return _whereabouts(Operation.objects.get(pk=int(subject)))
        if name == "patch":
            return _read(Patch.objects.get(pk=int(subject))).digest
        return super().probe(name, subject, engines)


def _moment(at: str) -> str:
    """`2026-11-25 21:18:22 UTC` of a manifest's time."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _offered(database: Database) -> QuerySet[Patch]:
    """The patches of a database that hold rows to put back, newest first."""
    return listing.of_database(database).filter(rows__gt=0, holds=Patch.Holds.LOST)


def _wanted(database: Database, wanted: str) -> Patch:
    """The patch of a restore by its number, or the latest. Raises Usage."""
    rows = Patch.objects.filter(database=database, pk=row_number(wanted), rows__gt=0, holds=Patch.Holds.LOST)
    found = (_offered(database) if wanted == "latest" else rows).first()
    if found is None:
        raise Usage(
            "unknown_patch",
            f"No restore of {database.name} {'' if wanted == 'latest' else f'with the number {wanted} '}kept a patch.",
            "A restore keeps one when it is asked to (patch=yes) and rows are lost.",
        )
    return found


def _read(row: Patch) -> Manifest:
    """The manifest of a patch, checked like a backup's. Raises Refused when it is no longer kept, OperationFailed."""
    listing.refuse_gone(row)
    return archives.manifest_of(row)


def _once(operation: Operation, patch: Manifest) -> tuple[Precondition, ...]:
    """Without a key nothing but our own memory keeps rows from going in twice. Raises Refused when they are back."""
    if all(_asked(patch, table).shape.has_key for table in patch.contents.tables):
        return ()
    found = _whereabouts(operation)
    if found != AWAY:
        raise Refused(
            "back_already",
            f"The patch holds rows of tables without a primary key, and {found}: they would be there twice.",
            "Put the rows that are missing back by hand, or undo the restore while that is possible.",
        )
    return (Precondition(probe="waiting", subject=str(operation.pk), value=found),)


def _whereabouts(restore: Operation) -> str:
    """Where the rows are that a restore took away, as far as this console knows."""
    assert restore.database is not None  # a restore has one
    done = Operation.objects.filter(database=restore.database, kind="reapply", state=State.SUCCEEDED, id__gt=restore.pk)
    for row in done.order_by("id"):
        if row.plan.parameters["restore"] == str(restore.pk):
            return f"operation {row.pk} has put them back"
    live = kept.live_content(restore.database)
    return AWAY if live == restore.pk else f"what restore {restore.pk} put there has been replaced since"


def _compare(engine: Engine, archive: Archive, patch: Manifest) -> list[Waiting]:
    """Every table of a patch beside the live one. Raises Refused when rows would not fit into it."""
    vendor = VENDORS[engine.name]
    objects = {item.key: item for item in patch.contents.objects}
    with vendor.side_of(engine, patch) as live:
        shapes, counts = live.shapes(), live.counts()
        found = []
        for table in patch.contents.tables:
            asked = _asked(patch, table)
            if shapes.get(table.name) != asked.shape:
                raise Refused(
                    "schema_differs",
                    f"{table.name} has other columns or another key than when the patch was taken.",
                    "Undo the restore instead, or put the rows back by hand.",
                )
            rows = vendor.rows(asked, archive, objects[table.objects[0]])
            taken = _taken(live, asked, rows) if asked.shape.has_key else 0
            found.append(Waiting(table.name, table.rows, taken, counts[table.name][0]))
    return found


def _asked(patch: Manifest, table: TableContent) -> Asked:
    raw = patch.contents.source["shapes"][table.name]
    shape = Shape(columns=tuple((name, kind) for name, kind in raw["columns"]), key=tuple(raw["key"]))
    return Asked(table=table.name, shape=shape, form=str(raw["form"]))


def _taken(live: Side, asked: Asked, rows: Iterator[Row]) -> int:
    taken = 0
    while some := list(islice(rows, LOOKED_UP)):
        taken += len(live.find(asked, some))
    return taken


def _effect(table: Waiting) -> Effect:
    before = table.live or 0
    note = f"{grouped(table.taken)} rows are there by now and stay as they are" if table.taken else ""
    return Effect(
        object=table.name,
        action="changed",
        rows_before=before,
        rows_after=before + table.rows - table.taken,
        note=note,
    )


def _result(plan: Plan) -> Result:
    added = {e.object: (e.rows_after or 0) - (e.rows_before or 0) for e in plan.effects}
    total = sum(added.values())
    return Result(
        summary=f"{grouped(total)} rows that restore {plan.parameters['restore']} took away are back.",
        data={"rows": total, "tables": added},
    )
