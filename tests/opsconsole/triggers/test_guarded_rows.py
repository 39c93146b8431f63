from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import DatabaseError

from opsconsole.clock import now
from opsconsole.models import (
    Account,
    Bootstrap,
    CredentialSeal,
    Database,
    Environment,
    Membership,
    Operation,
    OwnerGroup,
    Person,
    Policy,
    Role,
    Store,
    TrustedKey,
)
from opsconsole.states import State
from tests.opsconsole.triggers.test_append_only import refused
from tests.support.console import Console
from tests.support.people import Cast, assemble
from tests.support.rows import DIGEST, bring, only_on_postgresql, operation_of, sql


def membership(cast: Cast, role: str, **fields: object) -> Membership:
    group = OwnerGroup.objects.get(name="default")
    return Membership.objects.create(
        person=cast.mallory.person, owner_group=group, role=role, counts_from=now(), **fields
    )


def running_change(cast: Cast) -> Operation:
    return bring(operation_of(cast.ada, kind="change"), State.QUEUED, State.RUNNING)


def new_database(**fields: object) -> Database:
    return Database.objects.create(
        name="savings", engine="sqlite", display="x", environment=Environment.objects.get(name="production"),
        owner_group=OwnerGroup.objects.get(name="default"), **fields,
    )  # fmt: skip


def new_policy(**fields: object) -> Policy:
    return Policy.objects.create(name="loose", version=1, title="Loose", effective_at=now(), created_at=now(), **fields)


ADDITIONS: dict[str, Callable[..., object]] = {
    "an approver": lambda cast, **fields: membership(cast, Role.APPROVER, **fields),
    "an administrator": lambda cast, **fields: membership(cast, Role.ADMINISTRATOR, **fields),
    "a database": lambda cast, **fields: new_database(**fields),
    "a policy": lambda cast, **fields: new_policy(**fields),
    "a store": lambda cast, **fields: Store.objects.create(name="attic", kind="folder", path="/attic", **fields),
    "a trusted key": lambda cast, **fields: TrustedKey.objects.create(
        key_id="0" * 16, line="ed25519 x", label="x", trusted_at=now(), **fields
    ),
    "an environment": lambda cast, **fields: Environment.objects.create(name="attic", label="Attic", **fields),
}


@pytest.mark.parametrize("what", ADDITIONS)
def test_a_guarded_row_is_not_added_by_hand(cast: Cast, what: str) -> None:
    with refused("not_confirmed"):
        ADDITIONS[what](cast)


@pytest.mark.parametrize("what", ADDITIONS)
def test_a_running_change_adds_it(cast: Cast, what: str) -> None:
    assert ADDITIONS[what](cast, changed_by=running_change(cast))


@pytest.mark.parametrize("what", ADDITIONS)
def test_naming_a_change_that_does_not_run_is_not_enough(cast: Cast, what: str) -> None:
    change = running_change(cast)
    bring(change, State.SUCCEEDED)
    with refused("not_confirmed"):
        ADDITIONS[what](cast, changed_by=change)


def test_naming_a_running_restore_is_not_enough(cast: Cast) -> None:
    restore = bring(operation_of(cast.ada), State.QUEUED, State.RUNNING)
    with refused("not_confirmed"):
        membership(cast, Role.APPROVER, changed_by=restore)


def test_other_roles_are_free(cast: Cast) -> None:
    row = membership(cast, Role.VIEWER)
    assert Membership.objects.filter(pk=row.pk).update(role=Role.ENGINEER) == 1
    row.delete()


def test_nobody_becomes_or_stops_being_an_approver_by_hand(cast: Cast) -> None:
    viewer = membership(cast, Role.VIEWER)
    with refused("not_confirmed"):
        Membership.objects.filter(pk=viewer.pk).update(role=Role.APPROVER)
    with refused("not_confirmed"):
        Membership.objects.filter(role=Role.APPROVER).update(role=Role.VIEWER)
    with refused("not_confirmed"):
        Membership.objects.filter(role=Role.APPROVER).delete()


def test_a_running_change_takes_a_role_away(cast: Cast) -> None:
    running_change(cast)
    assert Membership.objects.filter(role=Role.APPROVER, person=cast.grace.person).delete()[0] == 1


