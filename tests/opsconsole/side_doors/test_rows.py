"""Guarded rows do not change behind the console's back, by whatever road of Django's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection

from opsconsole.clock import now
from opsconsole.models import Account, Database, Environment, Membership, OwnerGroup, Person, Policy
from tests.opsconsole.approvals.scenes import ask

UPDATES: dict[str, Callable[[], Any]] = {
    "environment of a database": lambda: Database.objects.update(environment=Environment.objects.get(name="demo")),
    "address of a database": lambda: Database.objects.update(url_env="OTHER_URL"),
    "owner group of a database": lambda: Database.objects.update(owner_group=OwnerGroup.objects.create(name="mine")),
    "guarded tables": lambda: Database.objects.update(guarded_tables=["orders"]),
    "tags of a database": lambda: Database.objects.update(tags=["harmless"]),
    "removal of a database": lambda: Database.objects.update(removed_at=now()),
    "protection": lambda: Environment.objects.update(protected=False),
    "role": lambda: Membership.objects.filter(role="engineers").update(role="approvers"),
    "when a role counts": lambda: Membership.objects.filter(role="approvers").update(counts_from=now()),
    "roles": lambda: Membership.objects.filter(role="approvers").delete(),
    "policy": lambda: Policy.objects.update(enabled=False),
    "policies": lambda: Policy.objects.all().delete(),
    "e-mail address": lambda: Person.objects.filter(name="Mallory").update(email="grace2@example.test"),
    "owner of a service": lambda: Person.objects.filter(name="Mallory").update(owner=Person.objects.get(name="Grace")),
    "whose login it is": lambda: Account.objects.filter(username="mallory").update(
        person=Person.objects.get(name="Grace")
    ),
}


@pytest.mark.parametrize("what", sorted(UPDATES))
def test_a_queryset_does_not_change_the(team: Any, what: str) -> None:
    with pytest.raises(DatabaseError, match="opsconsole:"):
        UPDATES[what]()


def fixture(tmp_path: Path, model: str, **fields: Any) -> str:
    path = tmp_path / "fixture.json"
    path.write_text(json.dumps([{"model": f"opsconsole.{model}", "pk": 900, "fields": fields}]))
    return str(path)


def test_loaddata_gives_no_role(team: Any, tmp_path: Path) -> None:
    path = fixture(
        tmp_path, "membership", person=team.mallory.person_id, owner_group=team.savings.owner_group_id,
        role="approvers", counts_from="2026-01-01T00:00:00Z",
    )  # fmt: skip
    with pytest.raises(DatabaseError, match="opsconsole:"):
        call_command("loaddata", path, verbosity=0)


def test_loaddata_sets_no_policy(team: Any, tmp_path: Path) -> None:
    path = fixture(
        tmp_path, "policy", name="default", version=2, title="none", clauses=[], enabled=False,
        effective_at="2026-01-01T00:00:00Z", created_at="2026-01-01T00:00:00Z",
    )  # fmt: skip
    with pytest.raises(DatabaseError, match="opsconsole:"):
        call_command("loaddata", path, verbosity=0)


def test_loaddata_registers_no_database(team: Any, tmp_path: Path) -> None:
    path = fixture(
        tmp_path, "database", name="mine", engine="sqlite", url_env="X_URL", display="x",
        created_at="2026-01-01T00:00:00Z", environment=team.sandbox.environment_id,
        owner_group=team.savings.owner_group_id,
    )  # fmt: skip
    with pytest.raises(DatabaseError, match="opsconsole:"):
        call_command("loaddata", path, verbosity=0)


def test_a_change_that_is_not_running_opens_no_row(team: Any) -> None:
    asked = ask(team.ada, team.savings)
    with pytest.raises(DatabaseError, match="opsconsole:"):
        Environment.objects.filter(name="production").update(protected=False, changed_by=asked)


def test_a_finished_change_opens_no_row_again(team: Any, need: Any) -> None:
    need("scrub", {"approvers": 1})
    done = Policy.objects.get(name="wanted").changed_by
    with pytest.raises(DatabaseError, match="opsconsole:"):
        Environment.objects.filter(name="production").update(protected=False, changed_by=done)


def test_a_forged_running_change_is_refused(team: Any) -> None:
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("UPDATE opsconsole_operation SET state = 'running', kind = 'change'")
        cursor.execute("UPDATE opsconsole_environment SET protected = %s", [False])


def test_an_approved_plan_is_not_exchanged(team: Any) -> None:
    operation = ask(team.ada, team.savings)
    for column, value in (
        ("plan_text", "{}"),
        ("digest", "sha256:0"),
        ("gated", False),
        ("votes_needed", 0),
        ("requirement", "{}"),
    ):
        with pytest.raises(DatabaseError, match="opsconsole:"):
            type(operation).objects.filter(pk=operation.pk).update(**{column: value})
