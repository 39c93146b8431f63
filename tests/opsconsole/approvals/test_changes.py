"""Changes of the console: asked for by administrators, confirmed by somebody else, done at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from opsconsole import changes, operations
from opsconsole.exceptions import OpsError, Refused, Usage
from opsconsole.models import Account, AuditEvent, Environment, Membership, Operation, Person
from tests.opsconsole.approvals.scenes import add_database, approve, ask

NEW = {"login": "carol", "email": "carol@example.test", "roles": ["approvers"], "password": "correct horse 9 battery"}


def wish(account: Any, action: str, **given: Any) -> Any:
    return operations.request_change(action, given, account=account, reason="it is wanted")


def events(operation: Any) -> set[str]:
    return set(AuditEvent.objects.filter(operation_id=operation.pk).values_list("type", flat=True))


def test_a_change_waits_for_one_other_person_and_is_then_done(team: Any) -> None:
    asked = wish(team.admin, "person.add", **NEW)
    assert (asked.state, asked.votes_needed) == ("pending_approval", 1)
    assert not Account.objects.filter(username="carol").exists()
    assert approve(team.grace, asked).state == "succeeded"
    carol = Account.objects.get(username="carol")
    assert (carol.changed_by, carol.must_change_password) == (asked, True)
    assert carol.check_password(NEW["password"])
    assert events(asked) >= {
        "op.planned",
        "op.submitted",
        "op.voted",
        "op.approved",
        "op.armed",
        "person.added",
        "op.succeeded",
    }


def test_no_password_stands_in_a_plan_in_the_clear(team: Any) -> None:
    asked = wish(team.admin, "person.add", **NEW)
    assert NEW["password"] not in asked.plan_text and "argon2" not in asked.plan_text


def test_the_requester_does_not_confirm(team: Any) -> None:
    with pytest.raises(Refused, match="own request"):
        approve(team.admin, wish(team.admin, "person.add", **NEW))


def test_whoever_confirms_a_change_reads_why_it_is_wanted(team: Any) -> None:
    with pytest.raises(Usage, match="needs a reason"):
        operations.request_change("person.add", NEW, account=team.admin, reason=" \n")
    assert not Operation.objects.exists()


def test_the_same_change_does_not_wait_twice(team: Any) -> None:
    """Of two at once one waits, and the other one names it. What ended, or is something else, stands in no way."""

    def wished(account: Any) -> Any:
        try:
            return wish(account, "membership.add", login="ada", role="approvers")
        except operations.AlreadyWaits as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(wished, (team.admin, None)))
    (waiting,) = Operation.objects.all()
    assert [end.operation for end in ends if isinstance(end, operations.AlreadyWaits)] == [waiting]
    with pytest.raises(Refused, match=f"Operation {waiting.pk} asks for exactly this already"):
        wish(team.admin, "membership.add", login="ada", role="approvers")
    wish(team.admin, "membership.add", login="ada", role="auditors")
    operations.cancel(waiting, account=team.admin)
    assert wish(team.admin, "membership.add", login="ada", role="approvers").state == "pending_approval"


@pytest.mark.parametrize("login", ["ada", "grace", "audrey", "mallory"])
def test_only_administrators_ask_for_changes(team: Any, login: str) -> None:
    with pytest.raises(Refused, match="administrator"):
        wish(getattr(team, login), "person.add", **NEW)


def test_a_rejected_change_changes_nothing(team: Any) -> None:
    asked = wish(team.admin, "membership.add", login="ada", role="approvers")
    given = {"account": team.grace, "digest": asked.digest, "auth_at": asked.created_at}
    with pytest.raises(Usage, match="Rejecting it needs a reason"):
        operations.reject(asked, reason=" ", **given)
    operations.reject(asked, reason="She votes elsewhere", **given)
    assert not Membership.objects.filter(person=team.ada.person, role="approvers").exists()


def test_what_moved_meanwhile_makes_a_change_stale(team: Any) -> None:
    first = wish(team.admin, "account.deactivate", login="ada")
    second = wish(team.admin, "account.reset_password", login="ada", password=NEW["password"])
    assert approve(team.grace, first).state == "succeeded"
    assert approve(team.grace, second).state == "stale"
    second.refresh_from_db()
    assert "active login" in second.state_reason


def test_a_known_address_makes_a_second_login_of_the_same_person(team: Any) -> None:
    asked = wish(team.admin, "person.add", **{**NEW, "email": "GRACE@example.test", "roles": []})
    assert asked.plan.risk == "high" and "votes as Grace" in asked.plan.risk_reasons[0]
    approve(team.linus, asked)
    assert Account.objects.get(username="carol").person == team.grace.person


def test_an_address_identifies_one_person(team: Any) -> None:
    with pytest.raises(Refused, match="somebody else"):
        wish(team.admin, "person.email", login="ada", email="Grace@Example.test")
    assert (
        approve(team.grace, wish(team.admin, "person.email", login="ada", email="lovelace@example.test")).state
        == "succeeded"
    )
    assert Person.objects.get(pk=team.ada.person_id).email == "lovelace@example.test"


def test_a_role_is_given_and_taken(team: Any) -> None:
    approve(team.grace, wish(team.admin, "membership.add", login="ada", role="approvers"))
    held = Membership.objects.filter(person=team.ada.person, role="approvers")
    assert held.get().counts_from > held.get().changed_by.created_at
    assert (
        approve(team.grace, wish(team.admin, "membership.remove", login="ada", role="approvers")).state == "succeeded"
    )
    assert not held.exists()


def test_the_last_one_who_decides_stays(team: Any) -> None:
    approve(team.grace, wish(team.admin, "membership.remove", login="linus", role="approvers"))
    for action, given in (
        ("membership.remove", {"login": "grace", "role": "approvers"}),
        ("membership.remove", {"login": "admin", "role": "administrators"}),
        ("account.deactivate", {"login": "grace"}),
    ):
        with pytest.raises(Refused, match="last of the"):
            wish(team.admin, action, **given)


def test_a_new_owner_group_is_confirmed_by_those_of_others(team: Any) -> None:
    asked = wish(team.admin, "membership.add", login="ada", role="approvers", owner_group="payments")
    assert approve(team.grace, asked).state == "succeeded"


def test_an_owner_group_with_deciders_of_its_own_confirms_its_own_changes(team: Any, give: Any) -> None:
    give(team.linus, "approvers", "payments")
    asked = wish(team.admin, "membership.add", login="ada", role="approvers", owner_group="payments")
    with pytest.raises(Refused, match="payments"):
        approve(team.grace, asked)
    assert approve(team.linus, asked).state == "succeeded"


def test_an_administrator_of_one_owner_group_does_not_ask_for_another(team: Any, give: Any) -> None:
    give(team.ada, "administrators", "payments")
    with pytest.raises(Refused, match="administrator"):
        wish(team.ada, "membership.add", login="bob", role="approvers", owner_group="default")


def test_ending_the_protection_of_an_environment_needs_those_who_protect_its_databases(team: Any, need: Any) -> None:
    need("scrub", {"approvers": 2})
    asked = wish(team.admin, "environment.edit", name="production", protected="no")
    assert asked.votes_needed == 2
    approve(team.grace, asked)
    assert Environment.objects.get(name="production").protected
    approve(team.linus, asked)
    assert not Environment.objects.get(name="production").protected


def test_environments_are_added_and_coloured(team: Any) -> None:
    given = {"name": "canary", "protected": "yes", "order": "45", "colour": "violet"}
    assert approve(team.grace, wish(team.admin, "environment.add", **given)).state == "succeeded"
    assert (
        approve(team.grace, wish(team.admin, "environment.edit", name="canary", label="Canaries")).state == "succeeded"
    )
    made = Environment.objects.get(name="canary")
    assert (made.label, made.protected, made.order, made.colour) == ("Canaries", True, 45, "violet")


def test_moving_a_database_out_of_production_needs_those_who_protect_it(team: Any, need: Any) -> None:
    from opsconsole.databases import registration

    need("scrub", {"approvers": 2})
    team.savings.refresh_from_db()
    given = registration.edition(team.savings, {"environment": "development"})
    asked = operations.request_change("database.edit", given, account=team.admin, reason="it is wanted")
    assert asked.votes_needed == 2
    approve(team.grace, asked)
    assert approve(team.linus, asked).state == "succeeded"
    team.savings.refresh_from_db()
    assert team.savings.environment.name == "development"


def test_a_removed_database_keeps_its_row_and_its_history(team: Any) -> None:
    from opsconsole.databases import registration

    asked = operations.request_change(
        "database.remove", registration.removal(team.savings), account=team.admin, reason="it is wanted"
    )
    assert approve(team.grace, asked).state == "succeeded"
    team.savings.refresh_from_db()
    assert team.savings.removed_at is not None
    with pytest.raises(Usage):
        ask(team.ada, team.savings)


def test_a_change_asked_for_at_a_shell_waits_too(team: Any) -> None:
    asked = wish(None, "person.add", **NEW)
    assert (asked.state, asked.requester) == ("pending_approval", None)
    assert approve(team.grace, asked).state == "pending_approval"  # she might be who asked
    assert approve(team.linus, asked).state == "succeeded"


def test_while_setting_up_changes_are_done_at_once_and_recorded_so(founders: Any) -> None:
    done = wish(founders.admin, "person.add", **NEW)
    assert (done.state, done.gated, done.votes_needed) == ("succeeded", False, 0)
    armed = AuditEvent.objects.get(operation_id=done.pk, type="op.armed")
    assert b'"bootstrap":true' in bytes(armed.payload)


def test_an_unknown_change_or_setting_is_refused_with_what_there_is(team: Any) -> None:
    with pytest.raises(Usage, match="environment"):
        wish(team.admin, "console.explode")
    with pytest.raises(Usage, match="service_owner"):
        wish(team.admin, "person.add", **NEW, colour="red")


@pytest.mark.parametrize("change", changes.every_change(), ids=lambda change: change.name)
def test_every_change_refuses_a_call_without_its_settings(team: Any, change: Any) -> None:
    with pytest.raises(OpsError) as refused:
        wish(team.admin, change.name)
    assert refused.value.why


def test_a_change_is_registered_once() -> None:
    with pytest.raises(TypeError, match="twice"):
        changes.register_change(changes.get_change("person.add"))
    with pytest.raises(TypeError, match="not a Change"):
        changes.register_change(object())  # type: ignore[arg-type]


def test_two_names_of_one_target_both_protect_it(founders: Any) -> None:
    from tests.support.people import close_bootstrap

    add_database("savings", "production", identity="sqlite:1:2:/a")
    alias = add_database("harmless", "development", identity="sqlite:1:2:/a")
    close_bootstrap()
    assert ask(founders.ada, alias).state == "pending_approval"
