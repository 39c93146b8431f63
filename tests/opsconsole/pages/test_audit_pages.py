"""The audit to read: sentences and filters, one event with its proof, verifying from there, exports."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.test import Client

from opsconsole import audit
from opsconsole.audit import catalogue
from opsconsole.clock import now
from opsconsole.models import AuditEvent, Operation
from opsconsole.pages.audit import FAMILIES
from opsconsole.verify_audit import STANDALONE
from tests.opsconsole.approvals.scenes import approve, later
from tests.opsconsole.pages.conftest import Office


def read(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def shown(client: Client, query: str) -> list[str]:
    """The types of the events on a page."""
    return [event.type for event in client.get(f"/audit/?{query}").context["events"]]


def test_events_are_sentences_that_lead_to_their_proof(office: Office) -> None:
    operation = office.queued()
    event = AuditEvent.objects.filter(type="op.voted", operation_id=operation.pk).get()
    html = read(office.at("audrey"), "/audit/")
    assert "approved the scrub of savings (production)" in html
    assert f'href="/audit/{event.pk}/"' in html


def test_only_auditors_and_administrators_read_the_history(office: Office) -> None:
    for login, status in (("audrey", 200), ("admin", 200), ("ada", 403), ("grace", 403), ("mallory", 403)):
        assert office.at(login).get("/audit/").status_code == status, login


def test_the_history_is_filtered_by_person_database_kind_outcome_and_time(office: Office) -> None:
    operation = office.waiting()
    ada, client = office.at("ada"), office.at("audrey")
    ada.get("/audit/")
    assert shown(client, "person=Ada&outcome=denied") == ["denied.page"]
    assert set(shown(client, "person=ada&type=auth.")) == {"auth.login"}
    assert set(shown(client, "database=savings&kind=scrub")) == {"op.planned", "op.submitted"}
    assert set(shown(client, f"operation={operation.pk}")) == {"op.planned", "op.submitted"}
    assert shown(client, "until=2020-01-01") == []
    assert len(shown(client, "since=2020-01-01")) > 5


def test_a_stretch_of_time_holds_what_happened_in_it_whatever_was_written_first(office: Office) -> None:
    with later(seconds=30):
        last = audit.record("database.noted", subject="written first, happened last")
    first = audit.record("database.noted", subject="written last, happened first")
    middle = (now() + timedelta(seconds=15)).isoformat().replace("+", "%2B")
    client = office.at("audrey")
    found = {
        side: [event.pk for event in client.get(f"/audit/?type=database.&{side}={middle}").context["events"]]
        for side in ("since", "until")
    }
    assert found == {"since": [last.pk], "until": [first.pk]}


def test_a_filter_that_makes_no_sense_is_told_in_place(office: Office) -> None:
    client = office.at("audrey")
    answer = client.get("/audit/?person=nobody-at-all")
    assert answer.status_code == 200
    assert "Nobody is called nobody-at-all." in answer.content.decode()
    assert "Write 2026-11-20" in read(client, "/audit/?since=yesterday")
    assert "is no number of an operation" in read(client, "/audit/?operation=twelve")


def test_every_family_of_events_can_be_chosen_and_a_single_type_is_kept(office: Office) -> None:
    assert {f"{entry.name.partition('.')[0]}." for entry in catalogue.every()} == {family for family, _ in FAMILIES}
    html = read(office.at("audrey"), "/audit/?type=op.voted")
    assert '<option value="op.voted" selected>' in html


def test_pages_follow_each_other_by_key(office: Office) -> None:
    client = office.at("audrey")
    for number in range(60):
        audit.record("database.noted", subject=str(number))
    first = client.get("/audit/")
    second = client.get(f"/audit/?{first.context['older']}")
    pages = [[event.pk for event in answer.context["events"]] for answer in (first, second)]
    assert len(pages[0]) == 50
    assert min(pages[0]) > max(pages[1])
    assert "Newest events" in second.content.decode()


def test_the_history_costs_the_same_for_fifty_events_as_for_ten(
    office: Office, queries: Callable[[Client, str], int]
) -> None:
    client = office.at("audrey")
    before = queries(client, "/audit/")
    for number in range(40):
        audit.record("database.noted", subject=str(number))
    assert queries(client, "/audit/") == before


def test_one_event_shows_its_bytes_its_place_and_its_checkpoint(office: Office) -> None:
    office.waiting()
    audit.seal_all()
    audit.checkpoint(force=True)
    event = AuditEvent.objects.get(type="op.submitted")
    answer = office.at("audrey").get(f"/audit/{event.pk}/")
    proof = answer.context["proof"]
    assert proof.holds
    html = answer.content.decode()
    assert proof.hash in html
    assert "covers it" in html
    assert "&quot;type&quot;:&quot;op.submitted&quot;" in html


def test_an_event_that_is_not_sealed_yet_says_so(office: Office) -> None:
    event = audit.record("database.noted", subject="fresh")
    html = read(office.at("audrey"), f"/audit/{event.pk}/")
    assert "It waits to be sealed" in html or "of the chain" in html
    assert office.at("audrey").get("/audit/999999/").status_code == 404


def test_the_history_is_verified_from_an_event_on_and_that_is_recorded(office: Office) -> None:
    office.waiting()
    audit.seal_all()
    event = AuditEvent.objects.get(type="op.planned")
    html = office.at("audrey").post(f"/audit/{event.pk}/verify/").content.decode()
    assert "Links" in html
    assert "tampered" not in html
    assert AuditEvent.objects.filter(type="audit.verified", actor_name="Audrey").count() == 1


def test_an_export_holds_what_the_filter_shows_and_is_an_event(office: Office) -> None:
    approve(office.grace, office.waiting())
    client = office.at("audrey")
    answer = client.post("/audit/export/jsonl/", {"database": "savings", "type": "op."})
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    types = [line["event"]["type"] for line in lines if "event" in line]
    assert types == ["op.planned", "op.submitted", "op.voted", "op.approved"]
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    recorded = json.loads(bytes(AuditEvent.objects.get(type="audit.exported").payload))
    assert recorded["data"]["filters"] == {"database": "savings", "type": "op."}


def test_a_csv_export_holds_no_formula(office: Office) -> None:
    audit.record("database.noted", subject="=HYPERLINK(1)")
    answer = office.at("audrey").post("/audit/export/csv/", {"type": "database.noted"})
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert rows[0]["object"] == "'=HYPERLINK(1)"


def test_an_export_is_asked_for_by_post_and_only_by_readers(office: Office) -> None:
    assert office.at("audrey").get("/audit/export/csv/").status_code == 405
    assert office.at("ada").post("/audit/export/csv/").status_code == 403
    assert office.at("audrey").post("/audit/export/xlsx/").status_code == 400
    assert not Operation.objects.exists()


def test_lists_of_rules_lead_auditors_to_their_history(office: Office) -> None:
    for path, family in (("/people/", "membership."), ("/policies/", "policy."), ("/environments/", "environment.")):
        assert f"/audit/?type={family}" in read(office.at("audrey"), path)
        assert "/audit/?type=" not in read(office.at("ada"), path)


def test_the_verifier_and_the_public_key_can_be_taken_along(office: Office) -> None:
    audit.checkpoint(force=True)
    html = read(office.at("audrey"), "/audit/")
    for path, content in (
        ("/audit/verify_audit.py", STANDALONE.read_bytes()),
        ("/audit/audit.pub", (settings.OPSCONSOLE_HOME / "keys" / "audit.pub").read_bytes()),
    ):
        assert f'href="{path}"' in html
        answer = office.at("audrey").get(path)
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert office.at("ada").get(path).status_code == 403
