"""Changes of policies: a new version of one, or switching one off. What they weaken waits, and its guardians agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from opsconsole import approvals, audit, bootstrap, kinds
from opsconsole.approvals import RuleSet, Window
from opsconsole.changes.base import Change, Draft, delay_in_words
from opsconsole.changes.values import number, slug, structure, text
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Environment, Membership, Operation, OwnerGroup, Policy
from opsconsole.plans import Effect

VOTING = approvals.CONFIRMING
GROWTH = ("loss_growth_percent", "loss_growth_rows")
DEMAND = ("rehearsal_hours", "rehearsal_data_hours")
OLDEST_HOURS = 90 * 24
LONGEST = 7 * 24 * 60


class SetPolicy(Change):
    """A new policy, or a new version of one. `match`, `clauses` and `windows` are as in `models.Policy`."""

    name = "policy.set"
    label = "Set a policy"
    fields = ("name", "title", "match", "clauses", "min_people", "valid_minutes", "windows", *GROWTH, *DEMAND)

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        name = slug(parameters, "name", of="a policy")
        newest = newest_of(name) or Policy(name=name, title=name, version=0)
        wanted = {
            "title": text(parameters, "title", default=newest.title)[:120],
            "match": match_of(structure(parameters, "match", default=newest.match), name),
            "clauses": clauses_of(structure(parameters, "clauses", default=newest.clauses)),
            "windows": windows_of(structure(parameters, "windows", default=newest.windows)),
            "min_people": number(parameters, "min_people", default=newest.min_people, least=1, most=20),
            "valid_minutes": number(parameters, "valid_minutes", default=newest.valid_minutes, least=5, most=LONGEST),
            "loss_growth_percent": number(
                parameters, "loss_growth_percent", default=newest.loss_growth_percent, least=0, most=1000
            ),
            "loss_growth_rows": number(
                parameters, "loss_growth_rows", default=newest.loss_growth_rows, least=0, most=1_000_000
            ),
            **{
                name: number(parameters, name, default=getattr(newest, name), least=0, most=OLDEST_HOURS)
                for name in DEMAND
            },
            "enabled": True,
        }
        return draft_of(name, newest, wanted)

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return write(operation, parameters)


class DisablePolicy(Change):
    """Switch a policy off. The default one can be changed, not switched off."""

    name = "policy.disable"
    label = "Switch a policy off"
    fields = ("name",)

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        name = text(parameters, "name")
        newest = newest_of(name)
        if newest is None or not newest.enabled:
            raise Usage("unknown_policy", f"There is no policy called {name} that is switched on.", "Look at the list.")
        if name == approvals.DEFAULT:
            raise Refused("default_policy", "The default policy cannot be switched off.", "Set its clauses instead.")
        kept = ("title", "match", "clauses", "windows", "min_people", "valid_minutes", *GROWTH, *DEMAND)
        return draft_of(name, newest, {field: getattr(newest, field) for field in kept} | {"enabled": False})

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return write(operation, parameters)


def draft_of(name: str, newest: Policy, wanted: Mapping[str, Any]) -> Draft:
    """What the new version means: where it asks for less than what is in force, who guards that, and when it begins.

    `newest` is the version before, or an unsaved one of version 0.
    """
    row = Policy(name=name, version=newest.version + 1, **wanted)
    lost = approvals.weakened(approvals.in_force(now()), _with(row))
    says = _said(row)
    begins = delay_in_words(settings.WEAKENED_POLICY_HOURS) if lost else "at once"
    return Draft(
        summary=f"The policy {name} (version {row.version}): {says}.",
        parameters={"name": name, "version": row.version, **wanted},
        effects=(
            Effect(
                object=f"policy {name}", action="replaced" if newest.version else "created",
                note=f"{_said(newest) if newest.version else 'none'} → {says}",
            ),
            Effect(object="takes effect", action="created", note=begins),
        ),
        facts=(f"policy/{name}",),
        owner_groups=tuple(OwnerGroup.objects.values_list("name", flat=True)),
        demands=approvals.strictest_of(requirement for _, requirement in lost),
        risk="high" if lost else "low",
        risk_reasons=(*(f"It asks for less than now for a {where}." for where, _ in lost[:10]), *_too_few(row)),
        way_back="Set the policy as it was: that is a tightening, which counts at once.",
    )  # fmt: skip


def _too_few(row: Policy) -> list[str]:
    """Seats for which there are so few people that nobody could take them."""
    told = []
    for clause in row.clauses if row.enabled else ():
        role, seats = clause["role"], int(clause.get("count", 1))
        rows = Membership.objects.filter(role=role, person__is_service=False, person__accounts__is_active=True)
        held = rows.values("person").distinct().count()
        if held <= seats:
            there = f"there {'is' if held == 1 else 'are'} {held}"
            what = "what one of them asks for" if held == seats else "anything"
            told.append(f"It asks for {seats} of {role}, and {there}: {what} would wait for nobody.")
    return told


def write(operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Add the version. What it weakens is found again now; then it begins after WEAKENED_POLICY_HOURS."""
    at = now()
    row = Policy(**parameters, effective_at=at, created_at=at, changed_by=operation)
    lost = approvals.weakened(approvals.in_force(at), _with(row))
    if lost:
        row.effective_at = bootstrap.not_before(settings.WEAKENED_POLICY_HOURS)
    row.save()
    told = {
        "policy": row.pk, "name": row.name, "version": row.version, "match": row.match, "clauses": row.clauses,
        "min_people": row.min_people, "valid_minutes": row.valid_minutes, "effective_at": row.effective_at.isoformat(),
        "loss_growth_percent": row.loss_growth_percent, "loss_growth_rows": row.loss_growth_rows,
        "windows": row.windows, "enabled": row.enabled, "weaker": [where for where, _ in lost],
        "title": row.title, "rehearsal_hours": row.rehearsal_hours, "rehearsal_data_hours": row.rehearsal_data_hours,
    }  # fmt: skip
    audit.record("policy.changed", operation=operation, subject=f"{row.name} version {row.version}", data=told)
    return {"policy": row.pk, "version": row.version, "effective_at": row.effective_at.isoformat()}


