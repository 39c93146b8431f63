"""Loading a pack: one change of many rules, that replaces the pack's own and leaves what people made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from integrity.models import Rule
from integrity.packs.sections import SECTIONS
from integrity.packs.specs import specs_of
from integrity.rules.base import Spec
from integrity.rules.in_force import ACTION, rules_of, spec_of
from integrity.rules.requested import as_json
from opsconsole.models import Database
from opsconsole.packs import Loaded, Loader, Outlook, Pack, Section, every
from opsconsole.packs.values import label_parts


class RulesLoader(Loader):
    """The loader of the sections `rules`, `shape`, `health` and `cleanup`: all of them are rules in the end."""

    action: ClassVar[str] = ACTION
    sections: ClassVar[tuple[Section, ...]] = SECTIONS

    def outlook(self, pack: Pack, database: Database, *, over_edits: bool) -> Outlook:
        there = {rule.name: rule for rule in rules_of(database)}
        wanted = {rule.name: rule for rule in specs_of(pack, database.engine)}
        own = {name for name, rule in there.items() if _from(rule) == pack.name}
        foreign = {name for name in wanted if name in there and name not in own}
        taken_away = _taken_away(database, pack, set(wanted) - set(there)) if own else set()
        kept = set() if over_edits else {n for n in foreign if not _alike(there[n], wanted[n])} | taken_away
        alike = {name for name in wanted if name in there and _alike(there[name], wanted[name])}
        put = [
            rule
            for name, rule in wanted.items()
            if name not in kept and rule != there.get(name) and (name in own or name not in alike)
        ]
        removed = sorted(own - set(wanted))
        return Outlook(
            parameters={
                "database": database.pk,
                "rules": [as_json(rule) for rule in put],
                "remove": removed,
            },
            added=_sorted(name for name in wanted if name not in there and name not in kept),
            replaced=_sorted(name for name in wanted if name in there and name not in kept and name not in alike),
            removed=tuple(removed),
            kept=_sorted(kept),
            same=_sorted(alike),
            changes=bool(put or removed),
        )

    def loaded(self, databases: Sequence[Database]) -> Mapping[int, tuple[Loaded, ...]]:
        by_place: defaultdict[tuple[int, str], list[Spec]] = defaultdict(list)
        names: defaultdict[int, dict[str, Spec]] = defaultdict(dict)
        for row in Rule.objects.filter(database__in=databases, replaced_by=None):
            rule = spec_of(row)
            names[row.database_id][rule.name] = rule
            if _from(rule):
                by_place[row.database_id, _from(rule)].append(rule)
        engines = {database.pk: database.engine for database in databases}
        known = {pack.name: pack for pack in every()}
        found: defaultdict[int, tuple[Loaded, ...]] = defaultdict(tuple)
        for (key, name), rules in sorted(by_place.items()):
            edited = _edited(known[name], engines[key], names[key]) if name in known else ()
            version = max(label_parts(rule.pack)[1] for rule in rules)
            found[key] += (Loaded(pack=name, version=version, things=len(rules), edited=edited),)
        return found


def _edited(pack: Pack, engine: str, there: Mapping[str, Spec]) -> tuple[str, ...]:
    wanted = [rule.name for rule in specs_of(pack, engine)]
    return _sorted(name for name in wanted if name in there and _from(there[name]) != pack.name)


def _taken_away(database: Database, pack: Pack, absent: set[str]) -> set[str]:
    """Rules that came from the pack and are gone since."""
    rows = Rule.objects.filter(database=database, name__in=absent).exclude(replaced_by=None)
    return {row.name for row in rows if label_parts(row.pack)[0] == pack.name}


def _from(rule: Spec) -> str:
    """The name of the pack that a rule came from as it is; empty for one of people."""
    return label_parts(rule.pack)[0]


def _alike(one: Spec, other: Spec) -> bool:
    return replace(one, pack="") == replace(other, pack="")


def _sorted(names: Any) -> tuple[str, ...]:
    return tuple(sorted(names))
