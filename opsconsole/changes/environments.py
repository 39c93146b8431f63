"""Changes of environments: what there is, and which are protected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsconsole import audit, stores
from opsconsole.changes.base import Change, Draft
from opsconsole.changes.values import flag, names, number, slug, text
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Database, Environment, Operation, OwnerGroup
from opsconsole.plans import Effect

COLOURS = ("grey", "blue", "green", "violet", "amber", "red")


class AddEnvironment(Change):
    name = "environment.add"
    label = "Add an environment"
    fields = ("name", "label", "protected", "order", "colour", "stores")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        name = slug(parameters, "name", of="an environment")
        if Environment.objects.filter(name=name).exists():
            raise Refused("name_taken", f"There is an environment called {name} already.", "Choose another name.")
        wanted = _wanted(parameters, Environment(name=name, label=name.capitalize(), order=Environment.objects.count()))
        return Draft(
            summary=f"There is an environment called {wanted['label']}, {_guarded(wanted)}.",
            parameters={"name": name, **wanted},
            effects=(Effect(object=f"environment {name}", action="created", note=_guarded(wanted)),),
            facts=(f"environment/{name}",),
            owner_groups=_every_group(),
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        made = Environment.objects.create(**parameters, changed_by=operation)
        told = {"environment": made.pk, "protected": made.protected, "stores": made.stores}
        audit.record("environment.added", operation=operation, subject=made.name, data=told)
        return {"environment": made.pk}


class EditEnvironment(Change):
    """Change label, order, colour or protection. What protects its databases must agree to end their protection."""

    name = "environment.edit"
    label = "Change an environment"
    fields = ("name", "label", "protected", "order", "colour", "stores")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        found = Environment.objects.filter(name=text(parameters, "name")).first()
        if found is None:
            raise Usage(
                "unknown_environment", f"There is no environment called {parameters['name']}.", "Look at the list."
            )
        old, wanted = _values(found), _wanted(parameters, found)
        moved = sorted(field for field in wanted if wanted[field] != old[field])
        if not moved:
            raise Usage("nothing_to_change", f"{found.label} is like this already.", "Give a setting to change.")
        loses = found.protected and not wanted["protected"]
        within = Database.objects.filter(environment=found, removed_at=None)
        becomes = ", ".join(f"{field} becomes {_word(wanted[field])}" for field in moved)
        return Draft(
            summary=f"In the environment {found.name}, {becomes}.",
            parameters={"name": found.name, **wanted},
            effects=tuple(
                Effect(
                    object=f"{field} of {found.name}",
                    action="replaced",
                    note=f"{_word(old[field])} → {_word(wanted[field])}",
                )
                for field in moved
            ),
            facts=(f"environment/{found.name}",),
            owner_groups=tuple(sorted(set(within.values_list("owner_group__name", flat=True)))) or _every_group(),
            databases=tuple(within.values_list("pk", flat=True)) if loses else (),
            risk="high" if loses else "low",
            risk_reasons=(f"Its {within.count()} databases lose their protection.",) if loses else (),
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        found = Environment.objects.get(name=parameters["name"])
        old = _values(found)
        new = {field: parameters[field] for field in old if parameters[field] != old[field]}
        Environment.objects.filter(pk=found.pk).update(**new, changed_by=operation)
        told = {"environment": found.pk, "fields": sorted(new), "old": {field: old[field] for field in new}, "new": new}
        audit.record("environment.changed", operation=operation, subject=found.name, data=told)
        return {"environment": found.pk}


def _wanted(parameters: Mapping[str, Any], now_is: Environment) -> dict[str, Any]:
    colour = text(parameters, "colour", default=now_is.colour)
    if colour not in COLOURS:
        raise Usage("bad_value", f"{colour!r} is no colour for an environment.", f"Use one of: {', '.join(COLOURS)}.")
    return {
        "label": text(parameters, "label", default=now_is.label),
        "protected": flag(parameters, "protected", default=now_is.protected),
        "order": number(parameters, "order", default=now_is.order, least=0, most=1000),
        "colour": colour,
        "stores": _checked_stores(names(parameters, "stores") if "stores" in parameters else now_is.stores),
    }


def _checked_stores(wanted: list[str]) -> list[str]:
    """Raises Usage for a store that is not there, or that takes nothing."""
    for name in wanted:
        if name != stores.LOCAL and not stores.row_called(name).writable:
            raise Usage("read_only", f"The store {name} is only read.", "Name stores that may be written.")
    return wanted


def _values(environment: Environment) -> dict[str, Any]:
    return {field: getattr(environment, field) for field in ("label", "protected", "order", "colour", "stores")}


def _every_group() -> tuple[str, ...]:
    return tuple(OwnerGroup.objects.values_list("name", flat=True))


def _guarded(values: Mapping[str, Any]) -> str:
    return "protected" if values["protected"] else "not protected"


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "the default"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
