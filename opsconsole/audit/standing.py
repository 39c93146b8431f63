"""Do the rows that decide who may do what stand as the events have put them? Compared after a replay of the history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import is_password_usable

from opsconsole.audit.told import as_told
from opsconsole.models import (
    Account,
    Bootstrap,
    CredentialSeal,
    Database,
    Environment,
    Membership,
    Person,
)
from opsconsole.plans import digest_of
from opsconsole.verify_audit import Approvals, Report

CHUNK = 500


def compare(report: Report, replay: Approvals) -> None:
    """Add a finding for every person, role, login, environment and database that is not as the history left it."""
    _people(report, replay)
    _roles(report, replay)
    _logins(report, replay)
    _seals(report, replay)
    _environments(report, replay)
    _databases(report, replay)
    if replay.is_set_up and Bootstrap.objects.filter(closed_at=None).exists():
        report.add("bootstrap", "console", "The setting up is open again, and the history says that it ended.")


def _people(report: Report, replay: Approvals) -> None:
    rows = Person.objects.values_list("pk", "email", "is_service", "owner_id")
    for number, email, is_service, owner in rows.iterator(CHUNK):
        told = replay.people.get(number)
        if told is None:
            report.add("person", f"person {number}", "No event tells of this person.")
        elif (told["email"], told.get("owner", owner)) != (as_told(email), owner) or is_service != (owner is not None):
            report.add("person", f"person {number}", "The address or the owner is not what the history says.")


def _roles(report: Report, replay: Approvals) -> None:
    told = replay.roles_now()
    rows = Membership.objects.values_list("person_id", "role", "owner_group__name", "counts_from")
    there: dict[tuple[int, str, str], datetime] = {(p, role, group): at for p, role, group, at in rows.iterator(CHUNK)}
    for person, role, group in sorted(told.keys() | there.keys()):
        key = (person, role, group)
        if told.get(key) != there.get(key):
            report.add(
                "role", f"person {person}",
                f"{role} of {group}: held from {there.get(key) or 'never'} on, and the history says from "
                f"{told.get(key) or 'never'} on.",
            )  # fmt: skip


def _logins(report: Report, replay: Approvals) -> None:
    for number, *facts in Account.objects.values_list("pk", "person_id", "username", "is_active").iterator(CHUNK):
        told = replay.login(number)
        if told is None:
            report.add("login", f"login {number}", "No event tells of it.")
        elif told != tuple(facts):
            report.add("login", f"login {number}", "Its name, its person, or whether it is on, is not as told.")


def _seals(report: Report, replay: Approvals) -> None:
    """Passwords are accounted for by the seals that the history tells of, and by no others."""
    there: dict[int, list[tuple[str, str]]] = {}
    for account, fingerprint, how in CredentialSeal.objects.order_by("id").values_list(
        "account_id", "fingerprint", "how"
    ):
        there.setdefault(account, []).append((fingerprint, how))
    for account in sorted(there.keys() | replay.seals.keys()):
        if account not in replay.seals:
            report.doubt(f"The history does not tell of the password of login {account}: an older console sealed it.")
        elif there.get(account) != replay.seals[account]:
            report.add("login", f"login {account}", "Its password is sealed otherwise than the history says.")
    for number, password in Account.objects.values_list("pk", "password").iterator(CHUNK):
        sealed = replay.seals.get(number)
        if sealed and is_password_usable(password) and sealed[-1][0] != digest_of(password.encode()):
            report.add("login", f"login {number}", "Its password was set by nobody who was confirmed.")


def _environments(report: Report, replay: Approvals) -> None:
    rows = list(Environment.objects.values_list("name", "protected", "stores"))
    there = {name: protected for name, protected, _ in rows}
    if not replay.environments:
        report.doubt("The history does not tell which environments the console began with: an older one began it.")
        return
    for name in sorted(there.keys() | replay.environments.keys()):
        if there.get(name) != replay.environments.get(name):
            report.add("environment", name, "Whether it is there, or protected, is not as the history says.")
    for name, _, stores in rows:
        if stores != replay.stores_of.get(name, []):
            report.add("environment", name, "Where backups of its databases go is not as the history says.")


def _databases(report: Report, replay: Approvals) -> None:
    rows = Database.objects.filter(removed_at=None).select_related("environment", "owner_group")
    there = {row.pk: _facts(row) for row in rows.iterator(CHUNK)}
    told = {number: held for number, held in replay.databases.items() if "environment" in held}
    for number in sorted(there.keys() | told.keys()):
        here, says = there.get(number), told.get(number)
        wrong = sorted(name for name in here if says.get(name, here[name]) != here[name]) if here and says else ["row"]
        if wrong:
            report.add("database", f"database {number}", f"It is not as the history says: {', '.join(wrong)}.")


def _facts(row: Database) -> dict[str, Any]:
    return {
        "name": row.name, "engine": row.engine, "display": as_told(row.display), "url_env": row.url_env,
        "queue": row.queue, "environment": row.environment.name, "owner_group": row.owner_group.name,
        "tags": as_told(row.tags), "guarded_tables": as_told(row.guarded_tables),
        "masked_columns": as_told(row.masked_columns), "target_hours": row.target_hours, "address": row.address,
    }  # fmt: skip
