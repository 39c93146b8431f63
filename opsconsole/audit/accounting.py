"""Is every event in one link of the chain, or waiting for its own? What the walk along the links alone cannot see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from opsconsole.audit import storage
from opsconsole.chain.queries import fetch
from opsconsole.clock import now
from opsconsole.models import AuditEvent, AuditPending, AuditSeal
from opsconsole.verify_audit import Report

CHUNK = 1000
UNSEALED_LIMIT = timedelta(seconds=60)
ACCOUNT = (  # in one statement, for others append and seal meanwhile
    "SELECT (SELECT count(*) FROM opsconsole_auditevent) - (SELECT count(*) FROM opsconsole_auditseal WHERE seq > 0)"
    " - (SELECT count(DISTINCT event_id) FROM opsconsole_auditpending),"
    " (SELECT count(*) FROM opsconsole_auditseal)"
)


@dataclass(frozen=True)
class Counts:
    """How many more events there are than links and what waits for one (fewer: below 0), and links without a number."""

    unaccounted: int
    unnumbered: int


def count(links: int | None) -> Counts:
    """Counted while others append and seal. `links` is how many the walk is going to meet, where it meets them all."""
    [(unaccounted, there)] = fetch(ACCOUNT)
    return Counts(unaccounted, 0 if there == links else storage.links_without_a_number())


def check(report: Report, counted: Counts, *, each_met_once: bool) -> None:
    """Add a finding for every event that is in no link or in several, and for what waits without a reason.

    `each_met_once`: the walk has met every link, and an event of its own for each. Where nothing was found, and there
    are as many events as links and waiting ones together, none is lost, and none has to be looked for.
    """
    if counted.unnumbered:
        report.add("order", "chain", f"{counted.unnumbered} links have no number of a chain, which begins at 1.")
    _waiting(report)
    if each_met_once and not report.findings_in_all and not counted.unaccounted:
        return
    lost = AuditEvent.objects.filter(Q(seal=None) & Q(pending=None)).order_by("id")
    for event_id in _numbers(lost.values_list("id", flat=True)):
        report.add("unsealed", f"event {event_id}", "It is in no link of the chain and waits for none.")
    links = AuditSeal.objects.order_by("event_id").values("event_id").annotate(links=Count("*")).filter(links__gt=1)
    for event_id in _numbers(links.values_list("event_id", flat=True)):
        report.add("order", f"event {event_id}", "It is in more than one link of the chain.")
    if counted.unaccounted and not report.findings_in_all:
        how = f"{abs(counted.unaccounted)} {'more' if counted.unaccounted > 0 else 'fewer'}"
        why = f"They are {how} than the links and what waits for one."
        report.add("unsealed", "events", why)


def _waiting(report: Report) -> None:
    there = AuditEvent.objects.filter(pk=OuterRef("event_id"))
    stray = AuditPending.objects.filter(~Exists(there)).order_by("event_id")
    for event_id in _numbers(stray.values_list("event_id", flat=True)):
        report.add("unsealed", f"event {event_id}", "It waits for its seal, and is not there.")
    late = AuditPending.objects.filter(event__at__lt=now() - UNSEALED_LIMIT).order_by("event_id")
    for event_id in _numbers(late.values_list("event_id", flat=True)):
        report.add("unsealed", f"event {event_id}", "It has waited for its seal for more than a minute.")
    twice = AuditPending.objects.exclude(event__seal=None).values_list("event_id", flat=True)
    for event_id in _numbers(twice):
        report.add("unsealed", f"event {event_id}", "It is sealed and still waits to be.")


def _numbers(rows: QuerySet[AuditEvent | AuditPending | AuditSeal, int]) -> Iterator[int]:
    return rows.iterator(chunk_size=CHUNK)
