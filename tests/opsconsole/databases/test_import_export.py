"""Databases as tables: nothing secret goes out, nothing changes by coming in."""

from __future__ import annotations

from typing import Any

from tablib import Dataset

from opsconsole.models import AuditEvent, Database, Operation
from opsconsole.resources import DatabaseResource
from opsconsole.states import State
from tests.opsconsole.databases.conftest import Shop
from tests.support import people
from tests.support.people import Cast


def table(*rows: dict[str, str]) -> Dataset:
    headers = sorted({name for row in rows for name in row})
    return Dataset(*[[row.get(name, "") for name in headers] for row in rows], headers=headers)


def test_an_export_holds_no_secret_and_is_recorded(savings: Any, shop: Shop, team: Cast) -> None:
    text = DatabaseResource(team.admin).export().csv
    assert "savings" in text and "production" in text
    assert shop.role.password not in text
    assert savings.url_sealed not in text
    assert AuditEvent.objects.filter(type="database.exported").count() == 1


def test_an_export_shows_only_what_one_may_see(savings: Any, team: Cast) -> None:
    assert len(DatabaseResource(team.mallory).export()) == 0


def test_an_export_can_be_imported_again_and_changes_nothing(savings: Any, team: Cast) -> None:
    before = Operation.objects.count()
    result = DatabaseResource(team.admin).import_data(DatabaseResource(team.admin).export(), raise_errors=True)
    assert result.totals["skip"] == 1
    assert Operation.objects.count() == before


def test_a_new_row_becomes_a_request(team: Cast, shop: Shop, monkeypatch: Any) -> None:
    monkeypatch.setenv("SHOP_URL", shop.url)
    people.close_bootstrap()
    resource = DatabaseResource(team.admin, "as the list of the move says")
    resource.import_data(table({"name": "shop", "environment": "staging", "url_env": "SHOP_URL"}), raise_errors=True)
    assert [operation.state for operation in resource.requested] == [State.PENDING_APPROVAL]
    assert not Database.objects.filter(name="shop").exists()


def test_a_differing_row_becomes_a_request_and_leaves_the_database_as_it_is(savings: Any, team: Cast) -> None:
    people.close_bootstrap()
    resource = DatabaseResource(team.admin, "as the list of the move says")
    resource.import_data(table({"name": "savings", "environment": "development"}), raise_errors=True)
    (operation,) = resource.requested
    assert operation.plan.parameters["changes"] == {"environment": {"old": "production", "new": "development"}}
    savings.refresh_from_db()
    assert savings.environment.name == "production"


def test_a_dry_run_asks_for_nothing(savings: Any, team: Cast) -> None:
    resource = DatabaseResource(team.admin)
    result = resource.import_data(table({"name": "savings", "environment": "development"}), dry_run=True)
    assert result.totals["update"] == 1
    assert resource.requested == []
    assert Operation.objects.count() == 0


def test_a_password_in_the_file_is_refused(team: Cast, shop: Shop) -> None:
    result = DatabaseResource(team.admin).import_data(
        table({"name": "shop", "environment": "staging", "url": shop.url}), dry_run=True
    )
    assert "no place for a password" in str(result.invalid_rows[0].error)
    assert shop.role.password not in str(result.invalid_rows[0].error)


def test_an_unknown_environment_is_refused_with_the_list_of_what_there_is(savings: Any, team: Cast) -> None:
    result = DatabaseResource(team.admin).import_data(table({"name": "savings", "environment": "prod"}), dry_run=True)
    assert "production" in str(result.invalid_rows[0].error)


def test_somebody_who_may_not_ask_for_changes_is_refused(savings: Any, team: Cast) -> None:
    resource = DatabaseResource(team.ada)
    result = resource.import_data(table({"name": "savings", "environment": "development"}))
    assert resource.requested == []
    assert result.invalid_rows


def test_only_administrators_may_import_or_export(team: Cast) -> None:
    for login, allowed in {"admin": True, "ada": False, "grace": False, "audrey": False, "mallory": False}.items():
        account = getattr(team, login)
        found = [account.has_perm(f"opsconsole.{verb}_database") for verb in ("import", "export")]
        assert found == [allowed, allowed], login


def test_being_superuser_alone_opens_neither(team: Cast) -> None:
    team.mallory.is_superuser = True
    team.mallory.save(update_fields=["is_superuser"])
    assert not team.mallory.has_perm("opsconsole.import_database")
