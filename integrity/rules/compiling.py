"""What rules come to in one database, as SQL for people to read before they agree to it. No row is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from integrity.checks import moments
from integrity.checks.base import Moment, Proposal, named
from integrity.rules.base import Spec, Unfit, rule_kind
from opsconsole.databases import engine_for
from opsconsole.engines.inquiry import AskFailed
from opsconsole.exceptions import TargetProblem
from opsconsole.models import Database

LOOK_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """The SELECTs of one rule; and why they could not be asked, with the SQL that people wrote where there are none."""

    sql: str = ""
    problem: str = ""


def compile_rules(database: Database, rules: Sequence[Spec]) -> dict[str, Compiled]:
    """By the rules' names. A database that cannot be reached is told as a problem of each."""
    try:
        with moments.opened(engine_for(database), database.name, seconds=LOOK_SECONDS) as moment:
            return {rule.name: _compiled(rule, moment) for rule in rules}
    except TargetProblem as error:
        why = f"{database.name} cannot be read now: {error.why}"
        return {rule.name: Compiled(sql=_written(rule), problem=why) for rule in rules}


def unfit(database: Database, rules: Sequence[Spec]) -> tuple[tuple[str, str], ...]:
    """Those that could not be asked of the database as it is: name and reason."""
    compiled = compile_rules(database, rules) if rules else {}
    return tuple(sorted((name, each.problem) for name, each in compiled.items() if each.problem))


def _compiled(rule: Spec, moment: Moment) -> Compiled:
    kind = rule_kind(rule.kind)
    if kind is None:
        return Compiled(problem=f"This console knows no rules of kind {rule.kind}.")
    try:
        statements = kind.statements(kind.filled(rule), moment)
        values = _values(kind.fixes(rule, moment), moment)
    except Unfit as error:
        return Compiled(sql=_written(rule), problem=error.why)
    asked = statements if _by_people(rule) or kind.fixable else []
    return Compiled(
        sql=";\n\n".join(statements),
        problem=_refusal(moment, asked, people=bool(_by_people(rule))) or _refusal(moment, values, people=True),
    )


def _refusal(moment: Moment, statements: Sequence[str], *, people: bool) -> str:
    """What the database has against these words, when it is asked for none of their rows."""
    try:
        for statement in statements:
            if people:
                moment.inquiry.ask_people(statement, most=0)
            else:
                moment.inquiry.ask(f"SELECT 1 FROM (\n{statement}\n) AS asked LIMIT 0")
    except AskFailed as error:
        return error.why
    return ""


def _values(fixes: Sequence[Proposal], moment: Moment) -> list[str]:
    """SELECTs of the values that people's words give to columns."""
    return [
        f"SELECT {each.value} AS value FROM {named(moment.structure, each.table)} AS t {each.joins} WHERE {each.where}"
        for each in fixes
        if each.people and each.value
    ]


def _written(rule: Spec) -> str:
    return "\n\n".join(f"-- {name}\n{rule.spec[name]}" for name in _by_people(rule))


def _by_people(rule: Spec) -> list[str]:
    """The members of a rule that are SQL which somebody wrote."""
    kind = rule_kind(rule.kind)
    members = [each.name for each in kind.members if each.kind in ("sql", "query")] if kind else []
    return [name for name in members if rule.spec.get(name)]
