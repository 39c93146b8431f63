"""Do the rows that decide who may do what stand as the events have put them? Compared after a replay of the history."""

from __future__ import annotations

from datetime import datetime

from opsconsole.models import Account, Database, Environment, Membership
from opsconsole.verify_audit import Approvals, Report

CHUNK = 500


def compare(report: Report, replay: Approvals) -> None:
    """Add a finding for every role, login, environment and database that is not as the history left it."""
    _roles(report, replay)
    _logins(report, replay)
    _environments(report, replay)
    _databases(report, replay)


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
    for number, person, active in Account.objects.values_list("pk", "person_id", "is_active").iterator(CHUNK):
        told = replay.login(number)
        if told is None:
            report.add("login", f"login {number}", "No event tells of it.")
        elif told != (person, active):
            report.add("login", f"login {number}", "It is of another person, or on or off, than the history says.")


def _environments(report: Report, replay: Approvals) -> None:
    for name, protected in Environment.objects.values_list("name", "protected"):
        if name not in replay.environments:
            report.doubt(f"The history does not tell of the environment {name}: an older console began it.")
        elif replay.environments[name] != protected:
            report.add("environment", name, "The history says otherwise whether it is protected.")


def _databases(report: Report, replay: Approvals) -> None:
    fields = ("environment__name", "owner_group__name", "tags")
    rows = Database.objects.filter(removed_at=None).values_list("pk", *fields)
    there = {pk: facts for pk, *facts in rows.iterator(CHUNK)}
    told = {
        number: [held["environment"], held["owner_group"], held["tags"]]
        for number, held in replay.databases.items()
        if "environment" in held
    }
    for number in sorted(there.keys() | told.keys()):
        if told.get(number) != there.get(number):
            why = "Its environment, owner group or tags, or whether it is there, are not as the history says."
            report.add("database", f"database {number}", why)
