"""Changes of who can decrypt backups: both are confirmed by another person, and by those who guard the databases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifecycle.encryption import recipients
from lifecycle.models import Recipient
from opsconsole import age_keys
from opsconsole.changes import Change, Draft
from opsconsole.changes.values import text
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Database, Environment, Operation, OwnerGroup
from opsconsole.plans import Effect


class AddRecipient(Change):
    """Have backups of an environment encrypted for one key more."""

    name = recipients.ADD
    label = "Add a recipient of backups"
    fields = ("environment", "label", "public_key", "role")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        environment = _environment(parameters)
        label, role = text(parameters, "label"), text(parameters, "role")
        public_key = age_keys.recipient(text(parameters, "public_key"))
        if role not in Recipient.Role.values:
            raise Usage("bad_value", f"{role!r} is no role of a recipient.", "Use ops or escrow.")
        recipients.refuse_odd(environment, label, public_key)
        first = not recipients.listed(environment).exists()
        return Draft(
            summary=f"Backups of {environment.name} taken from now on can be decrypted with the private key of {label} "
            f"({public_key}), which is {_ROLES[role]}.",
            parameters={
                "environment": environment.name, "environment_id": environment.pk, "label": label,
                "public_key": public_key, "role": role,
            },
            effects=(Effect(object=f"recipient {label} of {environment.name}", action="created", note=public_key),),
            facts=(f"environment/{environment.name}",),
            **_guards(environment),
            risk="high",
            risk_reasons=(
                "Whoever holds that private key can read every backup taken from now on.",
                *([_FIRST] if first else ()),
            ),
            way_back="Retire it: what was taken until then stays readable with its private key.",
        )  # fmt: skip

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        environment = _environment(parameters)
        recipients.refuse_odd(environment, parameters["label"], parameters["public_key"])
        row = recipients.put(
            environment, parameters["label"], parameters["public_key"], parameters["role"], operation
        )  # fmt: skip
        return {"recipient": row.pk}


class RetireRecipient(Change):
    """Have backups of an environment no longer encrypted for one of its keys."""

    name = recipients.RETIRE
    label = "Retire a recipient of backups"
    fields = ("environment", "public_key")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        environment = _environment(parameters)
        row = _recipient(environment, parameters)
        left = [each for each in recipients.listed(environment) if each != row]
        taken = recipients.needing(row.public_key)[0].count()
        return Draft(
            summary=f"Backups of {environment.name} taken from now on cannot be decrypted with the private key of "
            f"{row.label} ({row.public_key}).",
            parameters={"environment": environment.name, "public_key": row.public_key, "recipient": row.pk},
            effects=(Effect(object=f"recipient {row.label} of {environment.name}", action="removed"),),
            facts=(f"environment/{environment.name}",),
            **_guards(environment),
            risk="medium" if left else "high",
            risk_reasons=(
                *([f"{_counted(taken)} encrypted for it: keep its private key until they are gone."] if taken else []),
                *([] if left else ["It is the last one: backups are not encrypted from then on."]),
                *recipients.warnings(environment, left),
            ),
            way_back="Add it again: what is taken in between stays unreadable with its private key.",
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        row = _recipient(_environment(parameters), parameters)
        if row.pk != parameters["recipient"]:
            raise Refused("stale", "The recipient was added anew meanwhile.", "Ask again.")
        recipients.retire(row, operation)
        return {"recipient": row.pk}


_FIRST = "It is the first one: nobody can restore what is taken from now on without a private key."
_ROLES = {"ops": "for daily use", "escrow": "kept in escrow, for when all else is lost"}


def _counted(backups: int) -> str:
    return "1 listed backup is" if backups == 1 else f"{backups} listed backups are"


def _guards(environment: Environment) -> dict[str, Any]:
    """Who confirms: those who decide on its databases; where it is protected, whatever protects them as well."""
    within = Database.objects.filter(environment=environment, removed_at=None)
    groups = tuple(sorted(set(within.values_list("owner_group__name", flat=True))))
    return {
        "owner_groups": groups or tuple(OwnerGroup.objects.values_list("name", flat=True)),
        "databases": tuple(within.values_list("pk", flat=True)) if environment.protected else (),
    }


def _environment(parameters: Mapping[str, Any]) -> Environment:
    found = Environment.objects.filter(name=text(parameters, "environment")).first()
    if found is None:
        raise Usage("unknown_environment", f"There is no environment {parameters['environment']}.", "Look at the list.")
    return found


def _recipient(environment: Environment, parameters: Mapping[str, Any]) -> Recipient:
    found = recipients.listed(environment).filter(public_key=text(parameters, "public_key")).first()
    if found is None:
        raise Usage("unknown_recipient", f"{environment.label} has no recipient with that key.", "Look at the list.")
    return found
