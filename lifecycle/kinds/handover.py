"""Hand over: the migrations of a D1 that lies at Cloudflare, reviewed and approved here, and run there by wrangler."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from lifecycle.kinds.migrate import MigrateKind
from lifecycle.migrating import asking, handing_over, material, planning, selecting
from lifecycle.migrating.planning import Seen, Subject
from lifecycle.sources.base import Migration
from opsconsole.databases import engine_for
from opsconsole.kinds import Afterwards, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Database, Operation
from opsconsole.plans import Plan, Step

D1_NAME = Parameter(
    name="d1_name", label="Name at Cloudflare", help="the D1's database_name; empty where the console calls it the same"
)
WAY_BACK = (
    "Nothing is changed here. At Cloudflare, Time Travel goes back to the bookmark that is noted before applying; the "
    "console has no backup of what lies there."
)
UNSEEN = (
    "What lies at Cloudflare was not looked at: rows, ledger and schema are those of the console's own file, as of the "
    "export it was made of."
)


class HandoverKind(MigrateKind):
    name = "handover"
    label = "Hand over migrations"
    noun = "handover"
    engines = frozenset({"sqlite"})
    parameters: ClassVar[tuple[Parameter, ...]] = (
        D1_NAME, asking.FOLDER, asking.BROUGHT, asking.ROOT, asking.PATH, asking.TOOL, asking.TO, asking.ONLY,
    )  # fmt: skip
    mutates = False
    like = "migrate"
    demands_alike = True

    def plan(self, request: Request) -> Plan:
        name, engine = handing_over.name_of(request), engine_for(request.database)
        subject = material.subject_of(request, engine)
        seen = planning.look(engine, subject)
        handing_over.refuse_others(subject, seen)
        planning.refuse(subject, seen)
        chosen = selecting.pending(seen.entries, to=request.parameters["to"], only=request.parameters["only"])
        return _plan(request, subject, seen, chosen, name)

    def run(self, run: Run) -> Result:
        run.arm()
        said, data = handing_over.result(run.plan)
        run.check_cancel()
        run.before_commit(witness={})
        run.after_commit()
        return Result(summary=said, data=data)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        return Witness.NOT_DONE, None  # nothing is left of it; it is asked for again

    def clean_up(self, recovery: Recovery) -> None:
        """Nothing was made."""

    def afterwards(self, operation: Operation) -> tuple[Afterwards, ...]:
        database = operation.plan.target().database
        return (
            Afterwards(
                sentence="Once wrangler has applied them, bring an export of the D1 and have it compared.",
                link=f"/databases/{database}/upload/",
                link_text="Upload the export",
                kind="compare",
                parameters={"operation": str(operation.pk)},
                label="Compare the export",
                icon="compare_arrows",
            ),
        )

    def instead(self, database: Database) -> tuple[Afterwards, ...]:
        return ()

    def heading(self, database: Database) -> str:
        return f"Hand over migrations of {database.name}"

    def button(self, database: Database) -> str:
        return ""  # it is offered beside the folder, where the database is a D1


def _plan(request: Request, subject: Subject, seen: Seen, chosen: list[Migration], name: str) -> Plan:
    units = subject.source.apply(chosen, seen.ledger, seen.place, subject.folder.options)
    plan = planning.compose("handover", request, subject, seen, units, chosen)
    parameters = {
        **plan.parameters,
        "d1_name": name,
        "exact": handing_over.exact_texts(units, chosen),
        "readme": handing_over.readme(request.database.name, name, chosen),
    }
    count = f"{len(chosen)} migrations are" if len(chosen) > 1 else f"Migration {chosen[0].name} is"
    first = Step(
        title="Hand out the files and the commands of wrangler",
        detail="A tar of exactly these files. Nothing below is run by the console.",
    )
    titles = (f"Wrangler, at Cloudflare: {step.title[0].lower()}{step.title[1:]}" for step in plan.steps)
    later = (replace(step, title=title) for step, title in zip(plan.steps, titles, strict=True))
    known = {key: value for key, value in plan.evidence.items() if key != "a restore takes"}
    packed = handing_over.digest(handing_over.archive(parameters))
    told = {"counted": f"in the console's own file: {known['counted']}", "handed out": f"a tar, {packed}"}
    return replace(
        plan,
        summary=f"{count} handed over for the D1 {name} at Cloudflare, to be applied by wrangler; nothing is run here.",
        parameters=parameters,
        steps=(first, *later),
        risk="medium" if plan.risk == "low" else plan.risk,
        risk_reasons=(UNSEEN, *plan.risk_reasons),
        evidence=known | told,
        way_back=WAY_BACK,
    )