@pytest.mark.parametrize(
    "change",
    [
        {"url_sealed": "other"},
        {"url_env": "OTHER"},
        {"guarded_tables": ["users"]},
        {"removed_at": "2026-11-20T00:00:00Z"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_where_a_database_is_does_not_change_by_hand(cast: Cast, change: dict[str, object]) -> None:
    database = new_database(changed_by=running_change(cast))
    bring(Operation.objects.get(kind="change"), State.SUCCEEDED)
    with refused("not_confirmed"):
        Database.objects.filter(pk=database.pk).update(**change)
    assert Database.objects.filter(pk=database.pk).update(problem="It is asleep.", seen_at=now()) == 1


def test_a_database_does_not_move_to_a_laxer_environment_by_hand(cast: Cast) -> None:
    database = new_database(changed_by=running_change(cast))
    bring(Operation.objects.get(kind="change"), State.SUCCEEDED)
    with refused("not_confirmed"):
        Database.objects.filter(pk=database.pk).update(environment=Environment.objects.get(name="testing"))
    with refused("not_confirmed"):
        database.delete()


def test_protection_does_not_end_by_hand(cast: Cast) -> None:
    production = Environment.objects.filter(name="production")
    with refused("not_confirmed"):
        production.update(protected=False)
    with refused("not_confirmed"):
        production.delete()
    assert production.update(colour="violet") == 1


def test_who_somebody_is_does_not_change_by_hand(cast: Cast) -> None:
    with refused("not_confirmed"):
        Person.objects.filter(pk=cast.grace.person_id).update(email="mallory@example.test")
    with refused("not_confirmed"):
        Account.objects.filter(pk=cast.mallory.pk).update(person=cast.grace.person)
    assert Person.objects.filter(pk=cast.grace.person_id).update(name="Grace Hopper") == 1


def test_a_password_set_by_somebody_else_is_not_sealed_by_hand(cast: Cast) -> None:
    seal = {"account": cast.grace, "fingerprint": DIGEST, "at": now()}
    for how in ("bootstrap", "change"):
        with refused("not_confirmed"):
            CredentialSeal.objects.create(**seal, how=how)
    assert CredentialSeal.objects.create(**seal, how="change", changed_by=running_change(cast))


def test_a_fixture_is_refused_like_a_form(cast: Cast, tmp_path: object, console: Console) -> None:
    fixture = console.home / "approver.json"
    fixture.write_text(
        f'[{{"model": "opsconsole.membership", "fields": {{"person": {cast.mallory.person_id}, "owner_group": 1, '
        f'"role": "approvers", "counts_from": "2026-01-01T00:00:00Z"}}}}]'
    )
    with refused("not_confirmed"):
        call_command("loaddata", str(fixture), verbosity=0)


def test_while_the_console_is_set_up_everything_is_free(console: Console) -> None:
    cast = assemble()
    for add in ADDITIONS.values():
        assert add(cast)


def test_setting_up_never_begins_again(cast: Cast) -> None:
    with refused("bootstrap"):
        Bootstrap.objects.update(closed_at=None)
    with refused("bootstrap"):
        Bootstrap.objects.create(closed_at=None)
    with refused("bootstrap"):
        Bootstrap.objects.all()._raw_delete("default")


@only_on_postgresql
@pytest.mark.parametrize("table", ["membership", "database", "environment", "bootstrap", "operation"])
def test_guarded_tables_cannot_be_emptied(cast: Cast, table: str) -> None:
    with pytest.raises(DatabaseError, match="opsconsole:"):
        sql(f"TRUNCATE opsconsole_{table} CASCADE")


@only_on_postgresql
def test_a_temporary_table_cannot_stand_in_for_the_votes(cast: Cast) -> None:
    operation = bring(operation_of(cast.ada, votes_needed=1), State.QUEUED)
    sql("CREATE TEMPORARY TABLE opsconsole_vote AS SELECT * FROM public.opsconsole_vote")
    sql("INSERT INTO opsconsole_vote (id, operation_id, digest, person_id, decision) VALUES (1, %s, %s, %s, 'approve')",
        operation.pk, operation.digest, cast.grace.person_id)  # fmt: skip
    with refused("votes_missing"):
        bring(operation, State.RUNNING)
