"""The series of health as charts: how fast a database answered and whether it was healthy, and how it grew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from integrity.models import HealthSample
from opsconsole.clock import now
from opsconsole.dashboard import Chart, Column
from opsconsole.models import Database
from opsconsole.templatetags.console import size

DAY, HALF_HOUR = timedelta(days=1), timedelta(minutes=30)
MONTH = timedelta(days=30)


@dataclass
class Span:
    """What the samples of one stretch of time tell together."""

    start: datetime
    looks: int = 0
    unhealthy: int = 0
    slowest_ms: float = 0.0
    size_bytes: int = 0
    connections: int | None = None

    def add(self, healthy: bool, figures: dict[str, Any]) -> None:
        self.looks += 1
        self.unhealthy += not healthy
        self.slowest_ms = max(self.slowest_ms, figures.get("latency_ms", 0.0))
        self.size_bytes = figures.get("size_bytes") or self.size_bytes
        if (used := figures.get("connections")) is not None:
            self.connections = max(used, self.connections or 0)


def last_day(database: Database) -> Chart | None:
    """How fast it answered in each half hour of the last day, and when it was unhealthy; None before any sample."""
    spans = _spans(database, now(), DAY, HALF_HOUR)
    if not any(span.looks for span in spans):
        return None
    most = max((span.slowest_ms for span in spans if not span.unhealthy), default=0) or 1.0
    columns = [
        Column(label=f"{span.start:%d %B, %H:%M} UTC", parts=_answered(span, most), words=_words(span))
        for span in spans
    ]
    return Chart("How fast it answered, and whether it was healthy", tuple(columns))


def last_month(database: Database) -> Chart | None:
    """Its size on each of the last thirty days; None before any sample told one."""
    spans = _spans(database, now(), MONTH, DAY)
    if not any(span.size_bytes for span in spans):
        return None
    columns = [
        Column(
            label=f"{span.start:%d %B}",
            parts=(("blue", span.size_bytes),) if span.size_bytes else (),
            words=(size(span.size_bytes) if span.size_bytes else "not known") + _connected(span),
        )
        for span in spans
    ]
    return Chart("Its size, day by day", tuple(columns))


def unhealthy_words(chart: Chart) -> str:
    """In how many of its half hours it was unhealthy, and of how many nothing is known."""
    red = sum(any(colour == "red" for colour, _ in column.parts) for column in chart.columns)
    none = sum(not column.parts for column in chart.columns)
    said = f"Unhealthy in {red} of {len(chart.columns)} half hours" if red else "Healthy whenever somebody looked"
    of = "" if red else f" of {len(chart.columns)} half hours"
    return f"{said}; nobody looked in {none}{of}." if none else f"{said}."


def slowest_words(chart: Chart) -> str:
    """What the highest column stands for; empty when there was no answer at all."""
    slowest = max(
        (height for column in chart.columns for colour, height in column.parts if colour == "green"), default=0
    )
    return f"The highest green column is {slowest / 1000:g} ms." if slowest else ""


def _spans(database: Database, until: datetime, length: timedelta, step: timedelta) -> list[Span]:
    """Stretches that end with the one that `until` is in, aligned to whole steps of a day (UTC)."""
    midnight = until.replace(hour=0, minute=0, second=0, microsecond=0)
    last = midnight + (until - midnight) // step * step
    first = last - length + step
    spans = [Span(first + number * step) for number in range(length // step)]
    rows = HealthSample.objects.filter(database=database, at__gte=first).order_by("at")
    for at, healthy, figures in rows.values_list("at", "healthy", "figures").iterator(chunk_size=500):
        place = (at - first) // step
        if place < len(spans):
            spans[place].add(healthy, figures)
    return spans


def _answered(span: Span, most: float) -> tuple[tuple[str, int], ...]:
    """A column in microseconds; an unhealthy one is as high as the frame, for it may have had no answer at all."""
    if not span.looks:
        return ()
    if span.unhealthy:
        return (("red", int(most * 1000)),)
    return (("green", max(1, int(span.slowest_ms * 1000))),)


def _words(span: Span) -> str:
    if not span.looks:
        return "nobody looked"
    said = f"{span.slowest_ms:g} ms at the slowest" + _connected(span)
    return f"unhealthy in {span.unhealthy} of {span.looks} looks, {said}" if span.unhealthy else f"healthy, {said}"


def _connected(span: Span) -> str:
    return "" if span.connections is None else f", {span.connections} connections at most"
