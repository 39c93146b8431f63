"""The rules of a database: listed with what was last found, set on a form that tries them, taken to files and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse

from integrity.checks.base import RULE
from integrity.models import Finding, Rule
from integrity.pages.reports import integrity_crumbs
from integrity.pages.rule_forms import RuleForm, initial_of, words_of
from integrity.reporting.standing import reports_of
from integrity.rules import in_force
from integrity.rules.base import RuleKind, Spec, rule_kind, rule_kinds
from integrity.rules.exchanging import EXAMPLE, FORMATS, read, write
from integrity.rules.requested import as_json, kind_called, rule_from
from integrity.rules.switching import OFF, ON
from integrity.rules.trying import SECONDS, try_rule
from opsconsole.exceptions import OpsError, Usage
from opsconsole.models import Database, Operation
from opsconsole.pages.asking import ask, said
from opsconsole.pages.base import fragment, page, rights_of, show
from opsconsole.pages.tabs import header
from opsconsole.review import Dialect

LOOKED_BACK = 10  # reports
EARLIER = 30  # rules that were replaced or removed, the last ones
ROUTE = "databases/<slug:name>/rules/"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One rule, and what was last found: a finding, or that it held in some report; `off` is what switched it off."""

    rule: Spec
    words: str
    offered: bool
    off: Operation | None = None
    finding: Finding | None = None
    held_in: int | None = None


@page(ROUTE, name="rules", permission="see", scope="database")
def rules_page(request: HttpRequest, database: Database) -> HttpResponse:
    """Every rule that checks of the database ask."""
    kinds = [kind for kind in rule_kinds() if kind.offered]
    return show(
        request,
        "integrity/rules.html",
        **_frame(request, database, f"Rules of {database.name}", "Rules"),
        listed=_listed(database),
        kinds=kinds,
        offered={kind.name for kind in kinds},
        formats=tuple(FORMATS),
        example=EXAMPLE,
        earlier=_earlier(database),
        off=Rule.objects.filter(database=database, replaced_by=None, off=True).count(),
    )


@page(f"{ROUTE}new/<slug:kind>/", name="rule-form", permission="request", scope="database", methods=("GET", "POST"))
def rule_form(request: HttpRequest, database: Database, kind: str) -> HttpResponse:
    """Ask for a rule; `?rule=` begins with one that is there, `?earlier=` with one that is no longer asked, `?finding=`
    with the one that a finding proposes.
    """
    found = _kind(kind)
    form = RuleForm(found, request.POST or None, initial=_begin(request, database))
    if request.method == "POST" and form.is_valid():
        try:
            given = {"database": database.pk, "rules": [form.rule()]}
            return ask(request, in_force.ACTION, given, reason=form.cleaned_data["reason"])
        except OpsError as error:
            form.refuse(error)
    context = _frame(request, database, f"{found.label}: a rule of {database.name}", found.label)
    context["crumbs"] = [*context["crumbs"], ("Rules", f"/databases/{database.name}/rules/")]
    return show(request, "integrity/rule_form.html", **context, form=form, kind=found, seconds=int(SECONDS))


@page(f"{ROUTE}try/<slug:kind>/", name="rule-try", permission="request", scope="database", methods=("POST",))
def rule_try(request: HttpRequest, database: Database, kind: str) -> HttpResponse:
    """What the rule of the form says of the database now."""
    found = _kind(kind)
    form = RuleForm(found, request.POST, initial={"category": said(request, "category")})
    form.fields["reason"].required = form.fields["name"].required = False
    if not form.is_valid():
        missing = [form[name].label for name in form.errors if name in form.fields]
        return fragment(request, "integrity/_tried.html", missing=missing)
    form.cleaned_data["name"] = form.cleaned_data["name"] or "tried"
    try:
        tried = try_rule(database, rule_from(form.rule(), Dialect(database.engine)))
    except OpsError as error:
        return fragment(request, "integrity/_tried.html", error=error)
    may_see = rights_of(request).can("see_data", database)
    return fragment(request, "integrity/_tried.html", tried=tried, may_see_rows=may_see, database=database)


@page(f"{ROUTE}remove/", name="rule-remove", permission="request", scope="database", methods=("POST",))
def rule_remove(request: HttpRequest, database: Database) -> HttpResponse:
    """Ask for a rule not to be asked any more."""
    given = {"database": database.pk, "remove": [said(request, "rule")]}
    return ask(request, in_force.ACTION, given, reason=said(request, "reason"))


