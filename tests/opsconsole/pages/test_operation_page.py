"""One operation's page: what it says, who may decide there, and how it stays true."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.test import Client

from opsconsole.clock import now
from opsconsole.models import Operation, OperationLine, Vote
from opsconsole.reauth import PROVED_AT
from opsconsole.states import State
from opsconsole.transitions import move
from tests.opsconsole.approvals.scenes import approve, ask
from tests.opsconsole.pages.conftest import Office
from tests.support.people import PASSWORD


def text_of(client: Client, operation: Operation, piece: str = "", **query: Any) -> str:
    answer = client.get(f"/operations/{operation.pk}/{piece}", query)
    assert answer.status_code == 200
    return answer.content.decode()


def decide(client: Client, operation: Operation, verb: str = "approve", **more: str) -> Any:
    return client.post(f"/operations/{operation.pk}/{verb}/", {"digest": operation.digest, **more})


def say(operation: Operation, *lines: str) -> None:
    OperationLine.objects.bulk_create(
        OperationLine(operation=operation, fence=1, at=now(), text=line) for line in lines
    )


def password_was_asked(client: Client, **ago: float) -> None:
    session = client.session
    session[PROVED_AT] = (now() - timedelta(**ago)).isoformat()
    session.save()


def test_it_says_what_will_be_true_and_what_is_lost(office: Office) -> None:
    html = text_of(office.at("grace"), office.waiting())
    assert "Orders are scrubbed." in html
    assert "6 rows fewer than now" in html
    assert "Approve: replace 1 table" in html


def test_an_approver_approves_and_it_is_queued(office: Office) -> None:
    operation = office.waiting()
    assert decide(office.at("grace"), operation, reason="looks right").status_code == 302
    operation.refresh_from_db()
    assert operation.state == State.QUEUED
    assert Vote.objects.get().reason == "looks right"


def test_what_costs_rows_says_so_on_top_and_asks_for_the_number(office: Office) -> None:
    operation = ask(office.ada, office.savings, "costly")
    grace = office.at("grace")
    html = text_of(grace, operation)
    assert "You would lose 1204 orders." in html
    assert "when more than 10 % and 100 rows more would be lost by then than the plan says" in html
    assert "Type savings to confirm" in html and "Type the number of rows that would be lost" in html
    refused = decide(grace, operation, typed_name="savings", typed_number="9", reason="the orders are doubles")
    assert refused.status_code == 409
    assert "it stands in the sentence on top of the plan" in refused.content.decode()
    assert 'value="the orders are doubles"' in grace.get(f"/operations/{operation.pk}/").content.decode()
    assert decide(grace, operation, typed_name="savings", typed_number="1204").status_code == 302
    operation.refresh_from_db()
    assert operation.state == State.QUEUED


def test_a_rejection_ends_it(office: Office) -> None:
    operation = office.waiting()
    decide(office.at("linus"), operation, "reject", reason="the wrong table")
    operation.refresh_from_db()
    assert operation.state == State.REJECTED
    html = text_of(office.at("audrey"), operation)
    assert "Nobody took this seat" in html
    assert "Free seat" not in html


def test_the_requester_gets_no_form_and_no_vote(office: Office) -> None:
    operation, client = office.waiting(), office.at("ada")
    assert "Approve: " not in text_of(client, operation)
    assert decide(client, operation).status_code == 409
    assert not Vote.objects.exists()


def test_a_superuser_gets_no_form_and_no_vote(office: Office) -> None:
    operation, client = office.waiting(), office.at("admin")
    assert "Approve: " not in text_of(client, operation)
    assert decide(client, operation).status_code == 409
    assert not Vote.objects.exists()


def test_another_plan_than_the_one_that_was_read_is_refused(office: Office) -> None:
    operation = office.waiting()
    answer = office.at("grace").post(f"/operations/{operation.pk}/approve/", {"digest": "sha256:" + "0" * 64})
    assert answer.status_code == 409
    assert "digest_mismatch" in answer.content.decode()
    assert not Vote.objects.exists()


def test_ten_minutes_after_the_password_it_is_asked_for_again(office: Office) -> None:
    operation, client = office.waiting(), office.at("grace")
    assert 'name="password"' not in text_of(client, operation)
    password_was_asked(client, minutes=11)
    assert 'name="password"' in text_of(client, operation)
    assert decide(client, operation).status_code == 409
    assert decide(client, operation, password="not it").status_code == 409
    assert not Vote.objects.exists()
    assert decide(client, operation, password=PASSWORD).status_code == 302
    assert Vote.objects.count() == 1


def test_the_password_of_somebody_else_proves_nothing(office: Office) -> None:
    from opsconsole.people import set_own_password

    operation, client = office.waiting(), office.at("grace")
    set_own_password(office.linus, PASSWORD, "linus has his own password")
    password_was_asked(client, minutes=11)
    assert decide(client, operation, password="linus has his own password").status_code == 409
    assert not Vote.objects.exists()


def test_an_approval_can_be_withdrawn_until_it_runs(office: Office) -> None:
    operation, client = office.queued(), office.at("grace")
    assert "Withdraw my approval" in text_of(client, operation)
    client.post(f"/operations/{operation.pk}/withdraw/")
    operation.refresh_from_db()
    assert operation.state == State.CANCELLED


def test_the_requester_cancels_what_waits(office: Office) -> None:
    operation, client = office.waiting(), office.at("ada")
    assert "so nothing is changed" in text_of(client, operation)
    client.post(f"/operations/{operation.pk}/cancel/")
    operation.refresh_from_db()
    assert operation.state == State.CANCELLED


def test_another_engineer_neither_sees_nor_has_the_right_to_cancel(office: Office) -> None:
    operation, client = office.waiting(), office.at("bob")
    assert "Cancel this" not in text_of(client, operation)
    assert client.post(f"/operations/{operation.pk}/cancel/").status_code == 409


def test_what_ended_badly_can_be_asked_for_again(office: Office) -> None:
    operation = office.waiting()
    decide(office.at("linus"), operation, "reject", reason="not today")
    client = office.at("ada")
    assert "Ask again for this scrub of savings" in text_of(client, operation)
    client.post(f"/operations/{operation.pk}/retry/")
    again = Operation.objects.latest("id")
    assert (again.retry_of_id, again.state) == (operation.pk, State.PENDING_APPROVAL)


def test_the_fragment_asks_for_itself_until_the_operation_has_ended(office: Office) -> None:
    operation, client = office.waiting(), office.at("ada")
    assert "hx-trigger" in text_of(client, operation, "live/")
    move(operation, State.CANCELLED)
    ended = text_of(client, operation, "live/")
    assert "hx-trigger" not in ended
    assert "It was cancelled, and nothing was changed." in ended


def test_the_fragment_brings_the_rest_of_the_page_only_when_something_moved(office: Office) -> None:
    operation, client = office.waiting(), office.at("linus")
    first = text_of(client, operation, "live/")
    seen = client.get(f"/operations/{operation.pk}/live/").context["seen"]
    assert 'id="oc-decision" hx-swap-oob' in first
    assert client.get(f"/operations/{operation.pk}/live/", {"seen": seen}).status_code == 204
    approve(office.grace, operation)
    assert 'id="oc-decision" hx-swap-oob' in text_of(client, operation, "live/", seen=seen)


def test_the_fragment_adds_only_the_lines_that_are_new(office: Office) -> None:
    operation, client = office.queued(), office.at("ada")
    say(operation, "first line", "second line")
    context = client.get(f"/operations/{operation.pk}/live/").context
    say(operation, "third line")
    fragment = text_of(client, operation, "live/", seen=context["seen"], after=context["last_line"])
    assert "third line" in fragment
    assert "second line" not in fragment


def test_progress_becomes_a_bar_with_rate_and_time_left(office: Office) -> None:
    operation, began = office.queued(), now() - timedelta(seconds=20)
    progress = {"step": "Copying", "done": 100_000, "total": 400_000, "unit": "rows", "since": began.isoformat()}
    move(operation, State.RUNNING, fence=None, started_at=began)
    Operation.objects.filter(pk=operation.pk).update(progress=progress, progress_at=began + timedelta(seconds=20))
    fragment = text_of(office.at("ada"), operation, "live/")
    assert '<progress max="100" value="25"' in fragment
    assert "5\N{NARROW NO-BREAK SPACE}000 rows/s" in fragment
    assert "about 1 min left" in fragment


def test_a_failure_says_why_and_what_next(office: Office) -> None:
    operation = move(office.queued(), State.RUNNING, started_at=now())
    move(
        operation, State.FAILED, failure_code="disk_full", failure_why="The store is full.", failure_next="Free 2 GiB."
    )
    html = text_of(office.at("ada"), operation)
    assert "The store is full." in html
    assert "Free 2 GiB." in html


def test_an_indeterminate_operation_is_settled_with_evidence_by_a_second_person(office: Office) -> None:
    operation = move(office.queued(), State.RUNNING, started_at=now())
    move(move(operation, State.RECOVERING), State.INDETERMINATE)
    client = office.at("ada")
    assert "How did it end?" in text_of(client, operation)
    answer = client.post(
        f"/operations/{operation.pk}/settle/", {"outcome": "failed", "reason": "The orders are all there still."}
    )
    assert answer.status_code == 302
    operation.refresh_from_db()
    assert operation.state == State.INDETERMINATE
    assert Operation.objects.latest("id").state == State.PENDING_APPROVAL


def test_the_plan_is_downloaded_as_the_exact_bytes_of_its_digest(office: Office) -> None:
    from opsconsole.plans import digest_of

    operation = office.waiting()
    answer = office.at("audrey").get(f"/operations/{operation.pk}/plan.json")
    assert digest_of(answer.content) == operation.digest
    assert json.loads(answer.content)["kind"] == "scrub"
    assert answer.headers["Content-Disposition"].startswith("attachment")


def test_the_number_of_queries_does_not_grow_with_the_log(office: Office, queries: Callable[..., int]) -> None:
    operation, client = office.queued(), office.at("ada")
    path = f"/operations/{operation.pk}/"
    before = queries(client, path)
    say(operation, *[f"line {number}" for number in range(100)])
    assert queries(client, path) == before


def test_an_unprotected_database_shows_who_confirmed_it(office: Office) -> None:
    html = text_of(office.at("grace"), ask(office.ada, office.sandbox))
    assert "Self-confirmed." in html
    assert "Free seat" not in html
    assert "environment-frame" not in html
