"""The form of a rule of one kind: the members of the kind, and what every rule has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms

from integrity.checks.base import BUSINESS, CAPACITY, CONSISTENCY, ORPHANS, PERFORMANCE, SCHEMA, STORAGE, Severity
from integrity.rules.base import RuleKind, Spec
from integrity.rules.members import LARGEST, Member
from integrity.rules.requested import ACTIONS, LONGEST, NO_FIX
from opsconsole.pages.asking import PLAIN, AskingForm, ReasonField

MEMBER = "m-"  # before the names of members, which may be those of fields
CATEGORIES = (ORPHANS, BUSINESS, CONSISTENCY, PERFORMANCE, SCHEMA, STORAGE, CAPACITY)
FIX_WORDS = {
    "": "what the kind of rule proposes", NO_FIX: "nothing", "delete_rows": "delete the rows",
    "set_null": "set a column to NULL", "set_value": "set a column to a value",
    "sql_update": "set a column, as this rule says",
}  # fmt: skip
_CODE = {**PLAIN, "rows": 3}


class RuleForm(AskingForm):
    """`rule` gives it back as `requested.rule_from` takes it."""

    def __init__(self, kind: RuleKind, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        self.fields["name"] = forms.SlugField(
            max_length=LONGEST["name"], label="Name", widget=forms.TextInput(attrs=PLAIN),
            error_messages={"invalid": "That is no name for a rule: use small letters, digits, - and _."},
            help_text="Small letters, digits, - and _; the name of a rule that is there replaces it.",
        )  # fmt: skip
        for member in kind.members:
            self.fields[MEMBER + member.name] = _field(member)
        self._common(kind)
        self.fields["reason"] = ReasonField()

    def _common(self, kind: RuleKind) -> None:
        named = [(each.value, "to know (info)" if each == Severity.INFO else each.value) for each in Severity]
        shown = [(each, each) for each in dict.fromkeys((kind.category, *CATEGORIES, self._kept("category"))) if each]
        self.fields["severity"] = forms.ChoiceField(choices=named, initial=Severity.WARNING.value, label="Severity")
        self.fields["category"] = forms.ChoiceField(choices=shown, initial=kind.category, label="Category")
        self.fields["threshold"] = forms.IntegerField(
            min_value=0, max_value=LARGEST, required=False, label="Threshold", help_text="Rows that may break it."
        )
        self.fields["owner"] = _short("owner", "Owner", "Who looks after it.")
        self.fields["hint"] = forms.CharField(
            max_length=LONGEST["hint"], required=False, label="Hint", widget=forms.Textarea(attrs={"rows": 2}),
            help_text="What to do about it; stands with each finding.",
        )  # fmt: skip
        self.fields["health"] = _short("health", "Health name", "The health answer counts it so: nullEmailUsers.")
        if kind.fixable:
            words = [(action, FIX_WORDS[action]) for action in ("", *ACTIONS)]
            self.fields["fix"] = forms.ChoiceField(choices=words, required=False, label="What sets it right")
            self.fields["fix_column"] = forms.CharField(
                required=False, label="Column that is set", widget=forms.TextInput(attrs=PLAIN)
            )
            self.fields["fix_value"] = forms.CharField(
                required=False, label="Value that it gets", widget=forms.Textarea(attrs=_CODE | {"rows": 1}),
                help_text="SQL over t.",
            )  # fmt: skip
        self.fields["off"] = forms.BooleanField(
            required=False, label="Switched off", help_text="It is kept, and no check asks it until it is on again."
        )

    def _kept(self, name: str) -> str:
        return str((self.initial or {}).get(name) or "")

    def rule(self) -> dict[str, Any]:
        """What was given. The form is valid."""
        given = self.cleaned_data
        members = {each.name: given[MEMBER + each.name] for each in self.kind.members}
        fix = {"action": given.get("fix"), "column": given.get("fix_column"), "value": given.get("fix_value")}
        return {
            "name": given["name"], "kind": self.kind.name, "spec": members, "threshold": given["threshold"] or 0,
            "fix": fix if fix["action"] else None, "pack": self._kept("pack"), "off": given["off"],
            **{name: given[name] for name in ("severity", "category", "owner", "hint", "health")},
        }  # fmt: skip


def initial_of(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule, as it is written in files, as the values of its form."""
    spec, fix = rule["spec"], rule.get("fix") or {}
    members = {MEMBER + name: _written(each) for name, each in spec.items()}
    configured = {"fix": fix.get("action"), "fix_column": fix.get("column"), "fix_value": fix.get("value")}
    rest = {name: rule[name] for name in rule if name not in ("spec", "fix", "kind")}
    return {**rest, **members, **configured}


def _written(value: Any) -> Any:
    """A member as its field shows it: names with commas, whatever else has parts as JSON."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return json.dumps(value, indent=1) if isinstance(value, list | dict) else value


def words_of(rule: Spec, kind: RuleKind | None) -> str:
    """What must hold, as a sentence."""
    words = kind.sentence(rule.spec) if kind else f"a rule of the unknown kind {rule.kind}"
    return f"{words[:1].upper()}{words[1:]}."


def _field(member: Member) -> forms.Field:
    how: dict[str, Any] = {"label": member.label, "help_text": member.help, "required": member.required}
    if member.kind == "flag":
        return forms.BooleanField(**{**how, "required": False})
    if member.kind == "choice":
        return forms.ChoiceField(choices=member.choices, initial=member.default, **{**how, "required": False})
    if member.kind in ("sql", "query", "json"):
        rows = 2 if member.kind == "sql" else 6
        return forms.CharField(widget=forms.Textarea(attrs=_CODE | {"rows": rows}), initial=member.default or "", **how)
    return forms.CharField(widget=forms.TextInput(attrs=PLAIN), initial=member.default, **how)


def _short(name: str, label: str, help: str) -> forms.Field:
    return forms.CharField(
        max_length=LONGEST[name], required=False, label=label, help_text=help, widget=forms.TextInput(attrs=PLAIN)
    )
