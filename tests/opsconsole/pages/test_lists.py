"""The dashboard, the inbox and the list of operations: what is on them for whom, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from opsconsole import audit, dashboard, operations, posture
from opsconsole.clock import now
from opsconsole.models import Database, Operation
from opsconsole.pages import navigation
from opsconsole.posture import Level, Line
from tests.opsconsole.approvals.scenes import add_database, approve, ask
from tests.opsconsole.pages.conftest import Office


def read(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def test_the_dashboard_says_first_what_needs_somebody(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(topic="disk", level=Level.BAD, sentence="Its disk is nearly full.")
    monkeypatch.setattr(posture, "_READERS", [lambda found: {office.savings.pk: [line]}])
    html = read(office.at("ada"), "/")
    assert "1 of 2 databases needs you" in html
    assert html.index("Its disk is nearly full.") < html.index("Databases</h2>")


def test_the_dashboard_says_when_all_is_well(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posture, "_READERS", [])
    assert "All is well" in read(office.at("ada"), "/")
    office.waiting()
    assert "The databases are well; 1 request waits for you" in read(office.at("grace"), "/")


def test_the_dashboard_says_what_the_last_verification_of_the_history_found(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posture, "_READERS", [])
    for verdict, words in (("sound", ": sound"), ("tampered", "it was tampered with</strong>")):
        audit.record("audit.verified", data={"verdict": verdict})
        html = read(office.at("ada"), "/")
        assert words in html
        assert ("All is well" in html) == (verdict == "sound")


def test_the_worst_database_comes_first(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(topic="disk", level=Level.WATCH, sentence="Its disk fills.")
    monkeypatch.setattr(posture, "_READERS", [lambda found: {office.savings.pk: [line]}])
    cards = office.at("ada").get("/").context["cards"]
    assert [card.database.name for card in cards] == ["savings", "sandbox"]


def test_the_dashboard_offers_a_backup_only_to_those_who_may_ask_for_one(office: Office) -> None:
    assert "/request/backup/" in office.at("ada").get("/").content.decode()
    assert "/request/backup/" not in office.at("audrey").get("/").content.decode()


def test_an_empty_dashboard_teaches_the_first_step(office: Office) -> None:
    assert "ask for a role" in read(office.at("mallory"), "/")


def test_the_dashboard_shows_an_approver_what_waits_and_ada_what_she_waits_for(office: Office) -> None:
    operation = office.waiting()
    assert "1 request waits for you" in read(office.at("grace"), "/dashboard/now/")
    mine = read(office.at("ada"), "/dashboard/now/")
    assert "waits for you" not in mine
    assert f"/operations/{operation.pk}/" in mine


def test_who_asked_on_a_shell_is_called_somebody_and_not_nobody(office: Office) -> None:
    eve = {"login": "eve", "email": "eve@example.test", "roles": ["viewers"], "password": "correct horse 9 battery"}
    asked = operations.request_change("person.add", eve, account=None, reason="it is wanted")
    for path in ("/dashboard/now/", f"/operations/{asked.pk}/"):
        assert "asked for by somebody on the server" in read(office.at("grace"), path)


def test_the_dashboard_is_left_alone_while_nothing_has_changed(office: Office) -> None:
    client = office.at("grace")
    office.waiting()
    seen = client.get("/dashboard/now/").context["seen"]
    assert client.get("/dashboard/now/", {"seen": seen}).status_code == 204
    office.waiting()
    assert client.get("/dashboard/now/", {"seen": seen}).status_code == 200


def test_the_dashboard_costs_the_same_for_ten_databases_as_for_two(
    founding: Office, queries: Callable[[Client, str], int]
) -> None:
    client = founding.at("ada")
    founding.waiting()
    ask(founding.ada, founding.sandbox, "copy")
    before = queries(client, "/")
    for number in range(8):
        ask(founding.ada, add_database(f"more-{number}", "production"), "copy")
    assert queries(client, "/") == before


def test_a_panel_of_an_app_is_shown_and_registered_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "_REGISTRY", dict(dashboard._REGISTRY))
    panel = dashboard.Panel(
        name="weather", title="Weather", order=1, template="console/dashboard/audit.html", content=lambda *_: {}
    )
    dashboard.register_panel(panel)
    assert "Weather" in read(office.at("ada"), "/")
    with pytest.raises(TypeError):
        dashboard.register_panel(panel)


def test_a_chart_says_in_words_what_it_draws(office: Office) -> None:
    from opsconsole import operations

    operations.cancel(office.waiting(), account=office.ada)
    html = read(office.at("ada"), "/")
    assert "1 ended before the start" in html
    assert '<rect class="oc-grey" x="291" y="0.0" width="8" height="100.0">' in html


def test_the_inbox_lists_what_one_may_decide_and_nothing_of_ones_own(office: Office) -> None:
    operation = office.waiting()
    assert f"/operations/{operation.pk}/" in read(office.at("grace"), "/approvals/")
    assert "Nothing waits for you" in read(office.at("ada"), "/approvals/")
    assert f"/operations/{operation.pk}/" in read(office.at("ada"), "/approvals/?show=mine")


def test_the_inbox_puts_first_what_lapses_first(office: Office) -> None:
    first, second = office.waiting(), office.waiting()
    Operation.objects.filter(pk=first.pk).update(expires_at=second.expires_at + timedelta(hours=1))
    rows = office.at("grace").get("/approvals/").context["rows"]
    assert [row.operation.pk for row in rows] == [second.pk, first.pk]


def test_what_one_has_decided_leaves_the_inbox_and_stays_listed(office: Office) -> None:
    operation, client = office.queued(), office.at("grace")
    assert "Nothing waits for you" in read(client, "/approvals/")
    assert f"/operations/{operation.pk}/" in read(client, "/approvals/?show=decided")


def test_the_inbox_costs_the_same_for_ten_requests_as_for_one(
    office: Office, queries: Callable[[Client, str], int]
) -> None:
    client = office.at("grace")
    office.waiting()
    before = queries(client, "/approvals/")
    for _ in range(9):
        office.waiting()
    assert queries(client, "/approvals/") == before


def test_whom_a_policy_asks_for_is_told_and_who_could_take_the_seat_that_is_left(office: Office) -> None:
    clauses = [{"role": role, "count": 1} for role in ("approvers", "administrators")]
    given = {"name": "both", "match": {"kinds": ["scrub"]}, "clauses": clauses}
    approve(office.grace, operations.request_change("policy.set", given, account=office.admin, reason="it is wanted"))
    operation, admin = office.waiting(), office.at("admin")
    assert "1 request waits for you" in read(admin, "/dashboard/now/")
    answer = admin.get("/approvals/")
    assert [row.for_me for row in answer.context["rows"]] == [True]
    items = answer.context["sidebar_navigation"][0]["items"]
    assert next(item["badge"] for item in items if item["link"] == "/approvals/") == "1"
    assert "Admin, Grace, Linus" in read(admin, "/databases/savings/")
    page = operation.get_absolute_url()
    assert [person.name for person in admin.get(page).context["able"]] == ["Admin", "Grace", "Linus"]
    approve(office.grace, operation)
    assert [person.name for person in admin.get(page).context["able"]] == ["Admin"]


def test_the_menu_counts_what_waits(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    client = office.at("grace")
    office.waiting()
    office.waiting()
    for most, told in ((2, "2"), (1, "1+")):
        monkeypatch.setattr(navigation, "MOST", most)
        items = client.get("/operations/").context["sidebar_navigation"][0]["items"]
        assert next(item["badge"] for item in items if item["link"] == "/approvals/") == told


def test_the_list_of_operations_is_filtered_and_paged_by_key(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from opsconsole.pages import operations

    monkeypatch.setattr(operations, "ROWS", 2)
    made = [office.waiting().pk for _ in range(3)] + [ask(office.ada, office.sandbox, "copy").pk]
    client = office.at("ada")
    shown = [row.pk for row in client.get("/operations/?kind=scrub").context["rows"]]
    assert shown == [made[2], made[1]]
    older = client.get(f"/operations/?kind=scrub&before={made[1]}").context["rows"]
    assert [row.pk for row in older] == [made[0]]


def test_nonsense_in_a_filter_is_no_error(office: Office) -> None:
    client = office.at("ada")
    for query in ("state=nonsense", "before=x", "before=" + "9" * 40, "database=none", "kind=none"):
        assert client.get(f"/operations/?{query}").status_code == 200, query


def test_the_list_of_operations_costs_the_same_for_many_as_for_one(
    office: Office, queries: Callable[[Client, str], int]
) -> None:
    client = office.at("ada")
    office.waiting()
    before = queries(client, "/operations/")
    for _ in range(9):
        office.waiting()
    assert queries(client, "/operations/") == before


def test_a_removed_database_leaves_the_dashboard(founding: Office) -> None:
    Database.objects.filter(name="sandbox").update(removed_at=now())
    assert "sandbox" not in read(founding.at("ada"), "/")
