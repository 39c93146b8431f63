"""Changes of roles: who is a viewer, engineer, approver, auditor or administrator of which owner group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from opsconsole import audit, people
from opsconsole.changes.base import Change, Draft, delay_in_words
from opsconsole.changes.people import owner_group
from opsconsole.changes.values import text
from opsconsole.exceptions import Refused
from opsconsole.models import Membership, Operation, Person, Role
from opsconsole.plans import Effect


class AddMembership(Change):
    """Give a person (named by a login) a role in an owner group."""

    name = "membership.add"
    label = "Give a role"
    fields = ("login", "role", "owner_group")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        person, role, group = _asked(parameters)
        if person.is_service and role in people.DECIDING:
            raise Refused("service", f"{person.name} is a service; services ask, they never decide.", "Name a person.")
        if _held(person, role, group).exists():
            raise Refused(
                "held_already", f"{person.name} is one of the {role} of {group} already.", "Nothing needs to change."
            )
        deciding = role in people.DECIDING
        counts = f"votes count {delay_in_words(settings.NEW_APPROVER_HOURS)}" if deciding else ""
        return Draft(
            summary=f"{person.name} is one of the {role} of {group}.",
            parameters={"person": person.pk, "role": role, "owner_group": group},
            effects=(Effect(object=f"{Role(role).label} of {group}", action="created", note=counts or person.name),),
            facts=(f"membership/{person.pk}/{group}/{role}",),
            owner_groups=(group,),
            risk="high" if deciding else "low",
            risk_reasons=("It makes one more of those who decide.",) if deciding else (),
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        person = Person.objects.get(pk=parameters["person"])
        made = people.give_role(person, parameters["owner_group"], parameters["role"], operation=operation)
        return {"membership": made.pk, "counts_from": made.counts_from.isoformat()}


class RemoveMembership(Change):
    """Take a role from a person (named by a login); votes that it carried no longer count."""

    name = "membership.remove"
    label = "Take a role away"
    fields = ("login", "role", "owner_group")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        person, role, group = _asked(parameters)
        if not _held(person, role, group).exists():
            raise Refused(
                "not_held", f"{person.name} is not one of the {role} of {group}.", "Look at the list of people."
            )
        refuse_last(person, role, group)
        return Draft(
            summary=f"{person.name} is no longer one of the {role} of {group}.",
            parameters={"person": person.pk, "role": role, "owner_group": group},
            effects=(Effect(object=f"{Role(role).label} of {group}", action="removed", note=person.name),),
            facts=(f"membership/{person.pk}/{group}/{role}",),
            owner_groups=(group,),
            risk="medium" if role in people.DECIDING else "low",
            risk_reasons=("Votes that this role carries stop to count.",) if role in people.DECIDING else (),
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        person = Person.objects.get(pk=parameters["person"])
        role, group = parameters["role"], parameters["owner_group"]
        refuse_last(person, role, group)
        held = _held(person, role, group)
        held.update(changed_by=operation)
        held.delete()
        told = {"person": person.pk, "role": role, "owner_group": group}
        audit.record("membership.removed", operation=operation, subject=f"{person.name}: {role} of {group}", data=told)
        return told


def refuse_last(person: Person, role: str, group: str) -> None:
    """Raises Refused when nobody else with a usable login would hold a role without which the console stands still."""
    others = Membership.objects.filter(role=role, person__accounts__is_active=True).exclude(person=person)
    if role == Role.APPROVER:
        others = others.filter(owner_group__name=group)
    if role in people.DECIDING and not others.exists():
        raise Refused(
            "last_one", f"{person.name} is the last of the {role}; without one, nothing could be confirmed any more.",
            "Give the role to somebody else first.",
        )  # fmt: skip


def _asked(parameters: Mapping[str, Any]) -> tuple[Person, str, str]:
    person = people.account_called(text(parameters, "login")).person
    role = text(parameters, "role")
    people.check_roles([role])
    return person, role, owner_group(parameters)


def _held(person: Person, role: str, group: str) -> Any:
    return Membership.objects.filter(person=person, role=role, owner_group__name=group)
