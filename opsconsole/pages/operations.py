"""The list of operations, the page of one, and the fragment by which it stays true while it is open."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zlib import crc32

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from opsconsole import approvals, kinds, reauth
from opsconsole.clock import now
from opsconsole.exceptions import Refused
from opsconsole.models import AuditEvent, Environment, Operation, Person, Vote
from opsconsole.operations.voting import WITHDRAWABLE, stands_for_runs
from opsconsole.pages import drafts, looks, panels
from opsconsole.pages.base import SIGNED_IN, account_of, fragment, page, rights_of, show
from opsconsole.permissions import visible_databases, visible_operations
from opsconsole.plans import Plan
from opsconsole.row_numbers import row_number
from opsconsole.states import ACTIVE, FACES, HELD_BY_WORKER, OPEN, TERMINAL, State

ROWS = 40
LISTED = (  # of each: what the list shows, and no more
    "kind", "state", "created_at", "plan_text", "database__name", "database__environment__label",
    "database__environment__colour", "database__environment__protected", "requester__person__name",
)  # fmt: skip
LINES = 400  # of the log, shown at once
GROUPS = {"open": ("not over yet", OPEN), "active": ("running or held", ACTIVE), "ended": ("over", TERMINAL)}


@page("operations/", name="operations", permission=SIGNED_IN)
def operation_list(request: HttpRequest) -> HttpResponse:
    """Everything that was asked for, newest first, a page at a time."""
    rows, filters = _filtered(request)
    found = list(rows.only(*LISTED).order_by("-id")[: ROWS + 1])
    return show(
        request,
        "console/operations.html",
        title="Operations",
        crumbs=[],
        filters=filters,
        rows=found[:ROWS],
        older=found[ROWS - 1].pk if len(found) > ROWS else None,
        kinds=[kind.name for kind in kinds.every()] + ["change"],
        states=[(name, words) for name, (words, _) in GROUPS.items()] + [(str(s), FACES[s].word) for s in State],
        databases=list(visible_databases(account_of(request)).values_list("name", flat=True)),
    )


@page("operations/<int:pk>/", name="operation", permission="see", scope="operation")
def operation_page(request: HttpRequest, operation: Operation) -> HttpResponse:
    """Should I approve this? What is happening? What happened?"""
    context = _context(request, operation)
    return show(
        request,
        "console/operation.html",
        title=looks.title_of(operation),
        crumbs=[("Operations", "/operations/")],
        crumb=str(operation.pk),
        able=_able(operation, context),
        **context,
        **_panels(operation),
        **_lines(operation, after=0),
    )


@page("operations/<int:pk>/live/", name="operation-live", permission="see", scope="operation", background=True)
def operation_live(request: HttpRequest, operation: Operation) -> HttpResponse:
    """What may have moved since the page was drawn; it asks for itself again until the operation has ended.

    204 while there is nothing new, so that nothing on the page is touched.
    """
    context = _context(request, operation)
    moved = request.GET.get("seen", "") != context["seen"]
    lines = _lines(operation, after=0 if moved else row_number(request.GET.get("after", "")))
    if not (moved or lines["lines"] or context["progress"]):
        return HttpResponse(status=204)
    context["able"] = _able(operation, context) if moved else []
    context["panels"] = panels.panels_of(operation, moving=True) if moved else []
    return fragment(request, "console/operation/live.html", polled=True, moved=moved, **context, **lines)


@page("operations/<int:pk>/plan.json", name="operation-plan", permission="see", scope="operation")
def operation_plan(request: HttpRequest, operation: Operation) -> HttpResponse:
    """The exact bytes that the digest covers."""
    response = HttpResponse(operation.plan_text, content_type="application/json")
    response.headers["Content-Disposition"] = f'attachment; filename="operation-{operation.pk}-plan.json"'
    return response


def _context(request: HttpRequest, operation: Operation) -> dict[str, Any]:
    plan, at = operation.plan, now()
    tally = approvals.tally(operation, at=at)
    events = list(AuditEvent.objects.filter(operation_id=operation.pk).order_by("id"))
    waits = operation.state == State.PENDING_APPROVAL
    hindrances = approvals.may_vote(account_of(request), operation) if waits else []
    effects = looks.effects_of(plan)
    return {
        "operation": operation,
        "plan": plan,
        "settings": looks.settings_of(plan),
        "frame": _strictest(plan),
        "effects": effects,
        "compared": looks.is_compared(plan),
        "touching": any(row.effect.action != "read" for row in effects),
        "lost": looks.lost_rows(effects),
        "evidence": looks.facts_of(_shown_evidence(plan)),
        "tally": tally,
        "standing": tally.standing,
        "taken": sum(1 for seat in tally.seats if seat.person),
        "waits": waits,
        "may_decide": waits and not hindrances,
        "hindrance": _hindrance(hindrances),
        "draft": drafts.of(request, operation) if waits else "",
        "may_withdraw": _may_withdraw(request, operation),
        "proved": reauth.proved_at(request),
        "act": looks.act_of(plan),
        "headline": looks.headline_of(operation, tally.missing),
        "progress": looks.progress_of(operation),
        "held": operation.state in HELD_BY_WORKER,
        "cancel_words": "" if hindrances == [] and waits else _cancel_words(request, operation),
        "took": _took(operation),
        "may_ask_again": _may_ask_again(request, operation),
        "may_settle": operation.state == State.INDETERMINATE and rights_of(request).can("request", operation),
        "events": [looks.told(event) for event in events],
        "seen": f"{operation.state}.{len(events)}.{crc32(operation.waiting_for.encode()):x}",
        "may_audit": rights_of(request).can("audit", operation),
        "afterwards": _afterwards(operation),
        "lacking": _lacking(operation, plan, tally.requirement) if operation.state in OPEN else [],
        "may_see_rows": rights_of(request).can("see_data", operation),
        "may_request": operation.database is not None and rights_of(request).can("request", operation.database),
        "terminal": operation.state in TERMINAL,
        "pace": 1 if operation.state in ACTIVE else 3,
    }


def _panels(operation: Operation) -> dict[str, Any]:
    """What its kind shows, and the steps with their SQL unless a panel shows that; only for the whole page."""
    plan, found = operation.plan, panels.panels_of(operation)
    sql = next((str(panel["sql"]) for panel in found if panel["sql"]), "")
    return {"panels": found, "sql": sql, "steps": plan.steps if sql else looks.steps_of(plan)}


def _able(operation: Operation, context: dict[str, Any]) -> list[Person]:
    """Who could sit down, while seats are free; asked only where it is shown, for it looks at everybody."""
    return approvals.who_may_sit(operation, context["tally"], at=now()) if context["waits"] else []


def _lines(operation: Operation, *, after: int) -> dict[str, Any]:
    newest = list(operation.lines.filter(id__gt=after).order_by("-id")[:LINES])[::-1]
    return {"lines": newest, "last_line": newest[-1].pk if newest else after}


def _filtered(request: HttpRequest) -> tuple[QuerySet[Operation], dict[str, str]]:
    given = {name: request.GET.get(name, "") for name in ("state", "kind", "database", "mine", "before")}
    rows = visible_operations(account_of(request))
    if given["state"] in (*GROUPS, *State):
        rows = rows.filter(state__in=GROUPS[given["state"]][1] if given["state"] in GROUPS else [given["state"]])
    if given["kind"]:
        rows = rows.filter(kind=given["kind"])
    if given["database"]:
        rows = rows.filter(database__name=given["database"])
    if given["mine"]:
        rows = rows.filter(requester_person_id=account_of(request).person_id)
    before = row_number(given["before"])
    return (rows.filter(pk__lt=before) if before else rows), given


def _strictest(plan: Plan) -> Environment | None:
    """The protected environment among the plan's targets, if any."""
    names = [target.environment for target in plan.targets if target.protected]
    rows = Environment.objects.filter(name__in=names).order_by("-protected", "-order") if names else None
    return rows.first() if rows is not None else None


