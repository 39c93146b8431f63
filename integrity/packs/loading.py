"""Loading a pack: one change of many rules, that replaces the pack's own and leaves what people made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from integrity.models import Rule
from integrity.packs.sections import SECTIONS
from integrity.packs.specs import specs_of
from integrity.rules.base import Spec
from integrity.rules.compiling import unfit
from integrity.rules.in_force import ACTION, rules_of, spec_of
from integrity.rules.requested import as_json
from opsconsole.models import Database
from opsconsole.packs import Loaded, Loader, Outlook, Pack, Section
from opsconsole.packs.values import label_parts


class RulesLoader(Loader):
    """The loader of the sections `rules`, `shape`, `health` and `cleanup`: all of them are rules in the end."""

    action: ClassVar[str] = ACTION
    sections: ClassVar[tuple[Section, ...]] = SECTIONS

    def outlook(self, pack: Pack, database: Database, *, over_edits: bool) -> Outlook:
        there = {rule.name: rule for rule in rules_of(database)}
        wanted = {rule.name: _as_switched(rule, there) for rule in specs_of(pack, database.engine)}
        came = _came([database])[database.pk]
        own = {name for name, rule in there.items() if _from(rule) == pack.name and not _is_edited(rule, came)}
        alike = {name for name in wanted if name in there and _alike(there[name], wanted[name])}
        changed = {name for name, rule in there.items() if name in wanted or _from(rule) == pack.name} - own - alike
        gone = {name for name in wanted if name not in there and any(_is_of(pack, name, key) for key in came)}
        kept = set() if over_edits else changed | (gone if own else set())
        put = [
            rule
            for name, rule in wanted.items()
            if name not in kept and rule != there.get(name) and (name in own or name not in alike)
        ]
        removed = sorted((own | changed) - kept - set(wanted))
        return Outlook(
            parameters={"database": database.pk, "rules": [as_json(rule) for rule in put], "remove": removed},
            added=_sorted(set(wanted) - set(there) - kept),
            replaced=_sorted((set(wanted) & set(there)) - kept - alike),
            removed=tuple(removed),
            kept=_sorted(kept),
            same=_sorted(alike),
            unfit=unfit(database, put),
            changes=bool(put or removed),
        )

    def loaded(self, databases: Sequence[Database]) -> Mapping[int, tuple[Loaded, ...]]:
        found: defaultdict[int, tuple[Loaded, ...]] = defaultdict(tuple)
        came = _came(databases)
        sources = {key: {name: label_parts(label)[0] for name, label in known} for key, known in came.items()}
        by_place: defaultdict[tuple[int, str], list[Spec]] = defaultdict(list)
        for row in Rule.objects.filter(database__in=databases, replaced_by=None):
            if source := label_parts(row.pack)[0] or sources.get(row.database_id, {}).get(row.name, ""):
                by_place[row.database_id, source].append(spec_of(row))
        for (key, name), rules in sorted(by_place.items()):
            version = max(label_parts(rule.pack)[1] for rule in rules)
            edited = _sorted(rule.name for rule in rules if _is_edited(rule, came[key]))
            found[key] += (Loaded(pack=name, version=version, things=len(rules), edited=edited),)
        return found


Came = dict[tuple[str, str], Spec]  # how a rule read when it came, by its name and the label of its pack


def _came(databases: Sequence[Database]) -> defaultdict[int, Came]:
    """By database. Loading gives a label, and an edit keeps or drops it: the first words under it are the pack's."""
    found: defaultdict[int, Came] = defaultdict(dict)
    for row in Rule.objects.filter(database__in=databases).exclude(pack="").order_by("id"):
        found[row.database_id].setdefault((row.name, row.pack), spec_of(row))
    return found


def _is_edited(rule: Spec, came: Came) -> bool:
    first = came.get((rule.name, rule.pack))
    return first is None or not _alike(rule, first)


def _is_of(pack: Pack, name: str, key: tuple[str, str]) -> bool:
    return key[0] == name and label_parts(key[1])[0] == pack.name


def _from(rule: Spec) -> str:
    """The name of the pack that a rule came from; empty for one of people."""
    return label_parts(rule.pack)[0]


def _alike(one: Spec, other: Spec) -> bool:
    """Whether they say the same, wherever they came from: to switch a rule off is no edit of it."""
    return replace(one, pack="", off=False) == replace(other, pack="", off=False)


def _as_switched(rule: Spec, there: Mapping[str, Spec]) -> Spec:
    """A rule of a pack, off where the one of that name is off here, and on where that one is on."""
    return replace(rule, off=there[rule.name].off) if rule.name in there else rule


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
