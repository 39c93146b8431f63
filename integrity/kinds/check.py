"""Check: look for faults in the data and the schema, read-only, and keep what was found as a report."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from integrity.checks import moments
from integrity.checks.known import CHECKS
from integrity.checks.pages import SqlitePages, how_long
from integrity.models import Report
from integrity.reporting import composing, keeping, standing
from integrity.reporting.setting_aside import asides_of, listed, words
from integrity.rules import in_force
from integrity.rules.base import Spec
from integrity.scanning.answering import Budget
from integrity.scanning.examining import Examination, examine
from integrity.scanning.selecting import FULL, QUICK, Selection, select
from opsconsole.clock import now
from opsconsole.databases import engine_for
from opsconsole.engines.base import Engine, Identity
from opsconsole.exceptions import TargetProblem, Usage
from opsconsole.kinds import Afterwards, Kind, Parameter, Recovery, Request, Result, Run, Witness
from opsconsole.models import Database, Operation
from opsconsole.plans import Plan, Precondition, Step
from opsconsole.targets import plan_target

SHARED = "shared"  # it only reads, and keeps nobody out
MOST_SECONDS, MOST_SESSIONS = 3600, 8
TRIES = 3  # at a moment of a standby
MODE = Parameter(
    name="mode",
    label="Look at",
    default=FULL,
    choices=((FULL, "everything"), (QUICK, "only what can be critical")),
    help="full, or quick: only checks and rules that can be critical",
)
CATEGORY = Parameter(name="category", label="Category", help="one category, such as Orphaned Records; empty for all")
RULE = Parameter(name="rule", label="Rule", help="the name of one rule or check; empty for all")
SECONDS = Parameter(
    name="seconds", label="Seconds a question may take", default="300", help="a question that takes longer is a finding"
)
SAMPLE = Parameter(
    name="sample",
    label="Sample of huge tables",
    help="percent of the pages of tables of over a million rows, empty for all; the report says how exact it is",
)
SESSIONS = Parameter(
    name="sessions",
    label="Tables at once",
    default=str(Budget().sessions),
    help="how many tables are looked at side by side, each in a session of its own: 1 to 8",
)


class CheckKind(Kind):
    name = "check"
    label = "Check"
    noun = "check"
    engines = frozenset({"postgresql", "sqlite"})
    parameters = (MODE, CATEGORY, RULE, SECONDS, SAMPLE, SESSIONS)
    mutates = False
    repeatable = True
    gated = False
    deadline_seconds = 24 * 3600

    def plan(self, request: Request) -> Plan:
        database, given = request.database, request.parameters
        engine = engine_for(database)
        rules = in_force.rules_of(database)
        chosen, budget = _selection(database, rules, given), _budget(given)
        identity = engine.identity()
        return Plan(
            kind=self.name,
            summary=f"It is known whether the data of {database.name} are sound: {_words(given)}.",
            targets=(plan_target(database, identity, role=SHARED),),
            parameters={**given, "seconds": str(int(budget.seconds)), "sessions": str(budget.sessions)},
            steps=(
                Step(
                    title=f"Ask {_asked(chosen)}",
                    detail=f"In one read-only transaction on one moment of the database.{_left_out(rules)}",
                ),
                Step(title="Keep what was found as a report", commit_point=True),
            ),
            preconditions=(Precondition(probe="identity", subject=SHARED, value=identity.key),),
            risk="low",
            risk_reasons=(*_reasons(budget, identity), *_waiting(engine, chosen, given)),
            way_back="Nothing is changed, so there is nothing to take back.",
        )

    def run(self, run: Run) -> Result:
        run.arm()
        began, started = now(), time.monotonic()
        database, given = run.database(SHARED), run.plan.parameters
        rules, stood = in_force.rules_of(database), standing.standing(database)
        chosen, off = _selection(database, rules, given), in_force.switched_off(database, rules)
        found = _examined(run, database, chosen, _budget(given))
        looked = None if chosen.whole else chosen.names
        known = select(database.engine, rules, mode=FULL).names
        composed = composing.compose(found.outcomes, stood, began, looked, known, off)
        run.check_cancel()
        run.before_commit(witness={})
        facts = {"seconds": round(time.monotonic() - started), "sample": given["sample"]}
        row = keeping.record(run, composed, began=began, rows=found.rows, facts=facts)
        run.after_commit()
        run.failpoint("check.recorded")
        return _result(row)

    def witness(self, recovery: Recovery) -> tuple[Witness, Result | None]:
        row = Report.objects.filter(pk=recovery.operation_id).first()
        return (Witness.DONE, _result(row)) if row else (Witness.NOT_DONE, None)

    def suggestions(
        self, parameter: str, database: Database, visible: QuerySet[Database]
    ) -> tuple[tuple[str, str], ...]:
        rules = in_force.rules_of(database)
        if parameter == "category":
            names = {check.category for check in CHECKS} | {rule.category for rule in rules}
            return (("", "all"), *((name, name) for name in sorted(names)))
        if parameter == "rule":
            checks = ((check.name, check.label) for check in CHECKS if database.engine in check.engines)
            asked = ((rule.name, f"rule {rule.name}") for rule in rules if not rule.off)
            return (("", "all"), *asked, *checks)
        return ()

    def afterwards(self, operation: Operation) -> tuple[Afterwards, ...]:
        row = Report.objects.filter(pk=operation.pk).first()
        if row is None:
            return ()
        return (Afterwards(sentence="What was found:", link=row.get_absolute_url(), link_text="read the report"),)


def _asked(chosen: Selection) -> str:
    counts = (len(chosen.checks), "check"), (len(chosen.rules), "rule")
    return " and ".join(f"{count} {noun}{'s' * (count != 1)}" for count, noun in counts if count) or "nothing"


def _left_out(rules: Sequence[Spec]) -> str:
    off = [rule.name for rule in rules if rule.off]
    return f" Not asked, because they are switched off: {listed(off)}." if off else ""


def _examined(run: Run, database: Database, chosen: Selection, budget: Budget) -> Examination:
    """Everything that was asked. A standby may end a session, and its moment with it: then all begins again."""
    for _ in range(TRIES - 1):
        try:
            return _examined_once(run, database, chosen, budget)
        except TargetProblem as problem:
            if problem.code != "conflict":
                raise
            run.log(f"{problem.why} The check begins again.")
    return _examined_once(run, database, chosen, budget)


def _examined_once(run: Run, database: Database, chosen: Selection, budget: Budget) -> Examination:
    def told(done: int, of: int, what: str) -> None:
        run.progress(done, of, "tables" if of else "", step=what)

    with (
        moments.opened(
            run.engine(SHARED),
            database.name,
            seconds=budget.seconds,
            before=standing.rows_before(database),
            quick=run.plan.parameters["mode"] == QUICK,
            ruled=in_force.references_of(in_force.rules_of(database)),
            follow=told,
        ) as moment,
        moment.inquiry.ticked(run.check_cancel),
    ):
        return examine(moment, chosen, budget, told)


def _selection(database: Database, rules: Sequence[Spec], given: Any) -> Selection:
    return select(database.engine, rules, mode=given["mode"], category=given["category"], rule=given["rule"])


def _budget(given: Any) -> Budget:
    """Raises Usage."""
    return Budget(
        seconds=_number(given["seconds"], "seconds", 1, MOST_SECONDS),
        percent=_number(given["sample"] or "0", "sample", 0, 100),
        sessions=int(_number(given.get("sessions") or str(Budget().sessions), "sessions", 1, MOST_SESSIONS)),
    )


def _reasons(budget: Budget, identity: Identity) -> tuple[str, ...]:
    reasons = ["It only reads.", f"A question ends after {budget.seconds:g} seconds."]
    if identity.details.get("journal_mode", "wal") != "wal":
        reasons.append("The file is not in WAL mode: programs that write to it wait until the check has ended.")
    if 0 < budget.percent < 100:
        reasons.append(f"Of tables of over a million rows {budget.percent:g} % are looked at: faults may be missed.")
    return tuple(reasons)


def _waiting(engine: Engine, chosen: Selection, given: Any) -> list[str]:
    """What takes long by itself, whatever there is to be found."""
    if not any(check.name == SqlitePages.name for check in chosen.checks):
        return []
    words = how_long(engine.size_bytes(), quick=given["mode"] == QUICK)
    return [f"{words}; it can be cancelled meanwhile."] if words else []


def _number(text: str, name: str, least: float, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value <= most:
        raise Usage("bad_number", f"{name} is a number from {least:g} to {most:g}, and not {text!r}.")
    return value


def _words(given: Any) -> str:
    if given["rule"]:
        return f"rule {given['rule']}"
    which = "everything that can be critical" if given["mode"] == QUICK else "every check and rule"
    return f"{which} of {given['category']}" if given["category"] else which


def _result(row: Report) -> Result:
    """`stands` makes the command line end with 1: a critical finding stands in what was looked at."""
    narrow, asides = row.category or row.rule, asides_of(row)
    off = f"; {words(asides)}" if asides else ""
    return Result(
        summary=f"{row.database.name} was checked: {keeping.words(row)}{off}.",
        data={
            "report": row.pk, "critical": row.critical, "warning": row.warning, "info": row.info,
            "new_critical": row.new_critical, "stands": (row.critical if narrow else row.open_critical) > 0,
            "off": [each.rule for each in asides],
        },
    )  # fmt: skip