def _shown_evidence(plan: Plan) -> dict[str, Any]:
    hidden = ("requirement", "seat", "demands", "databases")  # how the kernel binds a change's votes; shown as seats
    return {key: value for key, value in plan.evidence.items() if key not in hidden}


def _hindrance(found: list[Refused]) -> Refused | None:
    return found[0] if found else None


def _may_withdraw(request: HttpRequest, operation: Operation) -> bool:
    if not stands_for_runs(operation) and (operation.state not in WITHDRAWABLE or hasattr(operation, "grant")):
        return False
    mine = operation.votes.filter(person_id=account_of(request).person_id, digest=operation.digest).last()
    return mine is not None and mine.decision == Vote.Decision.APPROVE


def _cancel_words(request: HttpRequest, operation: Operation) -> str:
    """What cancelling would mean, for those who may; whoever can decide rejects instead."""
    rights = rights_of(request)
    own = operation.requester_person_id == account_of(request).person_id
    may = own or rights.can("vote", operation) or rights.can("administer", operation)
    return looks.cancel_words(operation) if may else ""


def _took(operation: Operation) -> timedelta | None:
    ended, started = operation.finished_at, operation.started_at
    return ended - started if ended and started and operation.state == State.SUCCEEDED else None


def _afterwards(operation: Operation) -> tuple[kinds.Afterwards, ...]:
    """What its kind says about taking it back, once it has succeeded, or stopped partway."""
    partway = operation.state == State.FAILED and operation.result
    if not (operation.state == State.SUCCEEDED or partway) or operation.database is None:
        return ()
    return kinds.get(operation.kind).afterwards(operation)


def _lacking(operation: Operation, plan: Plan, requirement: approvals.Requirement) -> list[tuple[str, str, str]]:
    """What would end it as stale if it started now."""
    return kinds.get(operation.kind).evidence_problems(plan, requirement.demand) if plan.targets else []


def _may_ask_again(request: HttpRequest, operation: Operation) -> bool:
    ended = operation.state in TERMINAL and operation.state != State.SUCCEEDED
    return ended and operation.database is not None and rights_of(request).can("request", operation)
