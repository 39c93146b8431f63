"""How long backups are kept: rules as sentences, what goes next, and a simulator in which nothing is saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import Count, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse

from lifecycle.models import Backup, RetentionRule, RetentionStop
from lifecycle.retention import passing, rules, simulating
from lifecycle.retention.changes import going
from lifecycle.retention.changes import rules as rule_changes
from lifecycle.retention.deciding import Fate
from lifecycle.retention.facts import outlook
from lifecycle.retention.rule import COUNTS, MOST, USUAL, Rule, sentence
from opsconsole import stores
from opsconsole.clock import now
from opsconsole.exceptions import OpsError
from opsconsole.models import Account, Database, Environment
from opsconsole.pages.asking import PLAIN, ask, said
from opsconsole.pages.base import account_of, fragment, page, rights_of, show
from opsconsole.permissions import visible_databases

LABELS = ("The last", "Hours", "Days", "Weeks", "Months", "Years")
SHOWN = 300  # backups of one database in a table


class RuleForm(forms.Form):
    """A rule, and where it is to count."""

    scope = forms.ChoiceField(label="For")
    time_zone = forms.CharField(max_length=63, label="Time zone", widget=forms.TextInput(attrs=PLAIN))
    keeps_all = forms.BooleanField(required=False, label="Keep every backup")
    move_days = forms.IntegerField(min_value=0, max_value=100 * 366, required=False, label="Move after days")
    move_to = forms.ChoiceField(required=False, label="Move to")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scope"].choices = _scopes(account)  # type: ignore[attr-defined]
        names = [(name, f"the store {name}") for name in stores.writable_names()]
        self.fields["move_to"].choices = [("", "nowhere"), *names]  # type: ignore[attr-defined]
        for name, label in zip(COUNTS, LABELS, strict=True):
            self.fields[name] = forms.IntegerField(min_value=0, max_value=MOST, label=label)
        self.order_fields(("scope", *COUNTS, "time_zone", "keeps_all", "move_days", "move_to"))

    def rule(self) -> Rule:
        """The rule that is asked about. Raises Usage when it makes no sense."""
        return rule_changes.rule_from({**self.cleaned_data, "move_days": self.cleaned_data["move_days"] or 0}, USUAL)


@page("retention/", name="retention", permission="see")
def retention(request: HttpRequest) -> HttpResponse:
    """The rules, when the next pass is, what waits for somebody; of one database what becomes of each backup."""
    seen, in_force, state = _seen(request), rules.in_force(), passing.standing()
    chosen = next((row for row in seen if row.name == request.GET.get("database")), None)
    hidden = {scope for scope in in_force if _is_hidden(scope, seen)}
    return show(
        request,
        "lifecycle/retention.html",
        title="Retention",
        crumbs=[],
        scoped=[
            (each, rules.where(each.scope), sentence(each.rule))
            for each in in_force.values()
            if each.scope not in hidden
        ],
        waiting=[
            (row, rules.where(row.scope), sentence(rules.rule_of(row)))
            for row in _waiting()
            if not _is_hidden(row.scope, seen)
        ],
        state=state,
        next_pass=state.last_at + passing.EVERY if state.last_at else None,
        stops=[(row, rights_of(request).can("request", row.database)) for row in _stops(seen)],
        databases=_totals(seen, in_force),
        chosen=chosen,
        may_change=rights_of(request).can("administer"),
        **(_outlook(request, chosen) if chosen else {}),
    )


@page("retention/simulator/", name="retention-simulator", permission="see")
def simulator(request: HttpRequest) -> HttpResponse:
    """Change the numbers and see which backups would go; asking for it as a change is a step of its own."""
    form = _form(request)
    return show(
        request,
        "lifecycle/simulator.html",
        title="Simulate a rule",
        crumbs=[("Retention", "/retention/")],
        form=form,
        may_change=rights_of(request).can("administer"),
        **_simulated(request, form),
    )


@page("retention/simulated/", name="retention-simulated", permission="see", background=True)
def simulated(request: HttpRequest) -> HttpResponse:
    """What the form says so far would do."""
    may = rights_of(request).can("administer")
    return fragment(request, "lifecycle/_simulated.html", may_change=may, **_simulated(request, _form(request)))


@page("retention/ask/", name="retention-ask", permission="administer", methods=("POST",))
def ask_for_rule(request: HttpRequest) -> HttpResponse:
    """Ask for the rule that was tried out."""
    given = {name: said(request, name) for name in ("scope", *COUNTS, "time_zone", "move_to")}
    given["move_days"] = said(request, "move_days") or "0"
    keeps_all = "yes" if said(request, "keeps_all") in ("on", "yes", "True") else "no"
    return ask(request, rule_changes.SET, {**given, "keeps_all": keeps_all}, reason=said(request, "reason"))


@page("retention/remove/", name="retention-remove", permission="administer", methods=("POST",))
def remove_rule(request: HttpRequest) -> HttpResponse:
    """Ask for the rule of an environment or a database to be taken away."""
    return ask(request, rule_changes.REMOVE, {"scope": said(request, "scope")}, reason=said(request, "reason"))


@page("retention/resume/", name="retention-resume", permission="administer", methods=("POST",))
def resume(request: HttpRequest) -> HttpResponse:
    """Ask to go on after a pause."""
    return ask(request, going.RESUME, {}, reason=said(request, "reason"))


@page("databases/<slug:name>/let-go/", name="retention-let-go", permission="request", scope="database",
      methods=("POST",))  # fmt: skip
def let_go(request: HttpRequest, database: Database) -> HttpResponse:
    """Ask for more than half of a database's backups to go."""
    return ask(request, going.LET_GO, {"database": database.pk}, reason=said(request, "reason"))


