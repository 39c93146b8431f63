"""Rules are listed, tried, asked for, brought and taken away on pages, by those who may."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from integrity.models import Finding, Rule
from integrity.rules import in_force
from integrity.rules.exchanging import EXAMPLE
from opsconsole.models import AuditEvent, Operation
from opsconsole.states import State
from tests.integrity.pages.test_report_pages import read
from tests.integrity.test_check import check
from tests.lifecycle.conftest import sqlite_shop as sqlite_shop
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.pages.conftest import Office

FORM = {"name": "ids-from-three", "m-table": "orders", "m-violates": "t.id < 3", "severity": "critical",
        "category": "Business Rules", "reason": "The old ones are gone."}  # fmt: skip


@pytest.fixture
def shop(cast: Any, sqlite_shop: Any) -> tuple[Office, Any, Any]:
    """The office with a database that can be read, the database, and its row."""
    place, row = sqlite_shop
    return Office(people=cast, savings=row, sandbox=row), place, row


def confirm(office: Office) -> None:
    done = approve(office.grace, Operation.objects.get(kind="change", state=State.PENDING_APPROVAL))
    assert done.state == State.SUCCEEDED, done.failure_why


def test_a_rule_is_tried_asked_for_confirmed_listed_edited_and_removed(console: Any, shop: Any) -> None:
    office, _, row = shop
    client, rules = office.at("ada"), f"/databases/{row.name}/rules/"
    assert "There is none yet" in read(client, rules)
    tried = client.post(f"{rules}try/row/", {**FORM, "reason": ""}).content.decode()
    assert "2 rows break it." in tried and "(t.id &lt; 3) IS TRUE" in tried and "<td>1</td>" in tried
    assert AuditEvent.objects.filter(type="rule.tried").count() == 1
    assert "make sense: Table." in client.post(f"{rules}try/row/", {**FORM, "m-table": ""}).content.decode()
    refused = client.post(f"{rules}try/row/", {**FORM, "m-violates": "load_extension('x')"}).content.decode()
    assert "load_extension" in refused
    again = client.post(f"{rules}new/row/", {**FORM, "m-violates": "1); DROP TABLE orders"})
    assert (again.status_code, "never opened" in again.content.decode()) == (200, True)
    assert client.post(f"{rules}new/row/", FORM).status_code == 302
    assert not Rule.objects.exists()
    confirm(office)
    assert "not asked lately" in read(client, rules)
    check(console, office.people, row, rule="ids-from-three")
    html = read(client, rules)
    assert "2 rows break it" in html and "No row of orders has t.id &lt; 3." in html
    (finding,) = Finding.objects.filter(check_name="rule:ids-from-three")
    assert f"{rules}#rule-ids-from-three" in read(client, finding.get_absolute_url())
    assert 'id="rule-ids-from-three"' in html and "request/check/?rule=ids-from-three" in html
    assert "1 rule of people is asked by each check" in read(client, f"/databases/{row.name}/integrity/")
    form = read(client, f"{rules}new/row/?rule=ids-from-three")
    assert 'value="ids-from-three"' in form and "t.id &lt; 3</textarea>" in form
    assert client.post(f"{rules}remove/", {"rule": "ids-from-three", "reason": "x"}).status_code == 302
    confirm(office)
    assert in_force.rules_of(row) == []
    again = f"{rules}new/row/?earlier={Rule.objects.get(name='ids-from-three').pk}"
    assert again in read(client, rules)
    assert "t.id &lt; 3</textarea>" in read(client, again)


def test_rules_go_to_a_file_and_come_back_and_a_bad_line_is_named(shop: Any) -> None:
    office, _, row = shop
    client, rules = office.at("ada"), f"/databases/{row.name}/rules/"
    lines = ["name,kind,spec,severity,hint"]
    lines += ['stay,count,"{""table"": ""orders""}",info,\'=look']
    given = {"file": SimpleUploadedFile("rules.csv", "\n".join(lines).encode()), "reason": "x"}
    assert client.post(f"{rules}import/", given).status_code == 302
    confirm(office)
    (rule,) = in_force.rules_of(row)
    assert (rule.name, rule.severity, rule.hint) == ("stay", "info", "=look")
    exported = client.get(f"{rules}export/csv/").content
    assert b",'=look," in exported
    assert json.loads(client.get(f"{rules}export/json/").content)[0]["spec"]["table"] == "orders"
    same = client.post(f"{rules}import/", {"file": SimpleUploadedFile("r.csv", exported), "reason": "x"})
    assert (same.status_code, "already" in same.content.decode()) == (400, True)
    large = client.post(f"{rules}import/", {"file": SimpleUploadedFile("r.csv", b"x" * (2 << 20))})
    assert "more than 1024 KiB" in large.content.decode()
    lines += ['bad,row,"{""table"": ""orders"", ""violates"": ""1); DROP TABLE x""}",info,']
    bad = client.post(f"{rules}import/", {"file": SimpleUploadedFile("r.csv", "\n".join(lines).encode())})
    assert "Line 3: Rule bad: The SQL of violates" in bad.content.decode()
    lines[2:] = [f'no {n},row,"{{}}",info,' for n in range(9)]
    bad = client.post(f"{rules}import/", {"file": SimpleUploadedFile("r.csv", "\n".join(lines).encode())})
    html = bad.content.decode()
    assert "9 of its 10 rules cannot be taken" in html and html.count("<br>Line ") == 9
    example = client.post(f"{rules}import/", {"file": SimpleUploadedFile("r.json", EXAMPLE.encode()), "reason": "x"})
    assert (example.status_code, "nothing-owed" in read(client, rules)) == (302, True)


def test_an_auditor_reads_rules_and_neither_tries_nor_asks(shop: Any) -> None:
    office, _, row = shop
    client, rules = office.at("audrey"), f"/databases/{row.name}/rules/"
    assert "Add a rule" not in read(client, rules)
    assert client.post(f"{rules}try/row/", FORM).status_code == 403
    assert client.get(f"{rules}new/row/").status_code == 403


def test_a_reference_that_was_guessed_is_confirmed_as_a_rule(console: Any, shop: Any) -> None:
    office, place, row = shop
    place.change("CREATE TABLE notes (id integer PRIMARY KEY, customer_id integer)")
    place.change("INSERT INTO notes SELECT id, id FROM customers UNION SELECT 1000000, 1000000")
    done = check(console, office.people, row, rule="inferred_orphans")
    (finding,) = Finding.objects.filter(report_id=done.pk, table="notes")
    client = office.at("ada")
    assert f"?finding={finding.pk}" in read(client, finding.get_absolute_url())
    form = read(client, f"/databases/{row.name}/rules/new/orphan/?finding={finding.pk}")
    assert 'value="customer_id"' in form and 'value="customers"' in form
