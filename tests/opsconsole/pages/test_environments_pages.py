"""Environments: a list for all, changes by request."""

from __future__ import annotations

from opsconsole.models import Environment, Operation
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.pages.conftest import Office

FIELDS = {"label": "Training", "order": "15", "colour": "violet", "reason": "For the new ones"}


def change() -> Operation:
    return Operation.objects.filter(kind="change").latest("id")


def test_the_list_says_what_is_protected_and_leads_to_the_databases(office: Office) -> None:
    html = office.at("ada").get("/environments/").content.decode()
    assert "Protected: needs a second person" in html
    assert "/databases/?environment=production" in html
    assert "/environments/production/edit/" not in html


def test_an_environment_is_added_when_it_is_confirmed(office: Office) -> None:
    office.at("admin").post("/new-environment/", {**FIELDS, "name": "training", "protected": "on"})
    assert not Environment.objects.filter(name="training").exists()
    approve(office.grace, change())
    assert Environment.objects.get(name="training").protected


def test_protection_is_not_taken_away_by_one_person(office: Office) -> None:
    office.at("admin").post("/environments/production/edit/", {**FIELDS, "label": "Production"})
    assert change().state == "pending_approval"
    assert Environment.objects.get(name="production").protected


def test_a_name_that_cannot_be_one_is_told_at_its_field(office: Office) -> None:
    html = office.at("admin").post("/new-environment/", {**FIELDS, "name": "Not A Name"}).content.decode()
    assert "lower-case letters" in html


def test_only_administrators_ask_for_environments(office: Office) -> None:
    assert office.at("ada").get("/new-environment/").status_code == 403
    assert office.at("ada").get("/environments/production/edit/").status_code == 403
    assert office.at("admin").get("/environments/nowhere/edit/").status_code == 404