def _seen(request: HttpRequest) -> list[Database]:
    rows = visible_databases(account_of(request)).filter(removed_at=None)
    return list(rows.select_related("environment", "owner_group").order_by("name"))


def _is_hidden(scope: str, seen: list[Database]) -> bool:
    """Whether a scope is that of a database which the account may not see."""
    return scope.startswith(rules.DATABASE) and scope.removeprefix(rules.DATABASE) not in {row.name for row in seen}


def _scopes(account: Account) -> list[tuple[str, str]]:
    names = visible_databases(account).filter(removed_at=None).order_by("name").values_list("name", flat=True)
    return [
        (rules.DEFAULT, "everything without a rule of its own"),
        *((f"{rules.ENVIRONMENT}{row.name}", f"databases in {row.label}") for row in Environment.objects.all()),
        *((f"{rules.DATABASE}{name}", f"the database {name}") for name in names),
    ]


def _waiting() -> list[RetentionRule]:
    newest = {row.scope: row for row in RetentionRule.objects.order_by("version")}
    return [row for row in newest.values() if row.effective_at > now()]


def _stops(seen: list[Database]) -> QuerySet[RetentionStop]:
    return RetentionStop.objects.filter(database__in=seen).select_related("database__owner_group")


def _totals(seen: list[Database], in_force: dict[str, rules.Scoped]) -> list[dict[str, Any]]:
    """Of each database, how many backups there are and how much they take; counted by the database itself."""
    rows = Backup.objects.filter(database__in=seen).exclude(state=Backup.State.EXPIRED).order_by()
    there, trashed = Q(trashed_at=None), Q(trashed_at__isnull=False)
    counted = rows.values("database").annotate(
        count=Count("pk", filter=there), bytes=Sum("stored_bytes", filter=there),
        trash=Count("pk", filter=trashed), trash_bytes=Sum("stored_bytes", filter=trashed),
    )  # fmt: skip
    by_database = {row["database"]: row for row in counted}
    return [
        {**by_database.get(row.pk, {}), "database": row, "scope": rules.scoped_for(row, in_force).scope} for row in seen
    ]


def _outlook(request: HttpRequest, database: Database) -> Mapping[str, Any]:
    found, at = outlook(database), now()
    lines = [
        (candidate, decision) for candidate, decision in zip(found.candidates, found.decisions, strict=True)
    ]  # fmt: skip
    soon = [decision for decision in found.decisions if decision.fate == Fate.GOING]
    return {
        "lines": lines[:SHOWN],
        "more": max(0, len(lines) - SHOWN),
        "chosen_rule": sentence(found.rule),
        "going": len(soon),
        "going_bytes": sum(decision.size for decision in soon),
        "coming": simulating.coming(found, at),
        "rhythm": simulating.rhythm_of(found, at),
        "trash": [candidate for candidate in found.candidates if candidate.trashed_until],
    }


def _form(request: HttpRequest) -> RuleForm:
    """What was given, over the rule in force there."""
    account, given = account_of(request), request.GET
    scope = given.get("scope") or rules.DEFAULT
    known = rules.in_force()
    found = known.get(scope) or _wider(scope, account, known)
    usual = {**found.rule.counts, "time_zone": found.rule.time_zone, "keeps_all": found.rule.keeps_all,
             "move_days": found.rule.move_days, "move_to": found.rule.move_to}  # fmt: skip
    if "last" not in given:
        return RuleForm({"scope": scope, **usual}, account=account)
    return RuleForm(given, account=account)


def _wider(scope: str, account: Account, known: dict[str, rules.Scoped]) -> rules.Scoped:
    name = scope.removeprefix(rules.DATABASE)
    row = visible_databases(account).filter(name=name).first() if scope != name else None
    return rules.scoped_for(row, known) if row else known[rules.DEFAULT]


def _simulated(request: HttpRequest, form: RuleForm) -> Mapping[str, Any]:
    if not form.is_valid():
        return {"incomplete": True}
    try:
        rule = form.rule()
    except OpsError as error:
        return {"error": error}
    scope, seen = form.cleaned_data["scope"], {row.pk for row in _seen(request)}
    meant = [row for row in _meant(scope) if row.pk in seen]
    chosen = next((row for row in meant if row.name == request.GET.get("look_at")), meant[0] if meant else None)
    found = [simulating.simulate(row, rule) for row in meant]
    shown = next((each for each in found if chosen and each.database.pk == chosen.pk), None)
    return {
        "rule": rule,
        "sentence": sentence(rule),
        "where": rules.where(scope),
        "scope": scope,
        "simulations": found,
        "going": sum(len(each.going) for each in found),
        "freed": sum(each.freed for each in found),
        "shown": shown,
        "shown_lines": shown.lines[:SHOWN] if shown else (),
        "counts": rule.counts,
    }


def _meant(scope: str) -> list[Database]:
    """The databases that a rule of the scope would be the rule of; of a database's own scope, that database."""
    if scope.startswith(rules.DATABASE):
        rows = Database.objects.filter(removed_at=None).select_related("environment", "owner_group")
        return list(rows.filter(name=scope.removeprefix(rules.DATABASE)))
    return rules.databases_in(scope)
