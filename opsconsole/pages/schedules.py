"""Schedules read as sentences, with their next times and what became of the last ones; asking for another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse

from opsconsole import kinds
from opsconsole.changes.schedules import EACH_RUN, ONCE, newest_of
from opsconsole.clock import now
from opsconsole.models import Database, Schedule, ScheduleSlot
from opsconsole.models.databases import NAME
from opsconsole.pages.asking import Names, ReasonField, ask, said
from opsconsole.pages.base import account_of, page, rights_of, show
from opsconsole.pages.proposing import Proposal, ProposalForm
from opsconsole.permissions import visible_databases
from opsconsole.plans import Plan
from opsconsole.scheduling import standing

NEXT = 5
SLOTS = 60  # of the past, on a schedule's page


@dataclass(frozen=True, kw_only=True)
class Told:
    """A schedule in words. `next` are its next times, in UTC; `held` while a blackout keeps it from starting."""

    row: Schedule
    sentence: str
    next: tuple[datetime, ...]
    held: bool
    last: ScheduleSlot | None


class ScheduleForm(ProposalForm):
    """A schedule as people think of it: what, where, when, and what if it was missed."""

    span = "blackout"
    name = forms.CharField(max_length=50, validators=[NAME], help_text="Short and lasting, like nightly-backup.")
    title = forms.CharField(max_length=120, help_text="What people read: Nightly backup.")
    kind = forms.ChoiceField(label="What it does")
    parameters = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}), label="Settings of it",
        help_text="One a line, like format=native or, of a check, mode=quick; what is not named stays as usual.",
    )  # fmt: skip
    databases = Names(help_text="Names of databases. Empty: every one that the rest fits.")
    environments = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, help_text="None ticked: everywhere."
    )
    tags = Names(help_text="Only databases that carry one of these. Empty: any.")
    cron = forms.CharField(
        max_length=100, initial="0 2 * * *", label="When (minute, hour, day, month, day of the week)",
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
        help_text="0 2 * * * is every night at 02:00; 0 4 * * 0 is Sunday at 04:00.",
    )  # fmt: skip
    timezone = forms.CharField(max_length=60, initial="UTC", label="In the time zone", help_text="Like Europe/Berlin.")
    missed = forms.ChoiceField(choices=Schedule.Missed.choices, label="If nothing could start it in time")
    late_minutes = forms.IntegerField(
        min_value=0, max_value=7 * 24 * 60, initial=720, label="It may start late by (minutes)",
        help_text="After that the time is missed, and the database's page and the dashboard say so.",
    )  # fmt: skip
    begins = forms.TimeField(
        required=False, label="Nothing starts from", widget=forms.TimeInput(attrs={"type": "time"}),
        help_text="A blackout each day, in the same time zone; what is due then starts after it.",
    )  # fmt: skip
    ends = forms.TimeField(required=False, label="until", widget=forms.TimeInput(attrs={"type": "time"}))
    approval = forms.ChoiceField(
        choices=((ONCE, "once, by whoever confirms this"), (EACH_RUN, "each run by itself")),
        label="Where a policy asks for people, its runs are approved",
        help_text="A run that would cost rows always waits.",
    )  # fmt: skip
    reason = ReasonField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("kind", [(kind.name, kind.label) for kind in kinds.every()])

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if any("=" not in line for line in _lines(given)):
            self.add_error("parameters", "Write each setting as name=value, one a line.")
        return given

    def wanted(self) -> dict[str, Any]:
        data = {name: value for name, value in self.cleaned_data.items() if name not in ("reason", "begins", "ends")}
        pairs = (line.partition("=") for line in _lines(data))
        data["parameters"] = {name.strip(): value.strip() for name, _, value in pairs}
        return data | {"blackouts": [self.window()] if self.cleaned_data["begins"] else []}


@page("schedules/", name="schedules", permission="see")
def schedule_list(request: HttpRequest) -> HttpResponse:
    """What starts by itself, and when next; then what is switched off."""
    told = [told_of(row, request) for row in standing.newest()]
    return show(
        request,
        "console/schedules/list.html",
        title="Schedules",
        crumbs=[],
        on=[each for each in told if each.row.enabled],
        off=[each for each in told if not each.row.enabled],
        stopped=not settings.SCHEDULES,
        may_change=rights_of(request).can("request"),
    )


@page("schedules/<slug:schedule>/", name="schedule", permission="see")
def schedule_page(request: HttpRequest, schedule: str) -> HttpResponse:
    """One schedule: its next times, what became of the last ones, and every version it ever had."""
    versions = list(Schedule.objects.filter(name=schedule).select_related("changed_by").order_by("-version"))
    if not versions:
        raise Http404("There is no schedule of that name.")
    told = told_of(versions[0], request)
    return show(
        request,
        "console/schedules/schedule.html",
        title=told.row.title,
        crumb=told.row.name,
        crumbs=[("Schedules", "/schedules/")],
        told=told,
        once=standing.approved_once(told.row, visible_databases(account_of(request))) if told.row.enabled else None,
        asks=told.row.enabled and standing.asks_people(told.row),
        databases=standing.databases_of(told.row, visible_databases(account_of(request))),
        slots=list(_slots(request, told.row)[:SLOTS]),
        versions=[(row, standing.sentence(row)) for row in versions],
        stopped=not settings.SCHEDULES,
        may_change=rights_of(request).can("request"),
        may_audit=rights_of(request).can("audit"),
    )


@page("schedule-form/", name="schedule-form", permission="request", methods=("GET", "POST"))
def schedule_form(request: HttpRequest) -> HttpResponse:
    """Ask for a new schedule, or with `?schedule=` for a new version of one."""
    return PROPOSAL.page(request)


@page("schedule-form/preview/", name="schedule-preview", permission="request", methods=("POST",), background=True)
def schedule_preview(request: HttpRequest) -> HttpResponse:
    """What the form says so far: the sentence, the next times, and where."""
    return PROPOSAL.preview(request)


@page("schedules/<slug:schedule>/off/", name="schedule-off", permission="request", methods=("POST",))
def schedule_off(request: HttpRequest, schedule: str) -> HttpResponse:
    """Ask for a schedule to be switched off."""
    return ask(request, "schedule.off", {"name": schedule}, reason=said(request, "reason"))


def told_of(row: Schedule, request: HttpRequest) -> Told:
    """A schedule in words, as the asking account may see it."""
    times, at = standing.times_of(row), now()
    return Told(
        row=row,
        sentence=standing.sentence(row),
        next=tuple(islice(times.after(at), NEXT)) if row.enabled else (),
        held=row.enabled and times.is_blacked_out(at),
        last=_slots(request, row).first(),
    )


def _slots(request: HttpRequest, row: Schedule) -> QuerySet[ScheduleSlot]:
    seen = visible_databases(account_of(request))
    rows = ScheduleSlot.objects.filter(schedule=row.name, database__in=seen)
    return rows.select_related("database__environment", "operation")


def _meaning(request: HttpRequest, plan: Plan) -> dict[str, Any]:
    row = Schedule(**{name: value for name, value in plan.parameters.items() if name != "action"})
    seen: QuerySet[Database] = visible_databases(account_of(request))
    return {"told": told_of(row, request), "databases": standing.databases_of(row, seen)}


def _form(given: Mapping[str, Any] | None, known: str) -> ScheduleForm:
    return ScheduleForm(given, initial=_initial(known) if known and given is None else None, known=bool(known))


def _initial(name: str) -> Mapping[str, Any]:
    row = newest_of(name)
    if row is None:
        raise Http404("There is no schedule of that name.")
    window = row.blackouts[0] if row.blackouts else {}
    kept = ("name", "title", "kind", "cron", "timezone", "missed", "late_minutes")
    return {
        **{field: getattr(row, field) for field in kept},
        **{key: row.match.get(key, []) for key in ("databases", "environments", "tags")},
        "parameters": "\n".join(f"{key}={value}" for key, value in row.parameters.items()),
        "begins": window.get("from"),
        "ends": window.get("to"),
        "approval": ONCE if row.template or not standing.asks_people(row) else EACH_RUN,
    }


def _lines(data: Mapping[str, Any]) -> list[str]:
    return [line for line in str(data.get("parameters") or "").splitlines() if line.strip()]


PROPOSAL = Proposal(
    noun="schedule", crumb=("Schedules", "/schedules/"), action="schedule.set", form=_form, meaning=_meaning
)
