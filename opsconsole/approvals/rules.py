"""Policies as values: which are in force, where each applies and what it asks for there. Reads rows, writes none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings

from opsconsole.approvals.requirement import Clause, Requirement, Window, strictest_of
from opsconsole.models import Policy, Role
from opsconsole.plans import NO_DEMAND, USUAL_GROWTH, Demand, Growth, canonical_json, digest_of

DEFAULT = "default"  # the policy of protected databases where no other one applies; it can be changed, not removed


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a policy's `match` looks at, of one registered database."""

    environment: str
    protected: bool
    owner_group: str
    tags: frozenset[str] = frozenset()

    def as_told(self) -> dict[str, Any]:
        """What the history tells of it."""
        return {
            "environment": self.environment, "protected": self.protected, "owner_group": self.owner_group,
            "tags": sorted(self.tags),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Verb:
    """What a policy's `match` looks at, of a kind. `gated` kinds are met by policies that name no kind."""

    name: str
    gated: bool = True


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One version of one policy. The attributes are those of `models.Policy`."""

    name: str
    version: int = 0
    title: str = ""
    match: Mapping[str, Any] = field(default_factory=dict)
    clauses: tuple[Mapping[str, Any], ...] = ()
    min_people: int = 1
    valid_minutes: int = 240
    windows: tuple[Window, ...] = ()
    growth: Growth = USUAL_GROWTH
    demand: Demand = NO_DEMAND

    @classmethod
    def of(cls, row: Policy) -> Rule:
        return cls(
            name=row.name,
            version=row.version,
            title=row.title,
            match=row.match,
            clauses=tuple(row.clauses),
            min_people=row.min_people,
            valid_minutes=row.valid_minutes,
            windows=tuple(Window.from_row(window) for window in row.windows),
            growth=Growth(percent=row.loss_growth_percent, rows=row.loss_growth_rows),
            demand=Demand(rehearsal_hours=row.rehearsal_hours, rehearsal_data_hours=row.rehearsal_data_hours),
        )

    def matches(self, verb: Verb, place: Place | None) -> bool:
        """Whether it applies. An absent key of `match` matches all; without a place, only rules that name none do."""
        kinds, environments, tags = (self.match.get(key) or () for key in ("kinds", "environments", "tags"))
        if verb.name not in kinds and (kinds or not verb.gated):
            return False
        if place is None:
            return not environments and not tags
        return (not environments or place.environment in environments) and (not tags or bool(place.tags & set(tags)))

    def seats(self, owner_group: str) -> tuple[Clause, ...]:
        """Its clauses on a database of that owner group ("" = of whichever group)."""
        groups = (owner_group,) if owner_group else ()
        clauses = tuple(
            Clause(roles=(clause["role"],), owner_groups=groups, count=max(1, int(clause.get("count", 1))))
            for clause in self.clauses
        )
        return clauses or (Clause(roles=(Role.APPROVER.value,), owner_groups=groups),)

    def requirement(self, owner_group: str) -> Requirement:
        """What it asks for on a database of that owner group ("" = of whichever group)."""
        clauses = self.seats(owner_group)
        return Requirement(
            gated=True,
            votes_needed=max(self.min_people, sum(clause.count for clause in clauses)),
            clauses=clauses,
            valid_minutes=self.valid_minutes,
            windows=(self.windows,) if self.windows else (),
            growth=self.growth,
            demand=self.demand,
            policies=(f"{self.name} v{self.version}",),
            sentences=(sentence(self),),
        )


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    """The policies in force at one moment: the default one, and the others by name."""

    default: Rule
    others: tuple[Rule, ...]

    def requirement(self, verb: Verb, place: Place) -> Requirement:
        """All matching policies merged to the strictest; the default where none matches a protected place."""
        matching = [rule for rule in self.others if rule.matches(verb, place)]
        if not matching and place.protected and verb.gated:
            matching = [self.default]
        return strictest_of(rule.requirement(place.owner_group) for rule in matching)

    @property
    def digest(self) -> str:
        """Names this set of policies: `sha256:...`."""
        return digest_of(canonical_json([_facts(rule) for rule in (self.default, *self.others)]))


def in_force(at: datetime) -> RuleSet:
    """The newest version of each policy that is in effect, without those that are switched off."""
    return rule_set(Policy.objects.filter(effective_at__lte=at))


def rule_set(rows: Iterable[Policy]) -> RuleSet:
    """The set that these versions make: of each name the highest version counts."""
    newest: dict[str, Policy] = {}
    for row in sorted(rows, key=lambda row: row.version):
        newest[row.name] = row
    rules = {name: Rule.of(row) for name, row in sorted(newest.items()) if row.enabled}
    return RuleSet(default=rules.pop(DEFAULT, _built_in()), others=tuple(rules.values()))


def sentence(rule: Rule) -> str:
    """A policy in words: "In production, a restore needs 1 other person of approvers; valid 4 h"."""
    text = f"{_where(rule)}, {_what(rule)} {_who(rule)}; valid {_span(rule.valid_minutes)}"
    if rule.windows:
        text += f"; only {', '.join(_window(window) for window in rule.windows)}"
    if rule.growth != USUAL_GROWTH:
        text += f"; {_growth(rule.growth)}"
    return f"{text}; {rule.demand.words}" if rule.demand.words else text


def _where(rule: Rule) -> str:
    environments, tags = rule.match.get("environments") or (), rule.match.get("tags") or ()
    if rule.name == DEFAULT:
        return "On protected databases that no other policy covers"
    where = f"In {_listed(environments, 'and')}" if environments else "Everywhere"
    return f"{where}, on databases tagged {_listed(tags, 'or')}" if tags else where


def _what(rule: Rule) -> str:
    names = [name.replace("_", " ") for name in rule.match.get("kinds") or ()]
    if not names:
        return "every kind that changes data"
    return _listed([f"{'an' if name[0] in 'aeiou' else 'a'} {name}" for name in names], "or")


def _who(rule: Rule) -> str:
    clauses = rule.seats("")
    total = max(rule.min_people, sum(clause.count for clause in clauses))
    people = "1 other person" if total == 1 else f"{total} other people"
    if len(clauses) == 1 and clauses[0].count == total:
        return f"needs {people} of {clauses[0].words}"
    return f"needs {people}: {', '.join(f'{clause.count} of {clause.words}' for clause in clauses)}"


def _span(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{rest} min" if rest else "") if part)


def _growth(growth: Growth) -> str:
    if growth.percent == growth.rows == 0:
        return "stale when a row more would be lost than was approved"
    return f"stale when more than {growth.percent} % and {growth.rows} rows more would be lost than was approved"


def _window(window: Window) -> str:
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    days = "every day" if len(window.days) == 7 else " ".join(names[day] for day in window.days)
    return f"{days} {window.begins:%H:%M}-{window.ends:%H:%M} UTC"


def _listed(names: Iterable[str], word: str) -> str:
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last


def _facts(rule: Rule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "version": rule.version,
        "match": dict(rule.match),
        "clauses": list(rule.clauses),
        "min_people": rule.min_people,
        "valid_minutes": rule.valid_minutes,
        "windows": [window.as_row() for window in rule.windows],
        "loss_growth_percent": rule.growth.percent,
        "loss_growth_rows": rule.growth.rows,
        **(asdict(rule.demand) if rule.demand != NO_DEMAND else {}),
    }


def _built_in() -> Rule:
    return Rule(
        name=DEFAULT,
        title="Protected databases",
        clauses=({"role": Role.APPROVER.value, "count": 1},),
        valid_minutes=int(settings.APPROVAL_HOURS * 60),
    )
