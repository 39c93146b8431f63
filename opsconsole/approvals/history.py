"""What a policy would have meant for the operations of the past. Reads rows, writes none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models.query import QuerySet

from opsconsole import kinds
from opsconsole.approvals.asking import CHANGE, places_of
from opsconsole.approvals.requirement import Requirement, strictest_of
from opsconsole.approvals.rules import Rule, Verb
from opsconsole.exceptions import Usage
from opsconsole.models import Operation

LOOK_BACK = timedelta(days=90)
AT_MOST = 2000


@dataclass(frozen=True, kw_only=True)
class Met:
    """A past operation that the policy matches: what it would have asked for, and whether somebody was asked then."""

    operation: Operation
    requirement: Requirement
    was_gated: bool


def would_have_gated(rule: Rule, *, at: datetime, span: timedelta = LOOK_BACK) -> list[Met]:
    """The operations of the last `span` that the policy matches, newest first (of the newest 2000 that were asked for).

    Databases are taken as they are labelled today: what a policy would mean is asked for tomorrow's sake.
    """
    met = []
    for operation in _asked_since(at - span):
        requirement = _demand(rule, operation)
        if requirement.gated:
            met.append(Met(operation=operation, requirement=requirement, was_gated=operation.gated))
    return met


def _asked_since(since: datetime) -> QuerySet[Operation]:
    rows = Operation.objects.filter(created_at__gte=since, parent=None).exclude(kind=CHANGE)
    return rows.select_related("database__environment", "requester__person").order_by("-id")[:AT_MOST]


def _demand(rule: Rule, operation: Operation) -> Requirement:
    try:
        kind = kinds.get(operation.kind)
    except Usage:
        return Requirement(gated=False)  # an app that is no longer installed brought that kind
    verb = Verb(name=kind.name, gated=kind.gated)
    places = places_of(operation.plan.targets)
    return strictest_of(rule.requirement(place.owner_group) for place in places if rule.matches(verb, place))
