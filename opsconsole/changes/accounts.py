"""Changes of logins: a password set by somebody else, switching a login off and on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsconsole import audit, people
from opsconsole.changes.base import Change, Draft
from opsconsole.changes.memberships import refuse_last
from opsconsole.changes.people import groups_of, opened, sealed_hash
from opsconsole.changes.values import flag, text
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Membership, Operation
from opsconsole.plans import Effect


class ResetPassword(Change):
    """Set the password of somebody else's login; earlier votes of that login no longer count.

    `password` is what its owner logs in with next; its hash is kept sealed. It must be changed then, unless
    `must_change` says no.
    """

    name = "account.reset_password"
    label = "Reset a password"
    fields = ("login", "password", "must_change")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        account = people.account_called(text(parameters, "login"))
        if account.person.is_service:
            raise Refused(
                "service", f"{account.username} is a service, which has no password.", "Make it a token instead."
            )
        if not parameters.get("password"):
            raise Usage("missing_value", "The new password is missing.", "Give a one-time password.")
        return Draft(
            summary=f"{account.person.name} logs in as {account.username} with a new password.",
            parameters={
                "login": account.username,
                "must_change": flag(parameters, "must_change", default=True),
                "password_sealed": sealed_hash(parameters, account),
            },
            effects=(
                Effect(
                    object=f"password of {account.username}", action="replaced", note="open votes of this login lapse"
                ),
            ),
            facts=(f"account/{account.username}",),
            owner_groups=tuple(sorted(groups_of(account.person))),
            risk="high" if groups_of(account.person) else "medium",
            risk_reasons=(
                f"Whoever knows the new password acts as {account.person.name}. Did that person ask for it?",
            ),
            way_back="The owner of the login sets another password.",
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        account = people.account_called(parameters["login"])
        hashed = opened(parameters["password_sealed"])
        people.set_password_of(account, hashed, must_change=parameters["must_change"], operation=operation)
        return {"account": account.pk, "login": account.username}


class Deactivate(Change):
    """Switch a login off: its sessions end, its tokens are refused, its votes do not count."""

    name = "account.deactivate"
    label = "Switch a login off"
    fields = ("login",)
    active = False

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        account = people.account_called(text(parameters, "login"))
        word = "on" if self.active else "off"
        if account.is_active == self.active:
            raise Refused("nothing_to_change", f"The login {account.username} is switched {word} already.", "")
        if not self.active:
            _refuse_last(account)
        return Draft(
            summary=f"The login {account.username} of {account.person.name} is switched {word}.",
            parameters={"login": account.username},
            effects=(Effect(object=f"login {account.username}", action="replaced", note=f"switched {word}"),),
            facts=(f"account/{account.username}",),
            owner_groups=tuple(sorted(groups_of(account.person))),
            risk="medium" if groups_of(account.person) else "low",
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        account = people.account_called(parameters["login"])
        if not self.active:
            _refuse_last(account)
        Account.objects.filter(pk=account.pk).update(is_active=self.active, changed_by=operation)
        event = "account.activated" if self.active else "account.deactivated"
        told = {"account": account.pk, "person": account.person_id}
        audit.record(event, operation=operation, subject=account.username, data=told)
        return told


class Activate(Deactivate):
    """Switch a login on again."""

    name = "account.activate"
    label = "Switch a login on"
    active = True


def _refuse_last(account: Account) -> None:
    if Account.objects.filter(person=account.person, is_active=True).exclude(pk=account.pk).exists():
        return
    for membership in Membership.objects.filter(person=account.person, role__in=people.DECIDING).select_related(
        "owner_group"
    ):
        refuse_last(account.person, membership.role, membership.owner_group.name)
