"""Policies as sentences, what they would have meant, and proposals of others."""

from __future__ import annotations

from typing import Any

from opsconsole import approvals
from opsconsole.clock import now
from opsconsole.models import Operation, Policy
from tests.opsconsole.approvals.scenes import approve, ask
from tests.opsconsole.pages.conftest import Office

RULE = {
    "name": "scrubs", "title": "Scrubs", "environments": ["production"], "kinds": ["scrub"], "tags": "",
    "approvers": "2", "administrators": "0", "min_people": "2", "valid_minutes": "60", "loss_growth_percent": "10",
    "loss_growth_rows": "100", "begins": "", "ends": "",
    "reason": "Two see more",
}  # fmt: skip


def propose(office: Office, **more: Any) -> Any:
    return office.at("admin").post("/policy-form/", {**RULE, **more})


def test_policies_are_read_as_sentences(office: Office) -> None:
    html = office.at("ada").get("/policies/").content.decode()
    assert "needs 1 other person of approvers; valid 4 h" in html
    assert "Propose" not in html


def test_a_proposal_counts_when_it_is_confirmed(office: Office) -> None:
    assert propose(office).status_code == 302
    assert not Policy.objects.filter(name="scrubs").exists()
    approve(office.grace, Operation.objects.get(kind="change"))
    html = office.at("ada").get("/policies/").content.decode()
    assert "In production, a scrub needs 2 other people of approvers; valid 1 h" in html


def test_a_proposal_that_waits_already_is_led_to_and_not_asked_for_again(office: Office) -> None:
    client = office.at("admin")
    first, second = (client.post("/policy-form/", {**RULE, "reason": why}) for why in ("Two see more", "They do"))
    asked = Operation.objects.get()
    assert [first["Location"], second["Location"]] == [asked.get_absolute_url()] * 2
    assert "asks for exactly this already" in client.get(asked.get_absolute_url()).content.decode()


def test_what_a_proposal_means_is_said_before_it_is_asked_for(office: Office) -> None:
    ask(office.ada, office.sandbox)
    given = {**RULE, "environments": ["development"]}
    html = office.at("admin").post("/policy-form/preview/", given).content.decode()
    assert "In development, a scrub needs 2 other people of approvers" in html
    assert "It weakens nothing." in html
    assert "It asks for 2 of approvers, and there are 2: what one of them asks for would wait for nobody." in html
    assert "it would have made 1 operation wait" in html
    assert "nobody else was asked" in html


def test_a_proposal_that_weakens_says_what(office: Office) -> None:
    given = {**RULE, "approvers": "0", "administrators": "1", "min_people": "1", "valid_minutes": "600"}
    html = office.at("admin").post("/policy-form/preview/", given).content.decode()
    assert "It asks for less than now for a scrub in production" in html


def test_a_form_that_is_not_finished_teaches(office: Office) -> None:
    html = office.at("admin").post("/policy-form/preview/", {"name": "x"}).content.decode()
    assert "once the form makes sense" in html


def test_nobody_asked_is_no_policy(office: Office) -> None:
    html = propose(office, approvers="0", administrators="0").content.decode()
    assert "Somebody must be asked" in html


def test_a_window_is_kept_in_days_and_times(office: Office) -> None:
    propose(office, days=["0", "4"], begins="09:00", ends="17:00")
    approve(office.grace, Operation.objects.get(kind="change"))
    assert Policy.objects.get(name="scrubs").windows == [{"days": [0, 4], "from": "09:00", "to": "17:00"}]
    html = office.at("admin").get("/policy-form/?policy=scrubs").content.decode()
    assert 'value="09:00' in html


def test_the_form_of_a_known_policy_holds_what_it_says(office: Office) -> None:
    propose(office)
    approve(office.grace, Operation.objects.get(kind="change"))
    form = office.at("admin").get("/policy-form/?policy=scrubs").context["form"]
    assert form.initial["approvers"] == 2
    assert form.initial["environments"] == ["production"]


def test_a_policy_shows_what_it_would_have_asked_for_and_its_versions(office: Office) -> None:
    office.waiting()
    html = office.at("ada").get("/policies/default/").content.decode()
    assert "1 operation would have waited" in html
    assert "built in" in html or "Version" in html
    assert office.at("ada").get("/policies/no-such-thing/").status_code == 404


def test_a_policy_is_switched_off_by_two_and_not_the_default_one(office: Office) -> None:
    propose(office, approvers="1", min_people="1")
    approve(office.grace, Operation.objects.get(kind="change"))
    client = office.at("admin")
    assert client.post("/policies/default/off/", {"reason": "No"}).status_code == 409
    client.post("/policies/scrubs/off/", {"reason": "No longer"})
    approve(office.linus, Operation.objects.filter(kind="change").latest("id"))
    assert Policy.objects.filter(name="scrubs").latest("version").enabled is False


def test_only_administrators_propose(office: Office) -> None:
    assert office.at("grace").get("/policy-form/").status_code == 403
    assert office.at("grace").post("/policies/default/off/", {"reason": "x"}).status_code == 403
    assert approvals.in_force(now()).default.name == "default"
