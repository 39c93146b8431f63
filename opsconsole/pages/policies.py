"""Policies read as sentences, what each would have meant lately, and asking for another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse

from opsconsole import approvals, kinds
from opsconsole.clock import now
from opsconsole.models import Environment, Policy, Role
from opsconsole.models.databases import NAME
from opsconsole.pages.asking import Names, ReasonField, ask, said
from opsconsole.pages.base import page, rights_of, show
from opsconsole.pages.proposing import Proposal, ProposalForm
from opsconsole.plans import Plan

SHOWN = 30  # past operations on a policy's page
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A version of a policy in words."""

    row: Policy | None
    rule: approvals.Rule
    sentence: str
    state: str  # in force, begins later, replaced, switched off, built in


class PolicyForm(ProposalForm):
    """A policy as people think of it: where, for what, who, how long, when."""

    span = "window"
    name = forms.CharField(max_length=50, validators=[NAME], help_text="Short and lasting, like production-restores.")
    title = forms.CharField(max_length=120)
    environments = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, help_text="None ticked: everywhere."
    )
    kinds = forms.MultipleChoiceField(
        label="Kinds of operation",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: every kind that changes data.",
    )
    tags = Names(help_text="Only databases that carry one of these. Empty: any.")
    approvers = forms.IntegerField(min_value=0, max_value=20, initial=1, label="Seats for approvers")
    administrators = forms.IntegerField(min_value=0, max_value=20, initial=0, label="Seats for administrators")
    min_people = forms.IntegerField(
        min_value=1, max_value=20, initial=1, label="People in all", help_text="Never fewer than the seats together."
    )
    valid_minutes = forms.IntegerField(
        min_value=5, max_value=7 * 24 * 60, initial=240, label="An approval is good for (minutes)"
    )
    loss_growth_percent = forms.IntegerField(
        min_value=0, max_value=1000, initial=10, label="A loss may grow after approval by (percent)",
        help_text="Of a restore: beyond this it is stale, and must be asked for again.",
    )  # fmt: skip
    loss_growth_rows = forms.IntegerField(
        min_value=0, max_value=1_000_000, initial=100, label="or by (rows)", help_text="The larger of both is allowed."
    )
    rehearsal_hours = forms.IntegerField(
        min_value=0, max_value=2160, initial=0, required=False,
        label="A migration needs a rehearsal not older than (hours)",
        help_text="So does taking one back. 0 asks for none.",
    )  # fmt: skip
    rehearsal_data_hours = forms.IntegerField(
        min_value=0, max_value=2160, initial=0, required=False, label="on data not older than (hours)",
        help_text="Of the backup that it was made on; 0 asks for no age.",
    )  # fmt: skip
    days = forms.MultipleChoiceField(
        required=False,
        choices=list(enumerate(DAYS)),
        widget=forms.CheckboxSelectMultiple,
        label="Only on these days (UTC)",
        help_text="None ticked: every day.",
    )
    begins = forms.TimeField(required=False, label="Not before (UTC)", widget=forms.TimeInput(attrs={"type": "time"}))
    ends = forms.TimeField(required=False, label="Not after (UTC)", widget=forms.TimeInput(attrs={"type": "time"}))
    reason = ReasonField()

    def __init__(self, *args: Any, default: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer("kinds", [(k.name, k.label) for k in kinds.every()] + [(approvals.CHANGE, "Change of the console")])
        for field in ("environments", "kinds", "tags") if default else ():
            del self.fields[field]

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if not (given.get("approvers") or given.get("administrators")):
            self.add_error("approvers", "Somebody must be asked: at least one seat.")
        return given

    def wanted(self) -> dict[str, Any]:
        data, days = self.cleaned_data, [int(day) for day in self.cleaned_data["days"]]
        match = {key: data[key] for key in ("environments", "kinds", "tags") if data.get(key)}
        roles = ((Role.APPROVER, data["approvers"]), (Role.ADMINISTRATOR, data["administrators"]))
        return {
            "name": data["name"],
            "title": data["title"],
            "match": match,
            "clauses": [{"role": role.value, "count": seats} for role, seats in roles if seats],
            "min_people": data["min_people"],
            "valid_minutes": data["valid_minutes"],
            "loss_growth_percent": data["loss_growth_percent"],
            "loss_growth_rows": data["loss_growth_rows"],
            "rehearsal_hours": data["rehearsal_hours"] or 0,
            "rehearsal_data_hours": data["rehearsal_data_hours"] or 0,
            "windows": [self.window(days)] if data["begins"] or days else [],
        }


@page("policies/", name="policies", permission="see")
def policy_list(request: HttpRequest) -> HttpResponse:
    """What is asked for, where, by sentences; then what begins later and what was switched off."""
    newest: dict[str, Policy] = {}
    for row in Policy.objects.order_by("name", "version"):
        newest[row.name] = row
    in_force = approvals.in_force(now())
    rules = [in_force.default, *in_force.others]
    waiting = [told_of(row) for row in newest.values() if row.effective_at > now()]
    off = [told_of(row) for row in newest.values() if not row.enabled and row.effective_at <= now()]
    return show(
        request,
        "console/policies/list.html",
        title="Policies",
        crumbs=[],
        rules=[(rule, approvals.sentence(rule)) for rule in rules],
        waiting=waiting,
        off=off,
        digest=in_force.digest,
        environments=Environment.objects.all(),
        may_change=rights_of(request).can("administer"),
        may_audit=rights_of(request).can("audit"),
    )


@page("policies/<slug:policy>/", name="policy", permission="see")
def policy_page(request: HttpRequest, policy: str) -> HttpResponse:
    """One policy: its sentence, what it would have asked for in 90 days, and every version it ever had."""
    versions = [told_of(row) for row in Policy.objects.filter(name=policy).order_by("-version")]
    rule = _rule_called(policy, versions)
    met = approvals.would_have_gated(rule, at=now()) if policy != approvals.DEFAULT else _met_by_default(rule)
    return show(
        request,
        "console/policies/policy.html",
        title=rule.title or rule.name,
        crumb=rule.name,
        crumbs=[("Policies", "/policies/")],
        rule=rule,
        sentence=approvals.sentence(rule),
        versions=versions,
        met=met[:SHOWN],
        met_count=len(met),
        ungated=sum(1 for each in met if not each.was_gated),
        is_default=policy == approvals.DEFAULT,
        is_on=any(told.state in ("in force", "begins later") for told in versions[:1]),
        may_change=rights_of(request).can("administer"),
    )


@page("policy-form/", name="policy-form", permission="administer", methods=("GET", "POST"))
def policy_form(request: HttpRequest) -> HttpResponse:
    """Ask for a new policy, or with `?policy=` for a new version of one."""
    return PROPOSAL.page(request)


@page("policy-form/preview/", name="policy-preview", permission="administer", methods=("POST",), background=True)
def policy_preview(request: HttpRequest) -> HttpResponse:
    """What the form says so far: the sentence, what it weakens, and what it would have asked for in 90 days."""
    return PROPOSAL.preview(request)


@page("policies/<slug:policy>/off/", name="policy-off", permission="administer", methods=("POST",))
def policy_off(request: HttpRequest, policy: str) -> HttpResponse:
    """Ask for a policy to be switched off."""
    return ask(request, "policy.disable", {"name": policy}, reason=said(request, "reason"))


def told_of(row: Policy) -> Told:
    """A version with its sentence and where it stands."""
    newer = Policy.objects.filter(name=row.name, version__gt=row.version, effective_at__lte=now()).exists()
    if newer:
        state = "replaced"
    elif not row.enabled:
        state = "switched off"
    else:
        state = "in force" if row.effective_at <= now() else "begins later"
    rule = approvals.Rule.of(row)
    return Told(row=row, rule=rule, sentence=approvals.sentence(rule), state=state)


def _rule_called(name: str, versions: list[Told]) -> approvals.Rule:
    counting = next((told.rule for told in versions if told.state == "in force"), None)
    if counting is not None:
        return counting
    if name == approvals.DEFAULT:
        return approvals.in_force(now()).default
    if versions:
        return versions[0].rule
    raise Http404("There is no policy of that name.")


def _met_by_default(rule: approvals.Rule) -> list[approvals.Met]:
    """The default policy matches everything; it counts only where a protected place has no other policy."""
    met = approvals.would_have_gated(rule, at=now())
    return [each for each in met if any(target.protected for target in each.operation.plan.targets)]


def _meaning(request: HttpRequest, plan: Plan) -> dict[str, Any]:
    rule = approvals.Rule.of(Policy(**{k: v for k, v in plan.parameters.items() if k != "action"}))
    met = approvals.would_have_gated(rule, at=now())
    return {
        "sentence": approvals.sentence(rule),
        "met_count": len(met),
        "ungated": [m for m in met if not m.was_gated][:8],
    }


def _form(given: Mapping[str, Any] | None, known: str) -> PolicyForm:
    initial = _initial(known) if known and given is None else None
    return PolicyForm(given, initial=initial, known=bool(known), default=known == approvals.DEFAULT)


def _initial(name: str) -> Mapping[str, Any]:
    rule = _rule_called(name, [told_of(row) for row in Policy.objects.filter(name=name).order_by("-version")])
    seats = {clause["role"]: int(clause.get("count", 1)) for clause in rule.clauses}
    window = rule.windows[0] if rule.windows else None
    return {
        "name": rule.name,
        "title": rule.title,
        **{key: rule.match.get(key, []) for key in ("environments", "kinds", "tags")},
        "approvers": seats.get(Role.APPROVER, 0),
        "administrators": seats.get(Role.ADMINISTRATOR, 0),
        "min_people": rule.min_people,
        "valid_minutes": rule.valid_minutes,
        "loss_growth_percent": rule.growth.percent,
        "loss_growth_rows": rule.growth.rows,
        "rehearsal_hours": rule.demand.rehearsal_hours,
        "rehearsal_data_hours": rule.demand.rehearsal_data_hours,
        "days": [str(day) for day in window.days] if window and len(window.days) < 7 else [],
        "begins": window.begins if window else None,
        "ends": window.ends if window else None,
    }


PROPOSAL = Proposal(noun="policy", crumb=("Policies", "/policies/"), action="policy.set", form=_form, meaning=_meaning)
