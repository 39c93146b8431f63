"""What a change relies on, read as words: `read("database/savings/environment")` gives "production".

The plan of a change holds the values that were read when it was asked for; when they differ at the end, it is stale.
"""

from __future__ import annotations

from collections.abc import Callable

from opsconsole.ciphers import field_keys
from opsconsole.models import Account, Environment, Membership, Operation, Person, Policy, Schedule, Store, TrustedKey
from opsconsole.secrets import name_of

ABSENT = "absent"


def read(subject: str) -> str:
    """The value now of a fact `NOUN/WHICH[/...]`; "absent" when there is no such thing. Raises KeyError for a noun."""
    noun, _, rest = subject.partition("/")
    return _READERS[noun](rest)


def _person(email: str) -> str:
    found = Person.objects.filter(email__iexact=email).first()
    return f"person {found.pk}" if found else ABSENT


def _account(login: str) -> str:
    found = Account.objects.filter(username__iexact=login).first()
    if found is None:
        return ABSENT
    return f"{'active' if found.is_active else 'deactivated'} login of person {found.person_id}"


def _membership(which: str) -> str:
    person, group, role = which.split("/")
    held = Membership.objects.filter(person_id=int(person), owner_group__name=group, role=role).exists()
    return "held" if held else ABSENT


def _environment(name: str) -> str:
    found = Environment.objects.filter(name=name).first()
    if found is None:
        return ABSENT
    where = ",".join(found.stores) or "the default"
    guarded = "protected" if found.protected else "not protected"
    return f"{found.label}, {guarded}, order {found.order}, {found.colour}, stores {where}"


def _policy(name: str) -> str:
    newest = Policy.objects.filter(name=name).order_by("-version").first()
    return f"version {newest.version}" if newest else ABSENT


def _schedule(name: str) -> str:
    newest = Schedule.objects.filter(name=name).order_by("-version").first()
    return f"version {newest.version}" if newest else ABSENT


def _store(name: str) -> str:
    found = Store.objects.filter(name=name).first()
    return found.address if found else ABSENT


def _trusted_key(key_id: str) -> str:
    return "trusted" if TrustedKey.objects.filter(key_id=key_id).exists() else ABSENT


def _operation(number: str) -> str:
    found = Operation.objects.filter(pk=int(number)).first()
    return found.state if found else ABSENT


def _field_key(_: str) -> str:
    return name_of(field_keys()[0])


_READERS: dict[str, Callable[[str], str]] = {
    "person": _person, "account": _account, "membership": _membership, "environment": _environment, "policy": _policy,
    "schedule": _schedule, "operation": _operation, "field_key": _field_key, "store": _store,
    "trusted_key": _trusted_key,
}  # fmt: skip
