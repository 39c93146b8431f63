"""Proposing a new version of what is kept in versions (policies, schedules): a form that says what it would mean."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from opsconsole.changes import get_change
from opsconsole.exceptions import OpsError
from opsconsole.models import Environment
from opsconsole.pages.asking import AskingForm, ask, said
from opsconsole.pages.base import account_of, fragment, show
from opsconsole.plans import Plan

EVERY_DAY = list(range(7))


class ProposalForm(AskingForm):
    """Fields of one version. One that is `known` keeps its name. `span` says what its two times are the ends of."""

    span: ClassVar[str]

    def __init__(self, *args: Any, known: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("environments", [(row.name, row.label) for row in Environment.objects.all()])
        if known:
            self.fields["name"].widget = forms.HiddenInput()

    def offer(self, field: str, choices: list[tuple[str, str]]) -> None:
        """What can be chosen in a field, which only the database or a registry knows."""
        self.fields[field].choices = choices  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if bool(given.get("begins")) != bool(given.get("ends")):
            self.add_error("ends", f"A {self.span} has a beginning and an end.")
        return given

    @abstractmethod
    def wanted(self) -> dict[str, Any]:
        """What the change takes."""

    def window(self, days: list[int] | None = None) -> dict[str, Any]:
        """The stretch of these days (every day) between the two times, as rows keep it."""
        begins, ends = self.cleaned_data["begins"], self.cleaned_data["ends"]
        return {
            "days": days or EVERY_DAY,
            "from": f"{begins:%H:%M}" if begins else "00:00",
            "to": f"{ends:%H:%M}" if ends else "23:59",
        }


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """One sort of thing that is proposed. `form` makes its form of what was sent, or of the known one that is named."""

    noun: str  # "policy"
    crumb: tuple[str, str]
    action: str  # the change
    form: Callable[[Mapping[str, Any] | None, str], ProposalForm]
    meaning: Callable[[HttpRequest, Plan], Mapping[str, Any]]  # what its preview shows beside the plan

    def page(self, request: HttpRequest) -> HttpResponse:
        """Ask for a new one, which begins with `?FIELD=`, or with `?NOUN=` for a new version of one."""
        known = request.GET.get(self.noun, "")
        form = self.form(request.POST if request.method == "POST" else None, known)
        if request.method != "POST" and not known:
            form.initial = {name: str(value) for name, value in request.GET.items() if name in form.fields}
        if request.method == "POST" and form.is_valid():
            try:
                return ask(request, self.action, form.wanted(), reason=form.cleaned_data["reason"])
            except OpsError as error:
                form.refuse(error)
        title = f"Change the {self.noun} {known}" if known else f"A new {self.noun}"
        return show(
            request, self._template("form"), title=title, crumbs=[self.crumb], form=form, known=known, noun=self.noun,
            preview=reverse(f"{self.noun}-preview"),
        )  # fmt: skip

    def preview(self, request: HttpRequest) -> HttpResponse:
        """What the form says so far."""
        several = [key for key in ("environments", "kinds", "days") if key in request.POST]
        given = {**request.POST.dict(), **{key: request.POST.getlist(key) for key in several}, "reason": "-"}
        form = self.form(given, said(request, "known"))
        if not form.is_valid():
            lacks = [(form[name].label, found[0]) for name, found in form.errors.items() if given.get(name)]
            return fragment(request, self._template("_preview"), incomplete=True, lacks=lacks)
        try:
            plan = get_change(self.action).plan(form.wanted(), account_of(request))
        except OpsError as error:
            return fragment(request, self._template("_preview"), error=error)
        return fragment(request, self._template("_preview"), plan=plan, **self.meaning(request, plan))

    def _template(self, name: str) -> str:
        return f"console/{self.crumb[0].lower()}/{name}.html"
