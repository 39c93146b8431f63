"""Reports as they are kept: what stands after several, their events, and what many of them cost."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrity import posture
from integrity.models import Report
from integrity.reporting import content
from integrity.reporting.standing import newest_of, standing
from opsconsole import audit
from opsconsole.audit.sentences import payload_of, sentence
from opsconsole.models import AuditEvent
from opsconsole.posture import Level
from opsconsole.verify_audit import canonical_json
from tests.opsconsole.approvals.scenes import add_database
from tests.support.people import Cast
from tests.support.reports import found, held, list_report
from tests.support.tampering import guards_off


def subjects(database: Any) -> list[str]:
    return sorted(was.subject for was in standing(database).values())


def open_of(report: Report) -> tuple[int, int, int]:
    report.refresh_from_db()
    return report.open_critical, report.open_warning, report.open_info


def test_what_stands_is_carried_through_checks_that_look_at_less(cast: Cast) -> None:
    shop = add_database("shop", "development")
    slow = found("slow", check="slow_queries", severity="info")
    whole = list_report(shop, cast.ada, [found("a"), found("b"), slow])
    assert (subjects(shop), open_of(whole)) == (["a", "b", "slow"], (2, 0, 1))
    quick = list_report(shop, cast.ada, [found("a"), held("b"), found("c")], looked={"orphans"}, mode="quick")
    assert (subjects(shop), open_of(quick), quick.new) == (["a", "c", "slow"], (2, 0, 1), 1)
    one = list_report(
        shop, cast.ada, [held("slow", check="slow_queries")], looked={"slow_queries"}, rule="slow_queries"
    )
    assert (subjects(shop), open_of(one), len(one.fixed)) == (["a", "c"], (2, 0, 0), 1)
    again = list_report(shop, cast.ada, [found("a"), found("b"), held("c")])
    new = set(again.findings.filter(is_new=True).values_list("subject", flat=True))
    assert (subjects(shop), new, open_of(again)) == (["a", "b"], {"b"}, (2, 0, 0))
    since = dict(again.findings.values_list("subject", "since"))
    assert since["a"] == whole.findings.get(subject="a").since


def test_only_new_critical_findings_are_an_alert(cast: Cast) -> None:
    shop = add_database("shop", "development")
    list_report(shop, cast.ada, [found("w", severity="warning")])
    first = list_report(shop, cast.ada, [found("a"), found("b"), found("w", severity="warning")])
    list_report(shop, cast.ada, [found("a"), found("b")])
    (alert,) = AuditEvent.objects.filter(type="integrity.alert")
    payload = payload_of(alert)
    assert sentence(payload) == "Something critical is new in shop (development): a is wrong. (and 1 more)"
    assert payload["data"]["findings"] == ["a is wrong.", "b is wrong."]
    assert (payload["data"]["report"], alert.operation_id, alert.database_id) == (first.pk, first.pk, shop.pk)
    assert AuditEvent.objects.filter(type="integrity.checked").count() == 3


def test_the_event_holds_the_digest_of_everything_that_a_reader_is_told(cast: Cast) -> None:
    shop = add_database("shop", "development")
    made = list_report(shop, cast.ada, [found("a", of=9), held("b")])
    event = AuditEvent.objects.get(type="integrity.checked")
    kept = Report.objects.get(pk=made.pk)
    raw = b"".join(content.pieces(kept, kept.findings.all()))
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == payload_of(event)["data"]["content"] == kept.content_sha256
    told = json.loads(raw)
    assert canonical_json(told) == raw
    assert [each["subject"] for each in told["findings"]] == ["a"]
    assert [each["subject"] for each in told["held"]] == ["b"]


def test_a_report_altered_past_the_console_is_told_of_by_the_history(cast: Cast) -> None:
    shop = add_database("shop", "development")
    list_report(shop, cast.ada, [found("a"), found("b", severity="warning"), held("c")])
    made = list_report(shop, cast.ada, [found("a")], looked={"other"})
    told: list[set[tuple[str, str]]] = []
    lines, row = made.findings, Report.objects.filter(pk=made.pk)
    for rows, change in (
        (lines, {}), (lines, {"sentence": "All is well."}), (lines, {"sentence": "a is wrong."}),
        (row, {"open_warning": 0}), (row, {"held": ["x"]}),
    ):  # fmt: skip
        with guards_off():
            rows.update(**change) if change else None
        told.append({(each.code, each.where) for each in audit.verify().findings if each.code == "report"})
    wrong = {("report", f"report {made.pk}")}
    assert told == [set(), wrong, set(), wrong, wrong]


def test_many_databases_are_read_as_cheaply_as_one(cast: Cast) -> None:
    shops = [add_database(f"shop-{number}", "development") for number in range(8)]
    for shop in shops[:7]:
        list_report(shop, cast.ada, [found("old")])
        list_report(shop, cast.ada, [found("old"), found("new")])
    with CaptureQueriesContext(connection) as captured:
        newest = newest_of(shops)
    assert len(captured) == 1
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {captured.captured_queries[0]['sql']}")
        steps = [str(row[3]) for row in cursor.fetchall()]
    assert any("report_by_database" in step for step in steps), steps
    assert not any(step.startswith("SCAN integrity_report") for step in steps), steps
    assert {pk: row.new_critical for pk, row in newest.items()} == {shop.pk: 1 for shop in shops[:7]}
    with CaptureQueriesContext(connection) as captured:
        standing(shops[0])
    assert len(captured) == 2


def test_posture_says_what_is_critical_what_is_well_and_what_nobody_looked_at(cast: Cast) -> None:
    shop = add_database("shop", "development")

    def line() -> Any:
        (found,) = posture.read([shop])[shop.pk]
        return found

    assert (line().level, line().link) == (Level.UNKNOWN, "/databases/shop/request/check/")
    list_report(shop, cast.ada, [found("a"), found("b")])
    list_report(shop, cast.ada, [found("a"), found("b"), found("c")])
    assert (line().level, line().sentence) == (Level.BAD, "3 critical findings of its checks stand, 1 of them new.")
    assert line().link == "/databases/shop/integrity/"
    list_report(shop, cast.ada, [held("a"), held("b"), held("c"), found("w", severity="warning")])
    assert (line().level, line().sentence) == (Level.GOOD, "Its last check left nothing critical, and 1 warning.")
