"""Adding, editing and removing databases by request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opsconsole import operations
from opsconsole.databases import registration
from opsconsole.exceptions import Refused, TargetProblem, Usage
from opsconsole.models import AuditEvent, Database, Operation, OperationTarget
from opsconsole.states import State
from tests.opsconsole.databases.conftest import Shop
from tests.support import people
from tests.support.console import Console
from tests.support.people import Cast


def add(account: Any, name: str, url: str, environment: str = "development") -> Operation:
    wanted = registration.addition(name, url=url, environment=environment, tags=["core"])
    return operations.request_change("database.add", wanted, account=account, reason="it is wanted")


def test_while_the_console_is_set_up_a_database_is_there_at_once(team: Cast, shop: Shop) -> None:
    assert add(team.admin, "savings", shop.url).state == State.SUCCEEDED
    row = Database.objects.get(name="savings")
    assert (row.environment.name, row.owner_group.name, row.tags) == ("development", "default", ["core"])
    assert row.identity.endswith(f":{shop.name}")


def test_afterwards_it_waits_for_another_person(team: Cast, shop: Shop) -> None:
    people.close_bootstrap()
    assert add(team.admin, "savings", shop.url).state == State.PENDING_APPROVAL
    assert not Database.objects.filter(name="savings").exists()
    with pytest.raises(operations.AlreadyWaits):  # although its URL is sealed anew
        add(team.admin, "savings", shop.url)


def test_the_password_is_in_no_plan_no_event_and_no_result(team: Cast, shop: Shop) -> None:
    operation = add(team.admin, "savings", shop.url)
    told = operation.plan_text + json.dumps(operation.result)
    told += "".join(bytes(event.payload).decode() for event in AuditEvent.objects.all())
    assert "savings" in told
    assert shop.role.password not in told


def test_a_database_that_cannot_be_reached_is_taken_with_the_reason(team: Cast) -> None:
    wanted = registration.addition("far", url="postgresql://app@nowhere.invalid/far", environment="demo")
    assert "nowhere.invalid" in wanted["problem"]
    assert any("cannot be reached" in warning for warning in wanted["warnings"])
    operations.request_change("database.add", wanted, account=team.admin, reason="it is wanted")
    assert Database.objects.get(name="far").problem == wanted["problem"]


def test_an_environment_that_contradicts_the_url_is_a_warning_in_the_plan(team: Cast, shop: Shop) -> None:
    operation = add(team.admin, "savings-prod", shop.url)
    assert any("LOOKS LIKE PRODUCTION" in reason for reason in operation.plan.risk_reasons)


def test_a_target_that_is_known_under_another_name_is_a_warning(savings: Any, shop: Shop) -> None:
    wanted = registration.addition("again", url=shop.url, environment="development")
    assert any("savings (Production)" in warning for warning in wanted["warnings"])


def test_an_unknown_environment_is_refused_with_the_list_of_what_there_is(console: Console, shop: Shop) -> None:
    with pytest.raises(Usage) as caught:
        registration.addition("savings", url=shop.url, environment="prod")
    assert "production" in caught.value.next_step


def test_a_name_is_never_given_twice_not_even_after_removal(savings: Any, shop: Shop) -> None:
    Database.objects.filter(pk=savings.pk).update(removed_at=savings.seen_at)
    with pytest.raises(Refused) as caught:
        registration.addition("savings", url=shop.url, environment="production")
    assert caught.value.code == "name_taken"


@pytest.mark.parametrize("name", ["", "Savings", "a b", "../x", "x" * 64])
def test_a_name_that_would_need_quoting_somewhere_is_refused(console: Console, shop: Shop, name: str) -> None:
    with pytest.raises(Usage):
        registration.addition(name, url=shop.url, environment="production")


@pytest.mark.parametrize("variable", ["DATABASE_URL", "SECRET_KEY", "lower", "A-B"])
def test_a_variable_of_the_console_itself_cannot_name_a_target(console: Console, variable: str) -> None:
    with pytest.raises(Usage) as caught:
        registration.addition("savings", url_env=variable, environment="production")
    assert caught.value.code == "bad_variable"


def test_a_file_outside_the_allowed_folders_is_refused(console: Console, tmp_path: Path) -> None:
    with pytest.raises(TargetProblem, match="does not lie under"):
        registration.addition("outside", url=f"sqlite:///{tmp_path}/other.sqlite3", environment="development")


def test_the_console_itself_is_refused_as_a_target(console: Console, settings: Any) -> None:
    if console.vendor == "postgresql":
        url = console.env["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
    else:
        settings.OPSCONSOLE_ROOTS = [console.home]
        url = f"sqlite:///{console.home}/console.sqlite3"
    with pytest.raises(Refused) as caught:
        registration.addition("self", url=url, environment="development")
    assert caught.value.code == "own_database"


def test_an_edit_changes_what_it_names_and_says_old_and_new(savings: Any, team: Cast) -> None:
    wanted = registration.edition(savings, {"environment": "staging", "tags": []})
    assert wanted["changes"] == {"environment": {"old": "production", "new": "staging"}}
    operations.request_change("database.edit", wanted, account=team.admin, reason="it is wanted")
    savings.refresh_from_db()
    assert savings.environment.name == "staging"


def test_an_edit_that_changes_nothing_is_refused(savings: Any) -> None:
    with pytest.raises(Usage) as caught:
        registration.edition(savings, {"environment": "production"})
    assert caught.value.code == "nothing_to_change"


def test_an_edit_of_an_address_keeps_the_kind_of_database(savings: Any, shop_file: Path) -> None:
    with pytest.raises(Refused) as caught:
        registration.edition(savings, {}, url=f"sqlite:///{shop_file}")
    assert caught.value.code == "wrong_engine"


def test_an_edit_that_was_overtaken_by_another_is_not_done(savings: Any, team: Cast) -> None:
    first, second = (registration.edition(savings, {"environment": name}) for name in ("staging", "demo"))
    operations.request_change("database.edit", first, account=team.admin, reason="it is wanted")
    late = operations.request_change("database.edit", second, account=team.admin, reason="it is wanted")
    assert (late.state, late.failure_code) == (State.FAILED, "stale")
    savings.refresh_from_db()
    assert savings.environment.name == "staging"


def test_a_removed_database_keeps_its_row_and_is_managed_no_more(savings: Any, team: Cast) -> None:
    operations.request_change(
        "database.remove", registration.removal(savings), account=team.admin, reason="it is wanted"
    )
    savings.refresh_from_db()
    assert savings.removed_at is not None
    assert AuditEvent.objects.filter(type="database.removed", database_id=savings.pk).count() == 1


def test_a_database_is_not_removed_under_an_open_operation(ignition: Any, team: Cast) -> None:
    operations.request("backup", ignition, {}, account=team.ada)
    with pytest.raises(Refused) as caught:
        registration.removal(ignition)
    assert caught.value.code == "in_use"


def test_an_address_is_not_changed_under_an_open_operation(ignition: Any, team: Cast, shop_file: Path) -> None:
    operations.request("backup", ignition, {}, account=team.ada)
    with pytest.raises(Refused) as caught:
        registration.edition(ignition, {}, url=f"sqlite:///{shop_file}?flavour=d1")
    assert caught.value.code == "in_use"
    assert registration.edition(ignition, {"tags": ["core"]})["where"] == {}


def test_a_database_is_not_removed_under_an_operation_that_only_reads_there(ignition: Any, team: Cast) -> None:
    other = Database.objects.get(pk=ignition.pk)
    operation = operations.request("backup", ignition, {}, account=team.ada)
    other.pk, other.name = None, "spark"
    other.save()
    OperationTarget.objects.create(operation=operation, database=other, identity="sqlite:1:2:/x", role="shared")
    with pytest.raises(Refused) as caught:
        registration.removal(other)
    assert caught.value.code == "in_use"


def test_an_agreed_change_of_address_is_not_done_under_an_operation_that_opened_meanwhile(
    ignition: Any, team: Cast, shop_file: Path
) -> None:
    wanted = registration.edition(ignition, {}, url=f"sqlite:///{shop_file}")
    operations.request("backup", ignition, {}, account=team.ada)
    late = operations.request_change("database.edit", wanted, account=team.admin, reason="it is wanted")
    assert (late.state, late.failure_code) == (State.FAILED, "in_use")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://app:x@h/d", True),
        ("postgresql://app@h/d?password=x", True),
        ("postgresql://app@h/d?PASSWORD=x", True),
        ("postgresql://app@h/d", False),
        ("sqlite:////srv/a:b@c.sqlite3", False),
    ],
)
def test_a_password_in_a_url_is_seen_wherever_it_stands(url: str, expected: bool) -> None:
    assert registration.has_password(url) is expected
