"""The sections of packs that this app registers, checked and told."""

from __future__ import annotations

from collections.abc import Iterable

from integrity.packs.specs import CLEANUP, HEALTH, RULES, SHAPE, Packed, cleanup_names, health_names, packed
from integrity.rules.base import Spec
from integrity.rules.kinds.shape import listed
from integrity.rules.requested import kind_called
from opsconsole.exceptions import Usage
from opsconsole.packs import Lines, Pack, Section


def _check_rules(pack: Pack) -> None:
    packed(pack)


def _check_health(pack: Pack) -> None:
    names = {each.rule.name for each in packed(pack)}
    for name, rule in health_names(pack).items():
        if rule not in names:
            raise Usage("bad_pack", f"The health name {name} of {pack.label} means a rule {rule}, which it has not.")


def _check_cleanup(pack: Pack) -> None:
    health = health_names(pack)
    for name in cleanup_names(pack):
        if name not in health:
            raise Usage("bad_pack", f"The cleanup of {pack.label} has {name}, which is no name of its health.")
        if any(not each.rule.fix for each in packed(pack) if each.rule.name == health[name]):
            raise Usage("bad_pack", f"The cleanup of {pack.label} has {name}, whose rule {health[name]} has no fix.")


def _rule_lines(pack: Pack) -> Lines:
    return _by_engine(
        pack, ((each, each.rule.name, _words(each.rule)) for each in packed(pack) if each.section == RULES)
    )


def _shape_lines(pack: Pack) -> Lines:
    shapes = (each for each in packed(pack) if each.section == SHAPE)
    return _by_engine(pack, ((each, name, words) for each in shapes for name, words in listed(each.rule)))


def _health_lines(pack: Pack) -> Lines:
    return tuple((name, f"counts what breaks the rule {rule}") for name, rule in health_names(pack).items())


def _cleanup_lines(pack: Pack) -> Lines:
    return tuple((name, f"step {place} of the cleanup") for place, name in enumerate(cleanup_names(pack), 1))


def _by_engine(pack: Pack, told: Iterable[tuple[Packed, str, str]]) -> Lines:
    """Each thing once; one that is not the same on all of the pack's engines says on which it is so."""
    engines: dict[tuple[str, str], list[str]] = {}
    for each, name, words in told:
        engines.setdefault((name, words), []).append(each.engine)
    return tuple(
        (name, words if len(some) == len(pack.engines) else f"{words} (on {' and '.join(some)})")
        for (name, words), some in engines.items()
    )


def _words(rule: Spec) -> str:
    return f"{rule.severity}, {rule.category}: {kind_called(rule.kind).sentence(rule.spec)}"


SECTIONS = (
    Section(name=RULES, label="Rules", check=_check_rules, lines=_rule_lines),
    Section(name=SHAPE, label="Expected shape", check=_check_rules, lines=_shape_lines),
    Section(name=HEALTH, label="Health", check=_check_health, lines=_health_lines),
    Section(name=CLEANUP, label="Cleanup", check=_check_cleanup, lines=_cleanup_lines),
)
