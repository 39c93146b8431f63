"""The findings of a fix before and after: the same checks and rules, asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from integrity.checks import moments
from integrity.fixing import asking
from integrity.fixing.actions import ON_ROWS
from integrity.fixing.asking import Wanted
from integrity.rules import in_force
from integrity.rules.base import Spec
from integrity.rules.requested import as_json
from integrity.scanning.answering import Budget
from opsconsole.engines.base import Engine
from opsconsole.engines.inquiry import AskFailed
from opsconsole.exceptions import Moved, Stale
from opsconsole.models import Database
from opsconsole.plans import Plan, canonical_json, digest_of

SECONDS = 300.0
LEFT = "Check the database; if anything is left to be set right, ask again."


def numbers(engine: Engine, database: Database, plan: Plan) -> list[int | None]:
    """How many rows each finding of a plan has now; None where nobody could look."""
    wanted = [Wanted(check=each["check"], subject=each["subject"]) for each in plan.parameters["findings"]]
    try:
        with moments.opened(engine, database.name, seconds=SECONDS) as moment:
            told = asking.ask(moment, wanted, in_force.rules_of(database), Budget(seconds=SECONDS))
    except AskFailed:
        return [None] * len(wanted)
    return [asking.number(next(iter(asking.told_of(told, want)), None)) for want in wanted]


def refuse_vanished(plan: Plan, before: Sequence[int | None]) -> None:
    """Raise Stale for a statement whose finding is not there any more; rows are looked at one by one elsewhere."""
    named = plan.parameters["findings"]
    gone = [each["sentence"] for each, number in zip(named, before, strict=True) if number == 0 and not _on_rows(each)]
    if gone:
        said = f"this is set right by now: {' '.join(gone)}"
        raise Stale([Moved("findings", str(len(named)), said, said=said)], LEFT)


def refuse_other_rules(plan: Plan, database: Database) -> None:
    """Raise Stale for a finding of a rule that does not say any more what it said when the plan was made."""
    rules = in_force.rules_of(database)
    for each in plan.parameters["findings"]:
        if each.get("rule", "") != rule_digest(rules, each["check"]):
            was = f"{each['check']} was changed or removed since"
            raise Stale([Moved(each["check"], "as planned", was, said=was)], LEFT)


def rule_digest(rules: Sequence[Spec], check: str) -> str:
    """Over all that the rule behind a finding says; "" where it is of no rule."""
    return next((digest_of(canonical_json(as_json(rule))) for rule in rules if rule.check == check), "")


def _on_rows(finding: Mapping[str, Any]) -> bool:
    return finding["action"] in ON_ROWS


def compared(plan: Plan, before: Sequence[int | None], after: Sequence[int | None]) -> list[dict[str, Any]]:
    """`check`, `subject`, `before` and `after` of each finding, as a result holds them."""
    named = plan.parameters["findings"]
    return [
        {"check": each["check"], "subject": each["subject"], "before": was, "after": now}
        for each, was, now in zip(named, before, after, strict=True)
    ]
