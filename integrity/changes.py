"""The change request of this app: what must hold in a database. What is confirmed here runs on its server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from integrity.rules import in_force, putting
from integrity.rules.base import Spec, rule_kind
from integrity.rules.compiling import Compiled, compile_rules
from integrity.rules.requested import NO_FIX, as_json, rule_from
from integrity.rules.switching import is_switch, switched
from opsconsole.changes import Change, Draft
from opsconsole.changes.values import names, number, structure
from opsconsole.databases.finding import database_of, require_engineer
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Database, Operation
from opsconsole.plans import Effect, Plan, Step
from opsconsole.review import Dialect

MOST_RULES = 500  # of one database
LISTED = 4  # names in a summary
OFF_WORDS = (
    "It is kept, switched off: what was found by it is told as not looked at, and not counted, until it is on again."
)


class SetRules(Change):
    """Set, replace, remove rules of one database, or switch them off and on: all of it or nothing."""

    name: ClassVar[str] = in_force.ACTION
    label: ClassVar[str] = "Set rules"
    fields: ClassVar[tuple[str, ...]] = ("database", "rules", "remove", "off", "on")
    free_at_first: ClassVar[bool] = False

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        database = database_of(number(parameters, "database", default=0, least=0, most=2**53))
        known = {rule.name: rule for rule in in_force.rules_of(database)}
        wanted = [*_wanted(database, parameters, known), *switched(database, parameters, known)]
        gone = names(parameters, "remove")
        _refuse_odd(database, known, wanted, gone)
        return Draft(
            summary=_summary(database, known, wanted, gone),
            parameters={
                "database": database.pk,
                "rules": [as_json(rule) for rule in wanted],
                "remove": gone,
                "before": putting.standing(database, [*(rule.name for rule in wanted), *gone]),
            },
            effects=(
                *(
                    _effect(database, rule.name, "replaced" if rule.name in known else "created", off=rule.off)
                    for rule in wanted
                ),
                *(_effect(database, name, "removed") for name in gone),
            ),
            owner_groups=(database.owner_group.name,),
            databases=(database.pk,),
            risk="medium" if gone or any(_gives_up(known, rule) for rule in wanted) else "low",
            risk_reasons=_reasons(known, wanted, gone),
        )

    def plan(self, parameters: Mapping[str, Any], account: Account | None) -> Plan:
        """The plan carries each rule with the exact SQL, for that is what others decide about."""
        plan = super().plan(parameters, account)
        given = plan.parameters
        database = database_of(given["database"])
        rules = [rule_from(each, Dialect(database.engine)) for each in given["rules"]]
        known = {rule.name: rule for rule in in_force.rules_of(database)}
        compiled = compile_rules(database, rules) if rules else {}
        steps = [_step(rule, compiled[rule.name], known.get(rule.name)) for rule in rules]
        steps += [Step(title=f"{name} is no longer asked", detail=_before(known[name])) for name in given["remove"]]
        asked = [(rule.name, compiled[rule.name].problem) for rule in rules if not rule.off]
        unfit = [f"{name}: {problem}" for name, problem in asked if problem]
        told = (_unfit_words(database, len(unfit), len(asked)),) if unfit else ()
        return replace(
            plan,
            steps=(*steps[:-1], replace(steps[-1], commit_point=True)),
            risk_reasons=(*told, *plan.risk_reasons, *unfit),
        )

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Whoever may ask for a check there may ask for this."""
        require_engineer(account, database_of(draft.parameters["database"]), "set its rules")

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        database, before = database_of(parameters["database"]), dict(parameters["before"])
        if putting.standing(database, before) != before:
            raise Refused("stale", "One of these rules was changed by somebody else meanwhile.", "Ask again.")
        rules = [rule_from(each, Dialect(database.engine)) for each in parameters["rules"]]
        for rule in rules:
            putting.put(database, rule, operation)
        for name in parameters["remove"]:
            putting.remove(database, name, operation)
        return {"database": database.pk, "set": [rule.name for rule in rules], "removed": list(parameters["remove"])}


def _wanted(database: Database, parameters: Mapping[str, Any], known: Mapping[str, Spec]) -> list[Spec]:
    """The rules that are asked for and are not there like this already. Raises Usage."""
    given = structure(parameters, "rules", default=[])
    if not isinstance(given, list) or not all(isinstance(each, Mapping) for each in given):
        raise Usage("bad_value", "rules is no list of rules.", "Write it like the example in docs/integrity.md.")
    rules = [rule_from(each, Dialect(database.engine)) for each in given]
    twice = sorted({rule.name for rule in rules if [each.name for each in rules].count(rule.name) > 1})
    if twice:
        raise Usage("named_twice", f"The rule {twice[0]} is there twice.", "Give each rule a name of its own.")
    return [rule for rule in rules if rule.name not in known or as_json(rule) != as_json(known[rule.name])]


