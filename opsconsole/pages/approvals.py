"""The approvals inbox: what waits for me, what I wait for, what I decided. The one that lapses first is on top."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse

from opsconsole import approvals
from opsconsole.models import Operation, Vote
from opsconsole.pages import looks
from opsconsole.pages.base import SIGNED_IN, account_of, page, rights_of, show
from opsconsole.permissions import Rights, visible_operations
from opsconsole.plans import Plan
from opsconsole.states import State

ROWS = 100
SHOWS = {"me": "Waits for me", "mine": "My requests", "all": "All that waits", "decided": "Decided by me"}


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One row: the operation, its plan, how many people agreed, and whether this account could be one more."""

    operation: Operation
    plan: Plan
    title: str
    agreed: int
    for_me: bool

    @property
    def needs(self) -> int:
        return max(0, self.operation.votes_needed - self.agreed)


@page("approvals/", name="approvals", permission=SIGNED_IN)
def inbox(request: HttpRequest) -> HttpResponse:
    """Rows sorted by what lapses first."""
    chosen = request.GET.get("show", "me")
    waiting = waiting_rows(request)
    rows = {
        "me": [row for row in waiting if row.for_me],
        "mine": [row for row in waiting if row.operation.requester_person_id == account_of(request).person_id],
        "all": waiting,
        "decided": _decided(request) if chosen == "decided" else [],
    }
    counts = {name: len(found) for name, found in rows.items()}
    return show(
        request,
        "console/approvals.html",
        title="Approvals",
        crumbs=[],
        rows=rows.get(chosen, rows["me"]),
        tabs=[(name, label, counts[name] if name != "decided" else None) for name, label in SHOWS.items()],
        chosen=chosen if chosen in SHOWS else "me",
    )


def waiting_rows(request: HttpRequest) -> list[Waiting]:
    """Everything visible that waits for people, with a fixed number of queries. The page of one decides exactly."""
    rows = visible_operations(account_of(request)).filter(state=State.PENDING_APPROVAL).order_by("expires_at", "id")
    return [_row(operation, rights_of(request), account_of(request).person_id) for operation in _joined(rows)[:ROWS]]


def _decided(request: HttpRequest) -> list[Waiting]:
    rows = Operation.objects.filter(votes__person_id=account_of(request).person_id).distinct().order_by("-id")
    return [_row(operation, rights_of(request), account_of(request).person_id) for operation in _joined(rows)[:ROWS]]


def _joined(rows: QuerySet[Operation]) -> QuerySet[Operation]:
    joined = rows.select_related("database__environment", "database__owner_group", "requester__person")
    return joined.prefetch_related(Prefetch("votes", Vote.objects.order_by("id").select_related("person")))


def _row(operation: Operation, rights: Rights, person_id: int) -> Waiting:
    newest = {vote.person_id: vote.decision for vote in operation.votes.all() if vote.digest == operation.digest}
    may = approvals.is_asked(rights.named, operation.requirement)
    return Waiting(
        operation=operation,
        plan=operation.plan,
        title=looks.title_of(operation),
        agreed=sum(1 for decision in newest.values() if decision == Vote.Decision.APPROVE),
        for_me=may and operation.requester_person_id != person_id and person_id not in newest,
    )
