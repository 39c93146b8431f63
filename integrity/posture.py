"""What the newest check says about how a database stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q

from integrity.models import Report, Rule
from integrity.reporting.standing import ended_fixes, newest_of
from opsconsole.clock import now
from opsconsole.models import Database
from opsconsole.posture import Level, Line

TRUSTED = timedelta(days=30)  # how long a check that found nothing critical is news


def read(databases: Sequence[Database]) -> dict[int, list[Line]]:
    """Critical findings that stand, whether anybody has looked lately, and rules that are switched off."""
    newest, fixed, off = newest_of(databases), _fixed(databases), off_in(databases)
    found = {}
    for database in databases:
        found[database.pk] = [_line(database, newest.get(database.pk), fixed.get(database.pk))]
        if database.pk in off:
            found[database.pk].append(_off_line(database, *off[database.pk]))
    return found


def off_in(databases: Sequence[Database]) -> dict[int, tuple[int, int]]:
    """How many rules are switched off, and how many of them are critical, of each database that has any."""
    rows = Rule.objects.filter(database__in=databases, replaced_by=None, off=True).order_by().values("database")
    counted = rows.annotate(count=Count("pk"), critical=Count("pk", filter=Q(severity=Rule.Severity.CRITICAL)))
    return {row["database"]: (row["count"], row["critical"]) for row in counted}


def tab_of(database: Database) -> str:
    """The address of its tab."""
    return f"/databases/{database.name}/integrity/"


def _fixed(databases: Sequence[Database]) -> dict[int, datetime]:
    """When the last fix, or the last that took one back, ended in each database."""
    return dict(ended_fixes(databases).order_by().values_list("database").annotate(last=Max("finished_at")))


def _line(database: Database, report: Report | None, fixed: datetime | None) -> Line:
    ask = f"/databases/{database.name}/request/check/"
    if report is None:
        sentence = "Nobody has checked whether its data are sound."
        return Line(topic="integrity", level=Level.UNKNOWN, sentence=sentence, link=ask, link_text="Check it")
    if report.open_critical and fixed and fixed > report.finished_at:
        sentence = f"{_stood(report)} when it was last checked, and a fix has run since."
        return Line(
            topic="integrity", level=Level.BAD, sentence=sentence, at=report.finished_at, link=f"{ask}?mode=quick",
            link_text="Check whether they are gone",
        )  # fmt: skip
    if report.open_critical:
        return Line(
            topic="integrity", level=Level.BAD, sentence=_critical(report), at=report.finished_at,
            link=tab_of(database), link_text="Look at what was found",
        )  # fmt: skip
    if now() - report.finished_at > TRUSTED:
        sentence = f"Its data were last checked more than {TRUSTED.days} days ago."
        return Line(
            topic="integrity", level=Level.UNKNOWN, sentence=sentence, at=report.finished_at, link=ask,
            link_text="Check it",
        )  # fmt: skip
    sentence = "Its last check left nothing critical"
    if report.open_warning:
        sentence += f", and {report.open_warning} warning{'s' * (report.open_warning != 1)}"
    return Line(
        topic="integrity", level=Level.GOOD, sentence=f"{sentence}.", at=report.finished_at, link=tab_of(database),
        link_text="Look at what was found",
    )  # fmt: skip


def _off_line(database: Database, count: int, critical: int) -> Line:
    """Whoever confirmed it may have forgotten it: while a critical one is off, the database is not simply well."""
    which = f", {critical} of them critical" if 0 < critical < count else " (critical)" * (critical > 0)
    sentence = f"{count} of its rules {'are' if count != 1 else 'is'} switched off{which}: no check asks "
    return Line(
        topic="rules", level=Level.WATCH if critical else Level.GOOD,
        sentence=f"{sentence}{'them' if count != 1 else 'it'}.", link=f"/databases/{database.name}/rules/",
        link_text="See the rules",
    )  # fmt: skip


def _stood(report: Report) -> str:
    number = report.open_critical
    return f"{number} critical finding{'s' * (number != 1)} stood"


def _critical(report: Report) -> str:
    number = report.open_critical
    new = f", {report.new_critical} of them new" if report.new_critical else ""
    if report.new_critical == number:
        new = ", and it is new" if number == 1 else ", all of them new"
    return f"{number} critical finding{'s' * (number != 1)} of its checks stand{'s' * (number == 1)}{new}."
