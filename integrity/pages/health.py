"""Health on the overview of a database: what the newest look told, and the series as charts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse

from integrity.fixing.choosing import CLEANUP
from integrity.health import keeping, series
from integrity.packs.cleaning import cleanup_of
from integrity.rules import in_force
from integrity.rules.base import is_curable
from opsconsole.clock import now
from opsconsole.models import Database
from opsconsole.pages.base import fragment, page, rights_of
from opsconsole.pages.sections import Section, register_section
from opsconsole.templatetags.console import count, duration, size


def overview(request: HttpRequest, database: Database) -> Mapping[str, Any] | None:
    """The newest look; nothing before there was one."""
    row = keeping.standing(database)
    if row is None:
        return None
    details = {name: told for name, told in row.told["details"].items() if name != "summary"}
    rules = [{"name": name, **rule} for name, told in details.items() for rule in told["rules"]]
    for rule in rules:
        rule["breaks"] = rule["count"] is not None and rule["count"] > rule["threshold"]
    return {
        "database": database,
        "watch": row,
        "stale": keeping.is_stale(row, now()),
        "problem": row.told["problem"],
        "facts": list(facts(row.told["figures"])),
        "rules": rules,
        **_cleaning(request, database, {rule["name"] for rule in rules if rule["breaks"]}),
    }


def facts(figures: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Figures as (name, words), those that are known."""
    if (took := figures.get("latency_ms")) is not None:
        yield "Answers in", f"{took:g} ms, after {figures['connect_ms']:g} ms to connect"
    if (bytes_ := figures.get("size_bytes")) is not None:
        yield "Size", size(bytes_)
    if role := figures.get("role"):
        yield "Role", _role(role, figures)
    if (used := figures.get("connections")) is not None:
        yield "Connections", f"{count(used)} of {count(figures['connections_most'])} in use on its server"
    if (longest := figures.get("longest_transaction_seconds")) is not None:
        yield "Longest transaction", duration(longest) if longest else "none is open"
    if waiting := figures.get("waiting"):
        yield "Waiting for locks", f"{count(waiting)} sessions"
    if journal := figures.get("journal"):
        log = figures.get("wal_bytes")
        yield "Journal", journal if log is None else f"{journal}, its log has {size(log)}"
    if free := figures.get("free_bytes"):
        yield "Free inside the file", size(free)
    for name, why in figures.get("unknown", {}).items():
        yield name.replace("_", " ").capitalize(), f"not known: {why}"


def _role(role: str, figures: Mapping[str, Any]) -> str:
    if role == "standby":
        lag = figures.get("lag_seconds")
        return "standby" if lag is None else f"standby, {duration(lag)} behind"
    fed = figures.get("replicas", 0)
    return f"primary, feeds {fed} standby{'s' * (fed != 1)}" if fed else "primary"


def _cleaning(request: HttpRequest, database: Database, broken: set[str]) -> dict[str, Any]:
    """Where a cleanup of what breaks is asked for, by somebody who may; `hopeless` where nothing is proposed for it."""
    if not broken or not rights_of(request).can("request", database):
        return {}
    rules = in_force.asked_of(database)
    curable = sorted({rule.health for rule in rules if rule.health in broken and is_curable(rule)})
    names = CLEANUP if broken & set(cleanup_of(rules)) else ",".join(curable)
    return {
        "cleanup": f"{database.get_absolute_url()}request/fix/?names={names}" if names else "",
        "hopeless": not names,
    }


@page("databases/<slug:name>/health/", name="database-health", permission="see", scope="database", background=True)
def health_charts(request: HttpRequest, database: Database) -> HttpResponse:
    """The series, drawn after the overview is there."""
    day, month = series.last_day(database), series.last_month(database)
    charts = [{"chart": chart, "note": note} for chart, note in ((day, _note(day)), (month, "")) if chart]
    return fragment(request, "integrity/_health_charts.html", charts=charts)


def _note(day: Any) -> str:
    return f"{series.unhealthy_words(day)} {series.slowest_words(day)}".strip() if day else ""


register_section(Section(name="health", order=10, template="integrity/_health.html", content=overview))
