"""The sections of a pack as rules: each a value like one that people write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrity.rules.base import Spec
from integrity.rules.requested import FIELDS, rule_from
from opsconsole.exceptions import Usage
from opsconsole.packs import Pack
from opsconsole.review import Dialect

RULES, SHAPE, HEALTH, CLEANUP = "rules", "shape", "health", "cleanup"
ENGINES = "engines"  # those that a rule is for, when it is not for all of the pack's
_OF_RULES = frozenset(FIELDS) - {"pack", "health"} | {ENGINES}
_OF_SHAPES = _OF_RULES - {"kind", "spec", "fix", "threshold"} | {"tables", "indexes"}


@dataclass(frozen=True, kw_only=True)
class Packed:
    """One rule of a pack, as a database of that engine gets it, and the section that it stands in."""

    rule: Spec
    engine: str
    section: str


def specs_of(pack: Pack, engine: str) -> list[Spec]:
    """The rules that a database of that engine gets. Raises Usage."""
    return [each.rule for each in packed(pack) if each.engine == engine]


def packed(pack: Pack) -> list[Packed]:
    """Every rule of the pack, once an engine. Raises Usage for the first one that makes no sense."""
    by_rule = {rule: name for name, rule in health_names(pack).items()}
    given = [(RULES, each) for each in _tables(pack, RULES, _OF_RULES)]
    given += [(SHAPE, _as_rule(each)) for each in _tables(pack, SHAPE, _OF_SHAPES)]
    found = [
        Packed(rule=_rule(pack, each, engine, by_rule), engine=engine, section=section)
        for section, each in given
        for engine in each.get(ENGINES, pack.engines)
    ]
    names = [(each.rule.name, each.engine) for each in found]
    if twice := sorted({each for each in names if names.count(each) > 1}):
        raise Usage("bad_pack", f"The pack {pack.label} has two rules {twice[0][0]} for {twice[0][1]}.")
    return found


def health_names(pack: Pack) -> dict[str, str]:
    """The names of the health answer, each with its rule's. Raises Usage."""
    found = pack.sections.get(HEALTH, {})
    if not isinstance(found, dict) or not all(isinstance(rule, str) for rule in found.values()):
        raise Usage("bad_pack", f"The section {HEALTH} of {pack.label} is no table of names and rules.")
    return found


def cleanup_names(pack: Pack) -> list[str]:
    """The names that the cleanup removes rows of, in its order. Raises Usage."""
    found = pack.sections.get(CLEANUP, [])
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise Usage("bad_pack", f"The section {CLEANUP} of {pack.label} is no list of names.")
    return found


def _as_rule(given: Mapping[str, Any]) -> dict[str, Any]:
    """A shape as the rule that it becomes."""
    spec = {member: given.get(member, []) for member in ("tables", "indexes")}
    return {name: value for name, value in given.items() if name not in spec} | {"kind": "shape", "spec": spec}


def _rule(pack: Pack, given: Mapping[str, Any], engine: str, by_rule: Mapping[str, str]) -> Spec:
    whole = {name: value for name, value in given.items() if name != ENGINES}
    whole |= {"health": by_rule.get(str(given.get("name")), ""), "pack": pack.label}
    try:
        return rule_from(whole, Dialect(engine))
    except Usage as error:
        raise Usage("bad_pack", f"The pack {pack.label} makes no sense: {error.why}", error.next_step) from error


def _tables(pack: Pack, section: str, known: frozenset[str]) -> list[Mapping[str, Any]]:
    found = pack.sections.get(section, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise Usage("bad_pack", f"The section {section} of {pack.label} is no list of tables.")
    for each in found:
        if unknown := sorted(set(each) - known):
            raise Usage(
                "bad_pack",
                f"{section} of {pack.label} has a member {unknown[0]} that this console does not know.",
                "Use a newer release of the console, or an older version of the pack.",
            )
        if not set(each.get(ENGINES, pack.engines)) <= set(pack.engines):
            raise Usage("bad_pack", f"{section} of {pack.label} names an engine that the pack is not for.")
    return found