@page(f"{ROUTE}switch/<slug:to>/", name="rule-switch", permission="request", scope="database", methods=("POST",))
def rule_switch(request: HttpRequest, database: Database, to: str) -> HttpResponse:
    """Ask for a rule to be switched off, or on again; `to` says which."""
    if to not in (OFF, ON):
        raise Http404("A rule is switched on or off.")
    given = {"database": database.pk, to: [said(request, "rule")]}
    return ask(request, in_force.ACTION, given, reason=said(request, "reason"))


@page(
    f"{ROUTE}import/", name="rules-import", permission="request", scope="database", methods=("POST",),
    act="bringing rules", file=True,
)  # fmt: skip
def rules_import(request: HttpRequest, database: Database) -> HttpResponse:
    """Ask for every rule of a file, or for none."""
    given = request.FILES.get("file")
    if given is None:
        raise Usage("missing_value", "There is no file.", "Choose a file of rules, JSON or CSV.")
    rules = read(given, Dialect(database.engine))
    return ask(request, in_force.ACTION, {"database": database.pk, "rules": rules}, reason=said(request, "reason"))


@page(f"{ROUTE}export/<slug:format>/", name="rules-export", permission="see", scope="database")
def rules_export(request: HttpRequest, database: Database, format: str) -> HttpResponse:
    """The rules as a file that `import` reads."""
    text = write(in_force.rules_of(database), format)
    response = HttpResponse(text, content_type=FORMATS[format])
    response.headers["Content-Disposition"] = f'attachment; filename="{database.name}-rules.{format}"'
    return response


def _kind(name: str) -> RuleKind:
    try:
        return kind_called(name)
    except Usage as error:
        raise Http404(error.why) from None


def _begin(request: HttpRequest, database: Database) -> dict[str, Any]:
    if name := request.GET.get("rule", ""):
        rules = {rule.name: rule for rule in in_force.rules_of(database)}
        return initial_of(as_json(rules[name])) if name in rules else {}
    if number := _number(request, "earlier"):
        row = Rule.objects.filter(pk=number, database=database).first()
        return initial_of(as_json(in_force.spec_of(row))) if row else {}
    if number := _number(request, "finding"):
        found = Finding.objects.filter(pk=number, report__database=database).first()
        return initial_of(found.rule) if found and found.rule else {}
    return {}


def _number(request: HttpRequest, name: str) -> int:
    given = request.GET.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 19 else 0


def _frame(request: HttpRequest, database: Database, title: str, crumb: str) -> dict[str, Any]:
    crumbs = integrity_crumbs(database)
    return {**header(request, database), "title": title, "crumb": crumb, "crumbs": crumbs}


def _listed(database: Database) -> list[Listed]:
    last, off = _last(database), _off(database)
    listed = []
    for rule in in_force.rules_of(database):
        kind = rule_kind(rule.kind)
        offered = kind is not None and kind.offered
        by, told = off.get(rule.name) if rule.off else None, last.get(rule.check, {})
        listed.append(Listed(rule=rule, words=words_of(rule, kind), offered=offered, off=by, **told))
    return listed


def _off(database: Database) -> dict[str, Operation]:
    """The changes that say of rules that they are off."""
    rows = Rule.objects.filter(database=database, replaced_by=None, off=True).select_related("operation")
    return {row.name: row.operation for row in rows}


def _earlier(database: Database) -> list[Rule]:
    """Rules that are no longer asked. What they said stands in the operations that set them."""
    return list(
        Rule.objects.filter(database=database).exclude(replaced_by=None).order_by("-replaced_by_id", "name")[:EARLIER]
    )


def _last(database: Database) -> Mapping[str, dict[str, Any]]:
    """By check, what the newest report says that looked at it."""
    found: dict[str, dict[str, Any]] = {}
    reports = list(reports_of(database)[:LOOKED_BACK])
    findings: dict[int, list[Finding]] = {}
    for row in Finding.objects.filter(report__in=reports, check_name__startswith=RULE):
        findings.setdefault(row.report_id, []).append(row)
    for report in reports:
        for row in findings.get(report.pk, ()):
            found.setdefault(row.check_name, {"finding": row})
        for held in report.held:
            found.setdefault(held["check"], {"held_in": report.pk})
    return found
