"""Adding, changing and removing a database: change requests, loud warnings, and a URL that is never sent back."""

from __future__ import annotations

from typing import Any

from django.test import Client

from opsconsole.models import AuditEvent, Database, Environment, Operation
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.pages.conftest import Office

URL = "postgresql://app:hunter2hunter2@127.0.0.1:1/wallet"


def fields(**more: str) -> dict[str, str]:
    given = {
        "name": "wallet", "url": URL, "url_env": "", "environment": "production", "owner_group": "default",
        "queue": "default", "tags": "money, eu", "reason": "It moves here next week",
    }  # fmt: skip
    return given | more


def add(client: Client, **more: str) -> Any:
    return client.post("/new-database/", fields(**more))


def test_a_database_is_asked_for_and_exists_when_it_is_confirmed(office: Office) -> None:
    answer = add(office.at("admin"), read_warnings="on")
    operation = Operation.objects.get(kind="change")
    assert answer.headers["Location"] == f"/operations/{operation.pk}/"
    assert not Database.objects.filter(name="wallet").exists()
    approve(office.grace, operation)
    made = Database.objects.get(name="wallet")
    assert (made.environment.name, made.tags, made.display) == (
        "production", ["eu", "money"], "postgresql://app@127.0.0.1:1/wallet",
    )  # fmt: skip


def test_the_password_of_the_url_is_in_no_plan_no_event_and_no_page(office: Office) -> None:
    answer = add(office.at("admin"), read_warnings="on")
    operation = Operation.objects.get(kind="change")
    page = office.at("grace").get(answer.headers["Location"]).content.decode()
    told = "".join(bytes(event.payload).decode() for event in AuditEvent.objects.all())
    assert "hunter2" not in operation.plan_text + page + told


def test_a_warning_stops_the_request_until_somebody_has_read_it(office: Office) -> None:
    html = add(office.at("admin"), name="wallet-prod", environment="development").content.decode()
    assert "THIS LOOKS LIKE PRODUCTION" in html
    assert "I have read the warnings" in html
    assert not Operation.objects.filter(kind="change").exists()


def test_a_form_that_comes_back_does_not_hold_the_url(office: Office) -> None:
    html = add(office.at("admin"), name="Not A Name").content.decode()
    assert "Not A Name" in html
    assert "hunter2" not in html


def test_a_refusal_stands_above_the_fields_with_what_to_do(office: Office) -> None:
    html = add(office.at("admin"), name="savings").content.decode()
    assert "There is, or was, a database called savings." in html
    assert "Choose another name." in html


def test_only_administrators_ask_for_databases(office: Office) -> None:
    client = office.at("ada")
    assert client.get("/new-database/").status_code == 403
    assert client.get("/databases/savings/edit/").status_code == 403
    assert "/new-database/" not in client.get("/databases/").content.decode()


def test_the_form_says_meanwhile_what_the_address_looks_like(office: Office) -> None:
    given = fields(name="shop-staging", environment="")
    html = office.at("admin").post("/new-database/check/", given).content.decode()
    assert "It looks like <strong>Staging</strong>" in html
    assert "hunter2" not in html


def test_the_form_says_meanwhile_what_is_wrong_with_the_address(office: Office) -> None:
    client = office.at("admin")
    assert "refused" in client.post("/new-database/check/", fields()).content.decode().lower()
    unknown = client.post("/new-database/check/", fields(url="mysql://root:hunter2@db/x")).content.decode()
    assert "No engine knows URLs of this kind." in unknown
    assert "hunter2" not in unknown
    missing = client.post("/new-database/check/", fields(url="", url_env="NOWHERE_URL")).content.decode()
    assert "Set NOWHERE_URL" in missing


def edit(client: Client, **more: str) -> Any:
    given = {
        "environment": "production", "owner_group": "default", "queue": "default", "tags": "", "guarded_tables": "",
        "masked_columns": "", "url": "", "url_env": "", "reason": "Because",
    }  # fmt: skip
    return client.post("/databases/savings/edit/", given | more)


def test_a_setting_changes_when_it_is_confirmed(office: Office) -> None:
    edit(office.at("admin"), masked_columns="users.note, iban")
    assert Database.objects.get(name="savings").masked_columns == []
    approve(office.grace, Operation.objects.get(kind="change"))
    assert Database.objects.get(name="savings").masked_columns == ["iban", "users.note"]


def test_the_form_shows_the_settings_as_they_are(founding: Office) -> None:
    Database.objects.filter(name="savings").update(tags=["eu", "money"], guarded_tables=["ledger"])
    html = founding.at("admin").get("/databases/savings/edit/").content.decode()
    assert 'value="eu, money"' in html
    assert 'value="ledger"' in html


def test_nothing_to_change_is_said_and_asked_of_nobody(office: Office) -> None:
    assert "has these settings already" in edit(office.at("admin")).content.decode()
    assert not Operation.objects.filter(kind="change").exists()


def test_a_protected_database_is_not_relabelled_by_one_person(office: Office) -> None:
    edit(office.at("admin"), environment="development", read_warnings="on")
    assert Database.objects.get(name="savings").environment == Environment.objects.get(name="production")


def test_a_database_leaves_the_list_by_its_typed_name_and_another_person(office: Office) -> None:
    client = office.at("admin")
    assert client.post("/databases/sandbox/remove/", {"confirm": "sandbo", "reason": "x"}).status_code == 409
    client.post("/databases/sandbox/remove/", {"confirm": "sandbox", "reason": "It is gone"})
    approve(office.grace, Operation.objects.get(kind="change"))
    assert client.get("/databases/sandbox/").status_code == 404
    assert Database.objects.get(name="sandbox").removed_at is not None
