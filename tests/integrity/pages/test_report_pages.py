"""What was found is read on pages and handed out as files, by those who may, at any size."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tracemalloc
from dataclasses import replace
from typing import Any

from django.test import Client
from openpyxl import load_workbook

from integrity.checks.base import Proposal, Sample
from integrity.reporting.exporting import export
from opsconsole.models import AuditEvent, Operation
from opsconsole.verify_audit import canonical_json
from tests.opsconsole.approvals.scenes import approve
from tests.opsconsole.pages.conftest import Office
from tests.opsconsole.pages.test_schedules_pages import ASKED
from tests.support.reports import found, held, list_report

ROWS = Sample(columns=("id", "email", "note"), rows=((7, "kim@example.test", "=1+1"), (8, None, "plain")))
ORPHANS = found(
    "orders.customer_id",
    sentence="3 rows of orders point to no customer.",
    count=3,
    of=12000,
    table="orders",
    sample=ROWS,
    query="SELECT t.* FROM orders AS t",
    why="A join loses them.",
    next_step="Delete them, or give them their customer back.",
    proposals=(Proposal(action="delete_rows", words="Delete the 3 orders", table="orders", where="t.id > 1"),),
)
FAILED = found("vacuum could not be looked at", check="vacuum", severity="warning", category="Performance", failed=True)
FORMULA = found("=cmd", check="rule:odd", severity="info", category="Business Rules", sentence="=HYPERLINK(1)\x07")


def read(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode().replace("\N{NARROW NO-BREAK SPACE}", " ")


def reported(office: Office) -> Any:
    """Two reports of savings: the second found one thing more, and one is fixed."""
    list_report(office.savings, office.ada, [found("old"), found("mended", severity="warning"), FORMULA])
    outcomes = [found("old"), held("mended"), FORMULA, ORPHANS, FAILED, held("fine")]
    return list_report(office.savings, office.ada, outcomes)


def test_the_tab_teaches_while_nobody_has_checked_and_offers_a_check_to_those_who_may(office: Office) -> None:
    html = read(office.at("ada"), "/databases/savings/integrity/")
    assert "savings was never checked" in html and "/databases/savings/request/check/?mode=quick" in html
    assert "/request/check/" not in read(office.at("audrey"), "/databases/savings/integrity/")


def test_the_tab_answers_first_and_pages_through_the_reports(office: Office) -> None:
    report = reported(office)
    html = read(office.at("ada"), "/databases/savings/integrity/")
    assert html.index("2 critical findings, 1 of them new") < html.index("Open findings, check by check")
    assert f"/integrity/{report.pk}/" in html and "2 critical, 1 warning, 1 to know" in html
    assert f'{report.findings.get(subject="old").get_absolute_url()}">old is wrong.' in html
    for _ in range(30):
        list_report(office.savings, office.ada, [])
    assert f"?before={report.pk + 1}" in read(office.at("ada"), "/databases/savings/integrity/")
    assert f"Report {report.pk}<" in read(office.at("ada"), f"/databases/savings/integrity/?before={report.pk + 1}")


def test_a_report_tells_the_worst_first_then_what_is_fixed_and_what_is_sound(office: Office) -> None:
    report = reported(office)
    html = read(office.at("ada"), report.get_absolute_url())
    order = [
        "2 critical findings, 1 of them new", "2 new, 2 still there, 1 fixed",
        "Orphaned Records: 2 findings, 2 critical", "3 rows of orders point to no customer.", "old is wrong.",
        "Business Rules: 1 finding", "1 thing could not be looked at", "1 fixed</h2>",
        "mended is wrong.", "2 looked at and sound", "fine is sound.",
    ]  # fmt: skip
    places = [html.index(words) for words in order]
    assert places == sorted(places)
    assert "3 of 12 000" in html and "kim@example.test" not in html and "A join loses them." in html


def test_what_a_narrower_check_did_not_look_at_is_listed_with_the_report_that_has_it(office: Office) -> None:
    whole = reported(office)
    quick = list_report(office.savings, office.ada, [held("fine")], looked={"other"}, mode="quick")
    html = read(office.at("ada"), quick.get_absolute_url())
    assert "2 critical findings" in html and "4 not looked at this time, and still standing" in html
    assert html.index("old is wrong.") < html.index("=HYPERLINK(1)")
    assert whole.findings.get(subject="old").get_absolute_url() in html


def test_a_finding_has_an_address_of_its_own_with_its_history(office: Office) -> None:
    report = reported(office)
    finding = report.findings.get(subject="old")
    html = read(office.at("ada"), finding.get_absolute_url())
    assert "old is wrong." in html and "not in it" not in html
    assert "not in it" in read(office.at("ada"), report.findings.get(subject="orders.customer_id").get_absolute_url())
    assert office.at("ada").get(f"/integrity/{report.pk}/findings/ffffffffffff/").status_code == 404
    (guess,) = list_report(
        office.savings, office.ada, [found("guess", rule={"name": "orphan-a", "kind": "orphan"})]
    ).findings.all()
    html = read(office.at("ada"), guess.get_absolute_url())
    assert "The rule that somebody may confirm" in html and "&quot;name&quot;: &quot;orphan-a&quot;" in html
    assert office.at("mallory").get(finding.get_absolute_url()).status_code == 404


def test_a_fix_is_offered_to_those_who_may_ask_for_it(office: Office) -> None:
    report = reported(office)
    html = read(office.at("ada"), report.get_absolute_url())
    asked = f"report={report.pk}&amp;finding={ORPHANS.fingerprint.replace(':', '%3A')}&amp;action=delete_rows"
    assert "Delete the 3 orders" in html and f"/databases/savings/request/fix/?{asked}" in html
    assert "Set every critical finding right" not in html  # only one of them comes with a proposal
    both = list_report(office.savings, office.ada, [ORPHANS, replace(ORPHANS, subject="orders.shop_id"), found("old")])
    html = read(office.at("ada"), both.get_absolute_url())
    assert f"?report={both.pk}&amp;finding=critical" in html and "Set 2 critical findings right" in html
    narrow = list_report(office.savings, office.ada, [held("fine")], looked={"other"}, mode="quick")
    for path in (narrow.get_absolute_url(), "/databases/savings/integrity/"):
        assert f"?report={narrow.pk}&amp;finding=critical" in read(office.at("ada"), path)
    assert "Delete the 3 orders" not in read(office.at("audrey"), report.get_absolute_url())


def test_the_print_view_has_everything_open_and_nothing_to_press(office: Office) -> None:
    html = read(office.at("ada"), f"{reported(office).get_absolute_url()}print/")
    assert "<details" not in html and "<button" not in html and "<form" not in html and "nav-sidebar" not in html
    assert "SELECT t.* FROM orders AS t" in html and "fine is sound." in html


def test_rows_are_shown_to_those_who_may_look_at_data(office: Office) -> None:
    report = reported(office)
    assert "=1+1" in read(office.at("ada"), report.get_absolute_url())
    for path in ("", "print/"):
        html = read(office.at("audrey"), f"{report.get_absolute_url()}{path}")
        assert "=1+1" not in html and "your role does not show rows" in html
    for format in ("json", "csv"):
        assert b"plain" not in fetched(office.at("audrey"), report, format)


def fetched(client: Client, report: Any, format: str) -> bytes:
    answer = client.post(f"/integrity/{report.pk}/download/{format}/")
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].endswith(f'-integrity-{report.pk}.{format}"')
    return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


def test_the_json_proves_itself(office: Office) -> None:
    report = reported(office)
    told = json.loads(fetched(office.at("ada"), report, "json"))
    digest = hashlib.sha256(canonical_json(told["report"])).hexdigest()
    assert told["sha256"] == f"sha256:{digest}" == report.content_sha256
    assert "kim@example.test" not in json.dumps(told)
    assert AuditEvent.objects.filter(type="integrity.exported", database_id=office.savings.pk).count() == 1
    assert office.at("ada").post(f"/integrity/{report.pk}/download/pdf/").status_code == 400


def test_tables_tell_everything_and_run_nothing(office: Office) -> None:
    report = reported(office)
    rows = list(csv.DictReader(io.StringIO(fetched(office.at("ada"), report, "csv").decode())))
    assert [(row["outcome"], row["subject"]) for row in rows] == [
        ("new", "orders.customer_id"), ("still", "old"), ("not looked at", "vacuum could not be looked at"),
        ("still", "'=cmd"), ("fixed", "mended"), ("sound", "mended"), ("sound", "fine"),
    ]  # fmt: skip
    sheet = load_workbook(io.BytesIO(fetched(office.at("ada"), report, "xlsx"))).active
    assert sheet is not None
    cells = {cell.value: cell.data_type for line in sheet.iter_rows() for cell in line}
    assert (cells["'=HYPERLINK(1)\\x07"], cells[12000]) == ("s", "n")
    assert "f" not in cells.values() and "d" in cells.values()  # since is a time
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("A2", f"A1:P{len(rows) + 1}")
    assert max(column.width for column in sheet.column_dimensions.values()) <= 60


def test_a_report_of_thousands_makes_a_page_like_any_other_and_none_is_out_of_reach(
    office: Office, queries: Any
) -> None:
    many = [found(f"subject {number:04}", sample=ROWS, category=f"Category {number % 4}") for number in range(1200)]
    report = list_report(office.savings, office.ada, [*many, *(held(f"sound {number}") for number in range(2000))])
    ada = office.at("ada")
    html = read(ada, report.get_absolute_url())
    assert html.count("oc-finding") == 100 and len(html) < 600_000
    assert html.count("is sound.") == 300 and "1 700 more are in the downloads" in html
    assert queries(ada, report.get_absolute_url()) < 40
    seen, path = 0, f"{report.get_absolute_url()}?category=Category+1"
    while path:
        answer = ada.get(path)
        seen += len(answer.context["group"].shown)
        after = answer.context["after"]
        path = f"{report.get_absolute_url()}?category=Category+1&after={after}" if after else ""
    assert seen == 300
    assert read(ada, f"{report.get_absolute_url()}print/").count("oc-finding") == 500
    small = list_report(office.sandbox, office.ada, many[:4])
    for path in ("", "print/"):  # statements do not grow with what was found
        few, lots = (queries(ada, f"{each.get_absolute_url()}{path}") for each in (small, report))
        assert lots <= few + 2, path  # the report before it, and its trend
    tracemalloc.start()
    try:
        assert sum(map(len, export(report, "csv", samples=True))) > 400_000
        assert tracemalloc.get_traced_memory()[1] < 2 << 20  # made piece by piece
    finally:
        tracemalloc.stop()


def test_the_dashboard_lists_what_stands_with_the_worst_first(office: Office) -> None:
    assert "Open findings" not in read(office.at("ada"), "/")
    list_report(office.sandbox, office.ada, [found("w", severity="warning")])
    assert 'Never checked: <a href="/databases/savings/integrity/">savings</a>.' in read(office.at("ada"), "/")
    reported(office)
    html = read(office.at("ada"), "/")
    panel = html[html.index("Open findings") :]
    assert panel.index("/databases/savings/integrity/") < panel.index("/databases/sandbox/integrity/")
    assert "2 critical findings of its checks stand, 1 of them new." in html


def test_a_nightly_check_is_scheduled_in_the_browser(office: Office, settings: Any) -> None:
    settings.SCHEDULES = True
    tab = "/databases/savings/integrity/"
    begin = re.search(r'href="(/schedule-form/\?[^"]+)"', read(office.at("ada"), tab))
    assert begin is not None
    form = read(office.at("ada"), begin[1].replace("&amp;", "&"))
    assert 'value="check-savings"' in form and 'value="savings"' in form and '<option value="check" selected>' in form
    asked = {**ASKED, "name": "nightly-check", "title": "Nightly check", "kind": "check", "parameters": "mode=quick"}
    assert office.at("ada").post("/schedule-form/", asked).status_code == 302
    (asked_for,) = Operation.objects.filter(kind="change")
    assert asked_for.plan.parameters["parameters"] == {"mode": "quick"}
    wrong = office.at("ada").post("/schedule-form/", {**asked, "parameters": "mode=lazy"})
    assert wrong.status_code == 200 and Operation.objects.filter(kind="change").count() == 1
    approve(office.grace, asked_for)
    assert "By itself:" in read(office.at("ada"), tab) and "/schedules/nightly-check/" in read(office.at("ada"), tab)
