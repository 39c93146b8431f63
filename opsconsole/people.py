"""People, their logins and their passwords.

A login's password counts for votes only while a seal accounts for it: set while the console was set up, by its owner
who knew the sealed one, or by a confirmed change. Nothing here asks for confirmation; opsconsole/changes does.
"""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from opsconsole import audit, bootstrap
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, CredentialSeal, Membership, Operation, OwnerGroup, Person, Role

DECIDING = frozenset({Role.APPROVER.value, Role.ADMINISTRATOR.value})
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # without those that look alike


@dataclass(frozen=True, kw_only=True)
class Added:
    """A person's new login. `password` is the one-time password when one was made: shown once, kept nowhere."""

    person: Person
    account: Account
    password: str | None


def one_time_password() -> str:
    """Five groups of four letters and digits (99 bits), easy to read out."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(5))


@transaction.atomic
def add_person(
    login: str,
    *,
    email: str,
    name: str = "",
    roles: Sequence[str] = (),
    owner_group: str = "default",
    password: str | None = None,
    password_hash: str = "",
    must_change: bool | None = None,
    superuser: bool = False,
    operation: Operation | None = None,
) -> Added:
    """Add a login, and the person unless the e-mail address is known: then it is one more login of that person.

    Without `password` a one-time one is made, which must be changed at the first login. Allowed while the console is
    being set up, and to a confirmed change (`operation`, which may bring a `password_hash` instead). Raises Refused
    (needs_confirmation, login_taken) or Usage (bad_login, bad_email, unknown_role, bad_password).
    """
    refuse_unconfirmed(operation)
    check_login(login)
    made = one_time_password() if password is None and not password_hash else None
    person = _person_of(email, name or login, operation)
    account = Account(
        username=login, person=person, is_staff=True, is_superuser=superuser, changed_by=operation,
        must_change_password=bool(made) if must_change is None else must_change,
    )  # fmt: skip
    if password is not None:
        check_password(password, account)
    account.password = password_hash
    if not password_hash:
        account.set_password(made or password)
    account.save()
    seal_credential(account, _how(operation), operation)
    told = {"person": person.pk, "account": account.pk, "login": login, "email": person.email, "groups": list(roles),
            "service": False, "owner": None}  # fmt: skip
    audit.record("person.added", operation=operation, subject=login, data=told)
    for role in roles:
        give_role(person, owner_group, role, operation=operation)
    return Added(person=person, account=account, password=made)


@transaction.atomic
def add_service(login: str, *, owner: Person, name: str = "", operation: Operation | None = None) -> Added:
    """Add a service: a login without a password, for tokens. Its owner counts as whoever asks through it."""
    refuse_unconfirmed(operation)
    check_login(login)
    address = f"{login}@{owner.email.partition('@')[2]}"
    if Person.objects.filter(email__iexact=address).exists():
        raise Refused("email_taken", f"{address} belongs to somebody already.", "Choose another name for the service.")
    person = Person.objects.create(
        name=name or login, email=address, is_service=True, owner=owner, changed_by=operation
    )
    account = Account(username=login, person=person, changed_by=operation)
    account.set_unusable_password()
    account.save()
    told = {"person": person.pk, "account": account.pk, "login": login, "email": address, "groups": [],
            "service": True, "owner": owner.pk}  # fmt: skip
    audit.record("person.added", operation=operation, subject=login, data=told)
    return Added(person=person, account=account, password=None)


@transaction.atomic
def give_role(person: Person, owner_group: str, role: str, *, operation: Operation | None = None) -> Membership:
    """Give a person a role in an owner group, which is made when new. A new approver's votes count after a while."""
    check_roles([role])
    group, _ = OwnerGroup.objects.get_or_create(name=owner_group)
    counts_from = bootstrap.not_before(settings.NEW_APPROVER_HOURS) if role in DECIDING else now()
    membership, fresh = Membership.objects.get_or_create(
        person=person, owner_group=group, role=role, defaults={"counts_from": counts_from, "changed_by": operation}
    )
    if fresh:
        told = {"person": person.pk, "role": role, "owner_group": owner_group, "counts_from": counts_from.isoformat()}
        audit.record(
            "membership.added", operation=operation, subject=f"{person.name}: {role} of {owner_group}", data=told
        )
    return membership


