"""Asking for an operation in the browser."""

from __future__ import annotations

from datetime import timedelta

from opsconsole.clock import now
from opsconsole.models import Operation
from opsconsole.reauth import PROVED_AT
from opsconsole.states import State
from tests.opsconsole.approvals.scenes import add_database
from tests.opsconsole.pages.conftest import Office
from tests.support.people import PASSWORD

SAVINGS, SANDBOX = "/databases/savings/request/scrub/", "/databases/sandbox/request/scrub/"


def test_the_form_has_the_fields_of_the_kind(office: Office) -> None:
    html = office.at("ada").get(SAVINGS).content.decode()
    assert 'name="source"' in html
    assert "Request scrub of savings" in html
    assert 'id="environment-frame"' in html


def test_the_preview_shows_the_plan_and_what_policy_asks(office: Office) -> None:
    html = office.at("ada").get(SAVINGS + "plan/").content.decode()
    assert "Orders are scrubbed." in html
    assert "1 other person" in html
    assert not Operation.objects.exists()


def test_the_preview_of_what_would_be_refused_says_why(office: Office) -> None:
    html = office.at("ada").get("/databases/savings/request/restore/plan/?backup=77").content.decode()
    assert "would be refused" in html


def test_on_a_protected_database_it_waits_for_another_person(office: Office) -> None:
    answer = office.at("ada").post(SAVINGS, {"reason": "rows are doubled"})
    operation = Operation.objects.get()
    assert answer.headers["Location"] == f"/operations/{operation.pk}/"
    assert (operation.state, operation.reason) == (State.PENDING_APPROVAL, "rows are doubled")


def test_on_an_unprotected_database_its_name_is_typed(office: Office) -> None:
    client = office.at("ada")
    assert "must be exactly sandbox" in client.post(SANDBOX, {"confirm": "savings"}).content.decode()
    assert "This field is required" in client.post(SANDBOX, {}).content.decode()
    assert not Operation.objects.exists()
    client.post(SANDBOX, {"confirm": "sandbox"})
    assert Operation.objects.get().self_confirmed


def test_without_a_second_person_the_password_must_be_fresh(office: Office) -> None:
    client = office.at("ada")
    session = client.session
    session[PROVED_AT] = (now() - timedelta(minutes=11)).isoformat()
    session.save()
    assert 'name="password"' in client.get(SANDBOX).content.decode()
    wrong = client.post(SANDBOX, {"confirm": "sandbox", "password": "not it"})
    assert "That is not your password." in wrong.content.decode()
    assert not Operation.objects.exists()
    client.post(SANDBOX, {"confirm": "sandbox", "password": PASSWORD})
    assert Operation.objects.get().self_confirmed


def test_the_preview_never_carries_the_password(office: Office) -> None:
    assert 'hx-params="not password,' in office.at("ada").get(SANDBOX).content.decode()


def test_what_only_reads_needs_neither_a_name_nor_a_person(office: Office) -> None:
    office.at("ada").post("/databases/savings/request/copy/", {})
    assert Operation.objects.get().state == State.QUEUED


def test_a_link_fills_the_form_but_never_the_confirmation(office: Office) -> None:
    html = office.at("ada").get(SANDBOX, {"source": "savings", "confirm": "sandbox"}).content.decode()
    assert 'value="savings"' in html
    assert 'value="sandbox"' not in html


def test_an_auditor_may_look_but_not_ask(office: Office) -> None:
    client = office.at("audrey")
    assert client.get(SAVINGS).status_code == 403
    assert client.post(SAVINGS, {}).status_code == 403
    assert "engineer" in client.get(SAVINGS).content.decode()


def test_a_kind_that_does_not_exist_is_not_found(office: Office) -> None:
    assert office.at("ada").get("/databases/savings/request/explode/").status_code == 404


def test_a_second_request_is_a_second_operation_with_its_own_digest(office: Office) -> None:
    client = office.at("ada")
    client.post(SAVINGS, {})
    client.post(SAVINGS, {})
    assert len(set(Operation.objects.values_list("digest", flat=True))) == 2


def test_no_database_is_offered_as_a_source_that_one_may_not_see(founding: Office) -> None:
    add_database("elsewhere", owner_group="another-team")
    html = founding.at("ada").get("/databases/savings/request/restore/").content.decode()
    assert "sandbox" in html
    assert "elsewhere" not in html
