"""Can I go home? One line of answer, what waits for me, what runs, and a card a database, the worst first."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse

from opsconsole.audit.sentences import payload_of
from opsconsole.clock import now
from opsconsole.dashboard import Chart, Column, Panel, panels, register_panel
from opsconsole.models import AuditCheckpoint, AuditEvent, AuditSeal, Database, Operation, WorkerHost
from opsconsole.pages import looks
from opsconsole.pages.approvals import Waiting, waiting_rows
from opsconsole.pages.base import SIGNED_IN, account_of, fragment, page, rights_of, show
from opsconsole.permissions import Rights, visible_databases, visible_operations
from opsconsole.posture import Level, Posture, posture_of
from opsconsole.states import ACTIVE, FACES, OPEN, State

DAYS = 30
WORKER_SILENCE = timedelta(seconds=90)
OUTCOMES = {
    "green": "succeeded",
    "red": "failed or rejected",
    "violet": "indeterminate",
    "grey": "ended before the start",
}
WORST = (
    State.INDETERMINATE,
    State.FAILED,
    State.STALE,
    State.REJECTED,
    State.EXPIRED,
    State.CANCELLED,
    State.SUCCEEDED,
)


@dataclass(frozen=True, kw_only=True)
class Day:
    """One square of a strip: the worst that happened on a day."""

    day: date
    colour: str
    words: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """One database: how it stands and its last days."""

    database: Database
    posture: Posture
    days: list[Day]
    may_request: bool


@dataclass(frozen=True, kw_only=True)
class Running:
    """One operation that is under way or about to be."""

    operation: Operation
    title: str
    headline: str
    progress: looks.Progress | None


@page("", name="dashboard", permission=SIGNED_IN)
def dashboard(request: HttpRequest) -> HttpResponse:
    """The first page."""
    databases = list(visible_databases(account_of(request)))
    cards = _cards(databases, rights_of(request))
    needy = [card for card in cards if card.posture.level >= Level.WATCH]
    return show(
        request,
        "console/dashboard.html",
        title="Dashboard",
        crumbs=[],
        cards=cards,
        needy=needy,
        tampered=verified if _verdict_of(verified := _last_verified()) == "tampered" else None,
        panels=_panels(request, databases),
        may_add=rights_of(request).can("administer"),
        **_now(request),
    )


@page("dashboard/now/", name="dashboard-now", permission=SIGNED_IN, background=True)
def dashboard_now(request: HttpRequest) -> HttpResponse:
    """What waits and what runs, for the page to stay true in place; 204 while nothing has changed."""
    context = _now(request)
    if request.GET.get("seen") == context["seen"]:
        return HttpResponse(status=204)
    return fragment(request, "console/dashboard/now.html", **context)


def _now(request: HttpRequest) -> dict[str, Any]:
    waiting = waiting_rows(request)
    running = _running(request)
    return {
        "for_me": [row for row in waiting if row.for_me],
        "mine": _own(waiting, request),
        "running": running,
        "pace": 2 if running else 15,
        "seen": _seen(waiting, running),
        "silent": _no_worker() if running else False,
    }


def _seen(waiting: list[Waiting], running: list[Running]) -> str:
    """A few digits that change when something on the page has."""
    facts = (
        [(row.operation.pk, row.agreed, row.for_me) for row in waiting],
        [
            (item.operation.pk, item.operation.state, item.operation.waiting_for, item.operation.progress)
            for item in running
        ],
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


def _own(waiting: list[Waiting], request: HttpRequest) -> list[Waiting]:
    return [row for row in waiting if row.operation.requester_person_id == account_of(request).person_id]


def _running(request: HttpRequest) -> list[Running]:
    rows = visible_operations(account_of(request)).filter(state__in=[State.QUEUED, *ACTIVE]).order_by("id")
    return [
        Running(
            operation=row,
            title=looks.title_of(row),
            headline=looks.headline_of(row),
            progress=looks.progress_of(row),
        )
        for row in rows[:20]
    ]


def _no_worker() -> bool:
    """Whether no worker has been seen lately, so that what is queued will not start."""
    return not WorkerHost.objects.filter(seen_at__gt=now() - WORKER_SILENCE).exists()


def _cards(databases: Sequence[Database], rights: Rights) -> list[Card]:
    days, postures = _days(), posture_of(databases)
    counted = _ended_by_day(databases, since=days[0])
    cards = [
        Card(
            database=d,
            posture=postures[d.pk],
            days=[_day(day, counted[d.pk].get(day, {})) for day in days],
            may_request=rights.can("request", d),
        )
        for d in databases
    ]
    return sorted(cards, key=lambda card: (-card.posture.level, card.database.name))


def _days() -> list[date]:
    today = now().date()
    return [today - timedelta(days=DAYS - 1 - n) for n in range(DAYS)]


def _ended_by_day(databases: Sequence[Database], *, since: date) -> dict[int, dict[date, dict[str, int]]]:
    """How many operations ended in which state, by database and day."""
    counted = (
        Operation.objects.filter(database__in=databases, created_at__date__gte=since)
        .exclude(state__in=OPEN - {State.INDETERMINATE})
        .annotate(day=TruncDate("created_at"))
        .values_list("database_id", "day", "state")
        .annotate(n=Count("id"))
        .order_by()
    )
    found: dict[int, dict[date, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for pk, day, state, number in counted:
        found[pk][day][state] = number
    return found


def _day(day: date, counts: dict[str, int]) -> Day:
    worst = next((state for state in WORST if state in counts), None)
    words = ", ".join(f"{number} {FACES[State(state)].word}" for state, number in counts.items()) or "nothing"
    return Day(day=day, colour=FACES[worst].colour if worst else "none", words=f"{day:%d %B}: {words}")


def _panels(request: HttpRequest, databases: Sequence[Database]) -> list[dict[str, Any]]:
    shown = [(panel, panel.content(request, databases)) for panel in panels()]
    return [{"panel": panel, "content": content} for panel, content in shown if content is not None]


def _outcomes_panel(request: HttpRequest, databases: Sequence[Database]) -> dict[str, Any] | None:
    total: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    shown = _days()
    for days in _ended_by_day(databases, since=shown[0]).values():
        for day, states in days.items():
            for state, number in states.items():
                total[day][FACES[State(state)].colour] += number
    if not total:
        return None
    columns = [
        Column(
            label=f"{day:%d %B}",
            parts=tuple((colour, total[day][colour]) for colour in OUTCOMES if total[day][colour]),
            words=", ".join(f"{total[day][c]} {word}" for c, word in OUTCOMES.items() if total[day][c]) or "nothing",
        )
        for day in shown
    ]
    return {"chart": Chart("How operations ended, day by day", tuple(columns))}


def _audit_panel(request: HttpRequest, _: Sequence[Database]) -> dict[str, Any] | None:
    if not rights_of(request).can("see"):
        return None
    verified = _last_verified()
    return {
        "head": AuditSeal.objects.order_by("-seq").values_list("seq", "event__at").first(),
        "checkpoint": AuditCheckpoint.objects.order_by("-seq").first(),
        "verified": verified,
        "verdict": _verdict_of(verified),
    }


def _last_verified() -> AuditEvent | None:
    return AuditEvent.objects.filter(type="audit.verified").order_by("-id").first()


def _verdict_of(event: AuditEvent | None) -> str:
    """What a verification of the history found: sound, tampered or unproven."""
    return str((payload_of(event).get("data") or {}).get("verdict", "")) if event else ""


register_panel(
    Panel(
        name="outcomes",
        title="Outcomes of the last 30 days",
        order=10,
        template="console/dashboard/chart.html",
        content=_outcomes_panel,
    )
)
register_panel(
    Panel(name="audit", title="Audit history", order=90, template="console/dashboard/audit.html", content=_audit_panel)
)