def _refuse_odd(database: Database, known: Mapping[str, Spec], wanted: list[Spec], gone: list[str]) -> None:
    setting = {rule.name for rule in wanted}
    if len(setting) < len(wanted):
        raise Usage(
            "named_twice", "A rule is both set and switched.", "Say off in what is set, or switch it afterwards."
        )
    for name in gone:
        if name not in known:
            raise Usage("unknown_rule", f"{database.name} has no rule {name}.", "Look at the list of its rules.")
        if name in setting:
            raise Usage("set_and_removed", f"The rule {name} is both set and removed.", "Decide for one of them.")
    if not wanted and not gone:
        raise Usage("nothing_to_do", f"{database.name} has these rules already, or none was given.", "See the list.")
    left = (set(known) | setting) - set(gone)
    if len(left) > MOST_RULES:
        raise Usage("too_many", f"A database has at most {MOST_RULES} rules.", "Remove some.")
    taken = {rule.health: name for name, rule in known.items() if rule.health and name in left - setting}
    for rule in wanted:
        if rule.health and taken.setdefault(rule.health, rule.name) != rule.name:
            raise Usage(
                "named_twice", f"{rule.name} and {taken[rule.health]} have the same name of health: {rule.health}.",
                "Give each its own.",
            )  # fmt: skip


def _summary(database: Database, known: Mapping[str, Spec], wanted: list[Spec], gone: list[str]) -> str:
    asked, off = [rule for rule in wanted if not rule.off], [rule.name for rule in wanted if rule.off]
    again = [rule.name for rule in asked if rule.name in known and known[rule.name].off]
    until = f"until {'they are' if len(off) > 1 else 'it is'} switched on"
    packs = {rule.pack for rule in asked}
    if len(asked) > 1 and not again and len(packs) == 1 and (pack := packs.pop()):
        others = [(f"not {until}", off), ("no longer", gone)]
        more = [f", and {word}: {_listed(some)}" for word, some in others if some]
        return f"A check of {database.name} asks {len(asked)} rules of the pack {pack}{''.join(more)}."
    parts = [
        ("asks", [rule.name for rule in asked if rule.name not in known]),
        ("asks otherwise", [rule.name for rule in asked if rule.name in known and rule.name not in again]),
        ("asks again", again),
        (f"does not ask, {until}", off),
        ("no longer asks", gone),
    ]
    said = [f"{verb}: {_listed(some)}" for verb, some in parts if some]
    return f"A check of {database.name} {'; '.join(said)}."


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:LISTED])
    return f"{shown} and {len(names) - LISTED} more rules" if len(names) > LISTED else shown


def _effect(database: Database, name: str, action: str, *, off: bool = False) -> Effect:
    """What it says stands in the step of that rule."""
    return Effect(object=f"rule {name} of {database.name}", action=action, note="switched off" if off else "")


def _words(rule: Spec) -> str:
    kind = rule_kind(rule.kind)
    return f"{rule.severity}, {rule.category}: {kind.sentence(rule.spec) if kind else rule.kind}"


def _gives_up(known: Mapping[str, Spec], rule: Spec) -> bool:
    """Whether what a rule says until now is not asked any more."""
    before = known.get(rule.name)
    return before is not None and not before.off and (rule.off or not is_switch(rule, before))


def _step(rule: Spec, compiled: Compiled, before: Spec | None) -> Step:
    title, parts = f"{rule.name}: {_words(rule)}", [OFF_WORDS if rule.off else "", _details(rule)]
    if is_switch(rule, before):
        title = f"{rule.name} is switched off: no check asks it" if rule.off else f"{rule.name} is asked again"
        parts.insert(0, f"{_words(rule)}.")
    parts.append(f"Cannot be asked as it is: {compiled.problem}" if compiled.problem else "")
    parts.append(_before(before) if before and not is_switch(rule, before) else "")
    return Step(title=title, detail=" ".join(filter(None, parts)), sql="" if rule.off else compiled.sql)


def _before(rule: Spec) -> str:
    """What people would give up."""
    was = " It was switched off." if rule.off else ""
    return f"Until now: {_words(rule)}.{was} {_details(rule)}".rstrip()


def _details(rule: Spec) -> str:
    parts = [f"More than {rule.threshold} row{'s are' if rule.threshold != 1 else ' is'} a finding."] * bool(
        rule.threshold
    )
    parts += [f"{_fix_words(rule.fix)}."] if rule.fix else []
    parts += [f"Counted by the health answer as {rule.health}."] if rule.health else []
    parts += [f"{rule.owner} looks after it."] if rule.owner else []
    return " ".join(parts)


def _fix_words(fix: Mapping[str, Any]) -> str:
    action, column = fix.get("action", ""), fix.get("column", "")
    if action == NO_FIX:
        return "Nothing is proposed to set it right"
    words = {"delete_rows": "delete the rows", "set_null": f"set {column} to NULL"}
    said = words.get(action, f"set {column} to {fix.get('value', '')}" if column else action)
    return f"What a finding proposes, which others approve on its own: {said}"


def _unfit_words(database: Database, number: int, of: int) -> str:
    one = "One of these rules does" if of > 1 else "This rule does"
    which = f"{number} of these {of} rules do" if number > 1 else one
    return f"{which} not fit {database.name} as it is: until it fits, each check says that it could not be asked."


def _reasons(known: Mapping[str, Spec], wanted: list[Spec], gone: list[str]) -> tuple[str, ...]:
    asked = [rule for rule in wanted if not rule.off]
    reasons = ["It runs read-only, with few rights and for a limited time, on the database's server."] if asked else []
    lost = [rule for rule in wanted if _gives_up(known, rule)]
    if replaced := [rule.name for rule in lost if not rule.off]:
        reasons.append(f"What {_listed(replaced)} said before is no longer asked.")
    if off := [rule.name for rule in lost if rule.off]:
        reasons.append(f"While {_listed(off)} {'are' if len(off) > 1 else 'is'} off, nobody is told what breaks there.")
    if gone or off:
        reasons.append("Checks find less than before.")
    return tuple(reasons)
