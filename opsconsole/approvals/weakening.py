"""Whether one set of policies protects less than another, found by asking both the same questions."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from opsconsole import kinds
from opsconsole.approvals.requirement import Requirement
from opsconsole.approvals.rules import Place, Rule, RuleSet, Verb
from opsconsole.models import Database, Environment


def weakened(before: RuleSet, after: RuleSet) -> list[tuple[str, Requirement]]:
    """Where `after` asks for less than `before`: what that is in words, and what `before` asks for there.

    Every kind is tried in every environment with every set of tags that a database carries or a policy names.
    """
    found = []
    for verb, place in product(_verbs(before, after), _places(before, after)):
        was, becomes = before.requirement(verb, place), after.requirement(verb, place)
        if not becomes.covers(was):
            tags = f" tagged {', '.join(sorted(place.tags))}" if place.tags else ""
            found.append((f"{verb.name.replace('_', ' ')} in {place.environment}{tags}", was))
    return found


def _verbs(*sets: RuleSet) -> list[Verb]:
    verbs = {kind.name: Verb(name=kind.name, gated=kind.gated) for kind in kinds.every()}
    named = {name for rule in _rules(sets) for name in rule.match.get("kinds") or ()}
    return list(verbs.values()) + [Verb(name=name, gated=False) for name in sorted(named - set(verbs))]


def _places(*sets: RuleSet) -> list[Place]:
    carried = {frozenset(tags) for tags in Database.objects.filter(removed_at=None).values_list("tags", flat=True)}
    named = {frozenset({tag}) for rule in _rules(sets) for tag in rule.match.get("tags") or ()}
    tags = sorted(carried | named | {frozenset()}, key=sorted)
    return [
        Place(environment=environment.name, protected=environment.protected, owner_group="", tags=held)
        for environment, held in product(Environment.objects.all(), tags)
    ]


def _rules(sets: Iterable[RuleSet]) -> list[Rule]:
    return [rule for each in sets for rule in (each.default, *each.others)]
