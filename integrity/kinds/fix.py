"""Fix: carry out what is proposed for findings, on exactly the rows that were approved. One plan, one transaction."""

from __future__ import annotations

from django.db.models import QuerySet

from integrity.fixing import carrying_out, choosing, comparing, composing, keeping, parts, results, statements
from integrity.fixing.actions import EVERY
from integrity.models import Fix, Report
from integrity.packs.cleaning import cleanup_of
from integrity.reporting.standing import open_in
from integrity.rules import in_force
from integrity.rules.base import is_curable
from opsconsole.kinds import Afterwards, Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Database, Operation
from opsconsole.plans import Plan
from opsconsole.templatetags.console import clock

SUGGESTED = 200  # findings in the list of the form
REPORT = Parameter(name="report", label="Report", default=choosing.LATEST, help="the number of a report, or latest")
FINDING = Parameter(
    name="finding",
    label="Findings",
    help="fingerprints with commas between them, or critical: all critical ones that come with a proposal",
)
NAMES = Parameter(
    name="names",
    label="Names of the health answer",
    help="names with commas, all that something is proposed for (all), or cleanup",
)
ACTION = Parameter(
    name="action",
    label="What is done",
    choices=(("", "what is proposed"), *EVERY.items()),
    help="where a finding offers several proposals, which of them",
)


class FixKind(Kind):
    name = "fix"
    label = "Fix"
    noun = "fix"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (REPORT, FINDING, NAMES, ACTION)
    mutates = True
    repeatable = False
    gated = True
    compares = False

    def plan(self, request: Request) -> Plan:
        return composing.plan_of(self.name, request)

    def run(self, run: Run) -> Result:
        run.arm()
        listed, then = parts.opened(run.plan), statements.statements_of(run.plan)
        comparing.refuse_other_rules(run.plan, run.database())
        before = comparing.numbers(run.engine(), run.database(), run.plan)
        comparing.refuse_vanished(run.plan, before)
        rows = carrying_out.change_rows(run, listed, steps=1 + len(then)) if listed else None
        if then:
            statements.run_all(run, then, 1 if listed else 0, rows)
        return results.told(run.plan, run.operation_id, run.engine(), run.database(), before)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        return results.read(recovery)

    def clean_up(self, recovery: Recovery) -> None:
        keeping.abandon(recovery.operation_id)

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        report = Report.objects.filter(database=database).first()
        if parameter == "finding" and report is not None:
            rows = [row for row in open_in(report, failed=False) if row.proposals]
            every = (("critical", "all critical ones that come with a proposal"),)
            return (*every, *((row.fingerprint, row.sentence) for row in rows[:SUGGESTED]))
        if parameter == "names":
            rules = in_force.asked_of(database)
            names = sorted({rule.health for rule in rules if rule.health and is_curable(rule)})
            packs = (("cleanup", "the cleanup of the packs that are loaded"),) if cleanup_of(rules) else ()
            return (
                (("all", "all that something is proposed for"), *packs, *((name, name) for name in names))
                if names
                else ()
            )
        return ()

    def instead(self, database: Database) -> tuple[Afterwards, ...]:
        """Findings have long names, which nobody types: each has a button where it is told."""
        return (
            Afterwards(
                sentence="A report says of each finding what it is, and has a button that fills this form.",
                link=f"{database.get_absolute_url()}integrity/", link_text="Look at what was found",
            ),
        )  # fmt: skip

    def heading(self, database: Database) -> str:
        return f"Set findings of {database.name} right"

    def button(self, database: Database) -> str:
        report = Report.objects.filter(database=database).first()
        return self.heading(database) if report is not None and (report.open_critical or report.open_warning) else ""

    def afterwards(self, operation: Operation) -> tuple[Afterwards, ...]:
        again = Afterwards(
            sentence="Reports and the dashboard tell of it after the next check.",
            kind="check",
            label=f"Check {operation.database.name}" if operation.database else "Check",
            icon="fact_check",
        )
        return (*_kept(operation), again, *_health(operation))


def _kept(operation: Operation) -> tuple[Afterwards, ...]:
    """What is kept of what it changed, and how to take it back."""
    row = Fix.objects.filter(pk=operation.pk).select_related("undone_by").first()
    if row is None:
        return ()
    if row.state == Fix.State.UNDONE:
        link = f"/operations/{row.undone_by_id}/"
        return (Afterwards(sentence="It was taken back.", link=link, link_text=f"Open operation {row.undone_by_id}"),)
    if row.state != Fix.State.KEPT or not row.key_sealed:
        return (Afterwards(sentence=f"What it changed was kept until {clock(row.expires_at)}."),)
    return (
        Afterwards(
            sentence=f"What the {row.rows} rows held is kept in the database, encrypted, until "
            f"{clock(row.expires_at)}.",
            kind="unfix",
            parameters={"fix": str(row.pk)},
            label=f"Take fix {row.pk} back until {clock(row.expires_at)}",
        ),
    )


def _health(operation: Operation) -> tuple[Afterwards, ...]:
    """Where the names that it cleaned up are counted again."""
    if not operation.plan.parameters["names"] or operation.database is None:
        return ()
    name, link = operation.database.name, f"{operation.database.get_absolute_url()}#health"
    return (
        Afterwards(sentence="The health answer counts again within minutes.", link=link,
                   link_text=f"See the health of {name}"),
    )  # fmt: skip