def newest_of(name: str) -> Policy | None:
    """The newest version of a policy, in effect or not."""
    return Policy.objects.filter(name=name).order_by("-version").first()


def match_of(given: Any, name: str) -> dict[str, list[str]]:
    """`{"kinds", "environments", "tags"}`, each a list of known names or absent. Raises Usage."""
    if not isinstance(given, dict) or set(given) - {"kinds", "environments", "tags"}:
        raise Usage("bad_value", "A policy matches by kinds, environments and tags.", 'Like {"kinds": ["restore"]}.')
    match = {key: _texts(values, key) for key, values in given.items() if values}
    if match and name == approvals.DEFAULT:
        raise Usage(
            "bad_value", "The default policy covers what no other one does; it matches nothing in particular.", ""
        )
    known = {
        "kinds": {kind.name for kind in kinds.every()} | {approvals.CHANGE},
        "environments": set(Environment.objects.values_list("name", flat=True)),
    }
    for key, there in known.items():
        if unknown := sorted(set(match.get(key, ())) - there):
            raise Usage(
                "bad_value",
                f"There is nothing called {unknown[0]} among the {key}.",
                f"There are: {', '.join(sorted(there))}.",
            )
    return match


def clauses_of(given: Any) -> list[dict[str, Any]]:
    """`[{"role", "count"}]`, one clause a role, at least one. Raises Usage."""
    rows = given if isinstance(given, list) else []
    clauses = [{"role": row.get("role"), "count": row.get("count", 1)} for row in rows if isinstance(row, dict)]
    fit = all(
        clause["role"] in VOTING and type(clause["count"]) is int and 0 < clause["count"] <= 20 for clause in clauses
    )
    if not clauses or not fit or len({clause["role"] for clause in clauses}) < len(rows):
        raise Usage(
            "bad_value", "A policy needs seats: one clause for each role, with a count of 1 or more.",
            f'Like [{{"role": "approvers", "count": 1}}]. Roles: {", ".join(VOTING)}.',
        )  # fmt: skip
    return clauses


def windows_of(given: Any) -> list[dict[str, Any]]:
    """`[{"days": [0..6], "from": "HH:MM", "to": "HH:MM"}]` in UTC; empty means always. Raises Usage."""
    try:
        windows = [Window.from_row(row) for row in given]
        fit = all(window.begins != window.ends and set(window.days) <= set(range(7)) for window in windows)
    except (KeyError, TypeError, ValueError, AttributeError):
        fit = False
    if not fit:
        raise Usage(
            "bad_value",
            "A window is days from Monday = 0, and two different times in UTC.",
            'Like {"days": [5, 6], "from": "22:00", "to": "04:00"}.',
        )
    return [window.as_row() for window in windows]


def _texts(values: Any, key: str) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        raise Usage("bad_value", f"{key} is a list of names.", f'Like {{"{key}": ["..."]}}.')
    return sorted({value.strip() for value in values})


def _with(row: Policy) -> RuleSet:
    """The policies in force if the version counted now."""
    others = Policy.objects.filter(effective_at__lte=now()).exclude(name=row.name)
    return approvals.rule_set([*others, row])


def _said(row: Policy) -> str:
    return approvals.sentence(approvals.Rule.of(row)) if row.enabled else "switched off"
