"""Changes of people: who there is, what they may do, and passwords set by somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password

from opsconsole import audit, people
from opsconsole.changes.base import Change, Draft, delay_in_words
from opsconsole.changes.values import flag, names, slug, text
from opsconsole.ciphers import field_cipher
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Membership, Operation, Person, Role
from opsconsole.plans import Effect

NO_PASSWORD = "-"  # noqa: S105 - sealed in place of a hash: the login cannot be used until a reset


class AddPerson(Change):
    """Add a login, and its person unless the e-mail address is known.

    `password` is what the person logs in with first; its hash is kept sealed. With `must_change` (the default) it
    has to be changed then. With `service_owner` (a login) a service is added, which has no password.
    """

    name = "person.add"
    label = "Add a person"
    fields = ("login", "name", "email", "roles", "owner_group", "password", "must_change", "superuser", "service_owner")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        login = text(parameters, "login")
        people.check_login(login)
        if parameters.get("service_owner"):
            return self._service(login, parameters)
        email = people.check_email(text(parameters, "email"))
        roles, group = names(parameters, "roles"), owner_group(parameters)
        people.check_roles(roles)
        known = Person.objects.filter(email__iexact=email).first()
        name = known.name if known else text(parameters, "name", default=login)
        what = f"another login of {name}" if known else f"a login of {name}"
        groups = {group} if roles else set()
        return Draft(
            summary=f"{name} <{email}> can log in as {login}{_as_roles(roles, group)}.",
            parameters={
                "login": login,
                "name": name,
                "email": email,
                "roles": roles,
                "owner_group": group,
                "must_change": flag(parameters, "must_change", default=True),
                "superuser": flag(parameters, "superuser"),
                "password_sealed": sealed_hash(
                    parameters, Account(username=login, person=known or Person(name=name, email=email))
                ),
            },
            effects=(
                Effect(object=f"login {login}", action="created", note=what),
                *(_role_effect(name, role, group) for role in roles),
            ),
            facts=(f"account/{login}", f"person/{email}"),
            owner_groups=tuple(sorted(groups | (groups_of(known) if known else set()))),
            risk="high" if known or people.DECIDING & set(roles) else "medium",
            risk_reasons=_reasons(known, roles),
            way_back="Deactivate the login.",
        )

    def _service(self, login: str, parameters: Mapping[str, Any]) -> Draft:
        owner = people.account_called(text(parameters, "service_owner")).person
        if owner.is_service:
            raise Refused("owner_is_service", "A service is owned by a person.", "Name a person's login as its owner.")
        return Draft(
            summary=f"The service {login}, owned by {owner.name}, can be given tokens.",
            parameters={"login": login, "name": text(parameters, "name", default=login), "owner": owner.pk},
            effects=(
                Effect(
                    object=f"service {login}", action="created", note=f"{owner.name} counts as whoever asks through it"
                ),
            ),
            facts=(f"account/{login}",),
            owner_groups=tuple(sorted(groups_of(owner))),
            way_back="Deactivate the login.",
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if "owner" in parameters:
            owner = Person.objects.get(pk=parameters["owner"])
            added = people.add_service(parameters["login"], owner=owner, name=parameters["name"], operation=operation)
        else:
            added = people.add_person(
                parameters["login"], email=parameters["email"], name=parameters["name"], roles=parameters["roles"],
                owner_group=parameters["owner_group"], password_hash=opened(parameters["password_sealed"]),
                must_change=parameters["must_change"], superuser=parameters["superuser"], operation=operation,
            )  # fmt: skip
        return {"person": added.person.pk, "account": added.account.pk, "login": added.account.username}


class ChangeEmail(Change):
    """Give a person another e-mail address, which is what identifies people."""

    name = "person.email"
    label = "Change an e-mail address"
    fields = ("login", "email")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        person = people.account_called(text(parameters, "login")).person
        email = people.check_email(text(parameters, "email"))
        if Person.objects.filter(email__iexact=email).exclude(pk=person.pk).exists():
            raise Refused("email_taken", f"{email} belongs to somebody else.", "One address identifies one person.")
        if email == person.email:
            raise Usage("nothing_to_change", f"{person.name} has this address already.", "Give another address.")
        return Draft(
            summary=f"{person.name} is known as {email} instead of {person.email}.",
            parameters={"person": person.pk, "old": person.email, "new": email},
            effects=(
                Effect(object=f"e-mail address of {person.name}", action="replaced", note=f"{person.email} → {email}"),
            ),
            facts=(f"person/{person.email}", f"person/{email}"),
            owner_groups=tuple(sorted(groups_of(person))),
            risk="medium",
            risk_reasons=("The address decides which logins belong to one person.",),
        )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        person = Person.objects.get(pk=parameters["person"])
        Person.objects.filter(pk=person.pk).update(email=parameters["new"], changed_by=operation)
        told = {"person": person.pk, "fields": ["email"], "old": parameters["old"], "new": parameters["new"]}
        audit.record("person.changed", operation=operation, subject=person.name, data=told)
        return {"person": person.pk}


def owner_group(parameters: Mapping[str, Any]) -> str:
    """The owner group that was named. Raises Usage for a name that cannot be one."""
    return slug(parameters, "owner_group", of="an owner group", default="default")


def groups_of(person: Person) -> set[str]:
    """The owner groups in which the person decides."""
    rows = Membership.objects.filter(person=person, role__in=people.DECIDING)
    return set(rows.values_list("owner_group__name", flat=True))


def sealed_hash(parameters: Mapping[str, Any], account: Account) -> str:
    """The hash of the given password, encrypted; of none, a mark by which nobody can log in. Raises Usage."""
    password = parameters.get("password")
    if password is None:
        return field_cipher().seal(NO_PASSWORD)
    people.check_password(str(password), account)
    return field_cipher().seal(make_password(str(password)))


def opened(sealed: str) -> str:
    """The hash to store for a login."""
    found = field_cipher().open(sealed)
    return make_password(None) if found == NO_PASSWORD else found


def _as_roles(roles: list[str], group: str) -> str:
    return f" and is one of the {', '.join(roles)} of {group}" if roles else ""


def _role_effect(name: str, role: str, group: str) -> Effect:
    counts = f"; votes count {delay_in_words(settings.NEW_APPROVER_HOURS)}" if role in people.DECIDING else ""
    return Effect(object=f"{Role(role).label} of {group}", action="created", note=f"{name}{counts}")


def _reasons(known: Person | None, roles: list[str]) -> tuple[str, ...]:
    found = [f"Whoever uses this login votes as {known.name}."] if known else []
    if deciding := people.DECIDING & set(roles):
        found.append(f"It makes one more of those who decide: {', '.join(sorted(deciding))}.")
    return tuple(found)