@transaction.atomic
def set_own_password(account: Account, old: str, new: str) -> Account:
    """Set one's own password. A sealed one stays sealed; one that nobody accounts for does not become so by this.

    Raises Refused (wrong_password, same_password) or Usage (bad_password).
    """
    row = Account.objects.select_for_update(of=("self",)).select_related("person").get(pk=account.pk)
    if not row.check_password(old):
        raise Refused("wrong_password", "That is not the password of this login.", "Type the password you log in with.")
    if old == new:
        raise Refused("same_password", "The new password is the old one.", "Choose another one.")
    check_password(new, row)
    accounted = credential_ok(row) or bootstrap.is_open()
    row.set_password(new)
    row.must_change_password = False
    row.save(update_fields=["password", "must_change_password"])
    if accounted:
        seal_credential(row, CredentialSeal.How.SELF)
    audit.record("auth.password_changed", subject=row.username, data={"how": "self", "account": row.pk})
    account.password, account.must_change_password = row.password, False
    return row


@transaction.atomic
def set_password_of(account: Account, password_hash: str, *, must_change: bool, operation: Operation | None) -> None:
    """Set somebody else's password, as a confirmed change (`operation`) or while the console is being set up."""
    refuse_unconfirmed(operation)
    account.password, account.must_change_password, account.changed_by = password_hash, must_change, operation
    account.save(update_fields=["password", "must_change_password", "changed_by"])
    seal_credential(account, _how(operation), operation)
    told = {"account": account.pk, "person": account.person_id}
    audit.record("account.password_reset", operation=operation, subject=account.username, data=told)


def seal_credential(account: Account, how: str, operation: Operation | None = None) -> CredentialSeal:
    """Account for the password that the login has now."""
    sealed = fingerprint(account)
    told = {"account": account.pk, "fingerprint": sealed, "how": str(how)}
    audit.record("auth.sealed", operation=operation, subject=account.username, data=told)
    return CredentialSeal.objects.create(account=account, fingerprint=sealed, how=how, changed_by=operation, at=now())


def credential_ok(account: Account) -> bool:
    """Whether the newest seal accounts for the password that the login has now."""
    newest = CredentialSeal.objects.filter(account_id=account.pk).order_by("-id").first()
    return newest is not None and account.has_usable_password() and newest.fingerprint == fingerprint(account)


def fingerprint(account: Account) -> str:
    """`sha256:` of the stored hash of the password."""
    return "sha256:" + hashlib.sha256(account.password.encode()).hexdigest()


def account_called(login: str) -> Account:
    """The login of that name. Raises Usage."""
    found = Account.objects.select_related("person").filter(username=login).first()
    if found is None:
        raise Usage("unknown_login", f"There is no login called {login}.", "Look at the list of people for its name.")
    return found


def check_login(login: str) -> None:
    """Raises Usage for a name that is no login, Refused for one that is taken."""
    try:
        Account._meta.get_field("username").clean(login, None)
    except ValidationError as error:
        raise Usage("bad_login", f"{login!r} is no name for a login.", error.messages[0]) from None
    if Account.objects.filter(username__iexact=login).exists():
        raise Refused("login_taken", f"There is a login called {login} already.", "Choose another name.")


def check_email(email: str) -> str:
    """The address as it tells one person from another. Raises Usage.

    Without blanks around it, plain letters for signs that look like them, and a domain of other letters as it is read.
    """
    address = unicodedata.normalize("NFKC", email.strip())
    try:
        validate_email(address)
        local, _, domain = address.rpartition("@")
        plain = domain.isascii() and "xn--" not in domain.lower()
        return address if plain else f"{local}@{domain.encode('idna').decode('idna')}"
    except (ValidationError, UnicodeError):
        raise Usage("bad_email", f"{email!r} is no e-mail address.", "Give one like ada@example.test.") from None


def check_roles(roles: Sequence[str]) -> None:
    """Raises Usage for a role that there is not."""
    if unknown := sorted(set(roles) - set(Role.values)):
        raise Usage("unknown_role", f"There is no group called {unknown[0]}.", f"There are: {', '.join(Role.values)}.")


def check_password(password: str, account: Account) -> None:
    """Raises Usage with every reason why the password is too weak."""
    try:
        validate_password(password, account)
    except ValidationError as error:
        raise Usage("bad_password", " ".join(error.messages), "Choose a longer one that is not about you.") from None


def refuse_unconfirmed(operation: Operation | None) -> None:
    """Raises Refused when the console is set up and no confirmed change stands behind it."""
    if operation is None and not bootstrap.is_open():
        raise Refused(
            "needs_confirmation", "The console is set up: people change only by a request that somebody else confirms.",
            "Ask for the change; once it is confirmed, it is done.",
        )  # fmt: skip


def _person_of(email: str, name: str, operation: Operation | None) -> Person:
    address = check_email(email)
    known = Person.objects.filter(email__iexact=address).first()
    return known or Person.objects.create(name=name, email=address, changed_by=operation)


def _how(operation: Operation | None) -> str:
    return CredentialSeal.How.CHANGE if operation and operation.gated else CredentialSeal.How.BOOTSTRAP
