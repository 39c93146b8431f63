"""Changes of rules: a new version for a scope, or taking one away. What keeps less than now waits, and is guarded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings

from lifecycle.models import RetentionRule
from lifecycle.retention import rules
from lifecycle.retention.deciding import Fate
from lifecycle.retention.facts import outlook
from lifecycle.retention.rule import COUNTS, MOST, Rule, sentence
from opsconsole import audit, bootstrap, stores
from opsconsole.changes import Change, Draft
from opsconsole.changes.base import delay_in_words
from opsconsole.changes.values import flag, number, text
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Database, Environment, Operation, OwnerGroup
from opsconsole.plans import Effect
from opsconsole.templatetags.console import size

SET, REMOVE = "retention.set", "retention.remove"


class SetRule(Change):
    """The rule of a scope: `default`, `environment/NAME` or `database/NAME`."""

    name = SET
    label = "Set how long backups are kept"
    fields = ("scope", *COUNTS, "time_zone", "keeps_all", "move_days", "move_to")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        scope = scope_of(text(parameters, "scope"))
        wanted = rule_from(parameters, _now_of(scope))
        _refuse_same(scope, wanted)
        return _draft(scope, wanted, enabled=True)

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return write(operation, parameters)


class RemoveRule(Change):
    """Take the rule of an environment or a database away; the next wider one counts there then."""

    name = REMOVE
    label = "Take a rule of retention away"
    fields = ("scope",)

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        scope = scope_of(text(parameters, "scope"))
        if scope == rules.DEFAULT or scope not in rules.in_force():
            raise Refused("no_rule", "There is no rule that could be taken away there.", "Set the default one instead.")
        return _draft(scope, _now_of(scope), enabled=False)

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return write(operation, parameters)


def _refuse_same(scope: str, wanted: Rule) -> None:
    """Raises Usage for the rule that is there already; one that is to end by a version that waits may be set again."""
    own, newest = rules.in_force().get(scope), rules.newest_of(scope)
    waits = newest is not None and (not newest.enabled or rules.rule_of(newest) != wanted)
    if own is not None and own.rule == wanted and not waits:
        raise Usage("nothing_to_change", f"{rules.where(scope)}: that is the rule already.", "Give other numbers.")


def rule_from(parameters: Mapping[str, Any], before: Rule) -> Rule:
    """The rule that somebody asks for; what is not given stays as it is. Raises Usage."""
    counts = {
        name: number(parameters, name, default=before.counts[name], least=0, most=MOST) for name in COUNTS
    }  # fmt: skip
    zone = text(parameters, "time_zone", default=before.time_zone)
    if zone not in available_timezones():
        raise Usage("bad_value", f"{zone!r} is no time zone.", "Use a name like UTC or Europe/Berlin.")
    keeps_all = flag(parameters, "keeps_all", default=before.keeps_all)
    if not keeps_all and not any(counts.values()):
        raise Usage("bad_value", "A rule keeps something: all of its numbers are zero.", "Keep at least the last one.")
    days, store = _moving(parameters, before)
    return Rule(**counts, time_zone=zone, keeps_all=keeps_all, move_days=days, move_to=store)


def _moving(parameters: Mapping[str, Any], before: Rule) -> tuple[int, str]:
    """After how many days backups move, and to which store; (0, "") for nowhere. Raises Usage."""
    days = number(parameters, "move_days", default=before.move_days, least=0, most=100 * 366)
    store = str(parameters.get("move_to", before.move_to) or "").strip()
    if not days and not store:
        return 0, ""
    if not days or store not in stores.writable_names():
        raise Usage(
            "bad_value", f"Moving needs a number of days and a store that takes backups, not {days} and {store!r}.",
            f"There are: {', '.join(stores.writable_names())}.",
        )  # fmt: skip
    return days, store


def scope_of(given: str) -> str:
    """A scope that there is. Raises Usage."""
    noun, _, name = given.partition("/")
    known = {
        "default": not name,
        "environment": Environment.objects.filter(name=name).exists(),
        "database": Database.objects.filter(name=name, removed_at=None).exists(),
    }
    if not known.get(noun):
        raise Usage("unknown_scope", f"There is no scope {given}.", "Use default, environment/NAME or database/NAME.")
    return given


def _now_of(scope: str) -> Rule:
    """The rule that counts there now: its own, or that of the next wider scope."""
    known, name = rules.in_force(), scope.removeprefix(rules.DATABASE)
    if scope not in known and scope != name:
        rows = Database.objects.select_related("environment").filter(name=name, removed_at=None)
        return rules.rule_for(rows.get(), known)
    return known.get(scope, known[rules.DEFAULT]).rule


def _draft(scope: str, wanted: Rule, *, enabled: bool) -> Draft:
    newest = rules.newest_of(scope)
    version = newest.version if newest else 0
    lost = _weaker(scope, wanted, enabled=enabled)
    where, says = rules.where(scope), sentence(wanted) if enabled else "the next wider rule counts"
    was = rules.in_force().get(scope)
    return Draft(
        summary=f"{where}: {says}.",
        parameters={"scope": scope, "version": version + 1, **asdict(wanted), "enabled": enabled},
        effects=(
            Effect(
                object=f"how long backups are kept ({scope})", action="replaced" if was else "created",
                note=f"{sentence(_now_of(scope))} → {says}",
            ),
            Effect(object="takes effect", action="created",
                   note=delay_in_words(settings.WEAKENED_POLICY_HOURS) if lost else "at once"),
        ),
        owner_groups=_owners(scope),
        databases=tuple(database.pk for database in lost),
        risk="high" if lost else "low",
        risk_reasons=tuple(_would_go(database, wanted) for database in lost[:10] if enabled)
        or tuple(f"Of {database.name} less is kept than now." for database in lost[:10]),
        way_back="Set it as it was, which counts at once; what went to the trash can be taken out of it for "
        f"{settings.RETENTION_TRASH_DAYS} days.",
    )  # fmt: skip


def _weaker(scope: str, wanted: Rule, *, enabled: bool) -> list[Database]:
    """The databases of which less would be kept than now."""
    before = rules.in_force()
    after = dict(before)
    if enabled:
        after[scope] = rules.Scoped(scope=scope, rule=wanted)
    else:
        after.pop(scope, None)
    rows = Database.objects.filter(removed_at=None).select_related("environment", "owner_group").order_by("name")
    return [row for row in rows if not rules.rule_for(row, after).covers(rules.rule_for(row, before))]


def _would_go(database: Database, wanted: Rule) -> str:
    going = [decision for decision in outlook(database, rule=wanted).decisions if decision.fate == Fate.GOING]
    freed = size(sum(decision.size for decision in going))
    return f"Of {database.name} it keeps less than now: {len(going)} of its backups would go today, {freed}."


def _owners(scope: str) -> tuple[str, ...]:
    if scope.startswith(rules.DATABASE):
        name = scope.removeprefix(rules.DATABASE)
        return tuple(Database.objects.filter(name=name).values_list("owner_group__name", flat=True))
    return tuple(OwnerGroup.objects.values_list("name", flat=True))


def write(operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Add the version. Whether it keeps less is found again now; then it begins after WEAKENED_POLICY_HOURS."""
    at, scope = now(), str(parameters["scope"])
    newest = rules.newest_of(scope)
    if (newest.version if newest else 0) + 1 != parameters["version"]:
        raise Refused("stale", "The rule was changed by somebody else meanwhile.", "Look at it, and ask again.")
    row = RetentionRule(**parameters, effective_at=at, created_at=at, operation=operation)
    lost = _weaker(scope, rules.rule_of(row), enabled=row.enabled)
    if lost:
        row.effective_at = bootstrap.not_before(settings.WEAKENED_POLICY_HOURS)
    row.save()
    told = {
        "rule": row.pk, "scope": row.scope, "version": row.version, **rules.rule_of(row).counts,
        "time_zone": row.time_zone, "keeps_all": row.keeps_all, "move_days": row.move_days,
        "move_to": row.move_to, "enabled": row.enabled,
        "effective_at": row.effective_at.isoformat(), "weaker": [database.name for database in lost],
    }  # fmt: skip
    audit.record("retention.changed", operation=operation, subject=f"{scope} version {row.version}", data=told)
    return {"rule": row.pk, "version": row.version, "effective_at": row.effective_at.isoformat()}
