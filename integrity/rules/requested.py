"""A rule as somebody asks for it, from a form, a file, a pack or the command line: checked in every part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from integrity.checks.base import Severity
from integrity.rules.base import NO_FIX, RuleKind, Spec, rule_kind, rule_kinds
from integrity.rules.members import LARGEST
from opsconsole.changes.values import flag, number, slug, text
from opsconsole.exceptions import Usage
from opsconsole.review import Dialect
from opsconsole.review.asked import why_no_expression, why_no_select

FIELDS = (
    "name", "kind", "spec", "severity", "category", "threshold", "owner", "hint", "fix", "health", "pack", "off",
)  # fmt: skip
SET_NULL = "set_null"
ACTIONS = (NO_FIX, "delete_rows", SET_NULL, "set_value", "sql_update")  # of a configured fix
LONGEST = {"name": 80, "category": 60, "owner": 120, "hint": 2000, "health": 60, "pack": 60}
_HEALTH = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def rule_from(given: Mapping[str, Any], dialect: Dialect) -> Spec:
    """The rule, complete. Raises Usage, naming what is wrong in it."""
    if unknown := sorted(set(given) - set(FIELDS)):
        raise Usage("unknown_member", f"A rule has no {unknown[0]}.", f"It has: {', '.join(FIELDS)}.")
    name = slug(given, "name", of="a rule")
    try:
        return _rule(name, given, dialect)
    except Usage as error:
        raise Usage(error.code, f"Rule {name}: {error.why}", error.next_step) from error


def as_json(rule: Spec) -> dict[str, Any]:
    """What `rule_from` reads again: JSON without fractions. Only a rule that is off says anything of that, so that the
    words of the others, and what was confirmed of them, are what they were before rules could be switched off.
    """
    return {
        "name": rule.name, "kind": rule.kind, "spec": dict(rule.spec), "severity": rule.severity.value,
        "category": rule.category, "threshold": rule.threshold, "owner": rule.owner, "hint": rule.hint,
        "fix": dict(rule.fix) if rule.fix is not None else None, "health": rule.health, "pack": rule.pack,
        **({"off": True} if rule.off else {}),
    }  # fmt: skip


def kind_called(name: str) -> RuleKind:
    """The kind of rule of that name, of those that people may ask for. Raises Usage."""
    kind = rule_kind(name)
    if kind is None or not kind.offered:
        known = ", ".join(each.name for each in rule_kinds() if each.offered)
        raise Usage("unknown_kind", f"There is no kind of rule {name!r}.", f"There are: {known}.")
    return kind


def _rule(name: str, given: Mapping[str, Any], dialect: Dialect) -> Spec:
    kind = kind_called(str(given.get("kind") or ""))
    spec = given.get("spec") or {}
    if not isinstance(spec, Mapping):
        known = ", ".join(member.name for member in kind.members)
        raise Usage("bad_value", "Its spec is no object of members.", f"It has: {known}.")
    complete = kind.checked(spec)
    _refuse_unsafe(kind, complete, dialect)
    short = {field: _short(given, field) for field in ("owner", "hint", "health", "pack")}
    if short["health"] and not _HEALTH.fullmatch(short["health"]):
        raise Usage("bad_value", f"{short['health']!r} is no name of a health check.", "Use one like nullEmailUsers.")
    if short["health"] and not kind.counts_rows:
        raise Usage("bad_value", f"Health cannot count a rule of kind {kind.name}.", "Leave its name of health out.")
    return Spec(
        name=name,
        kind=kind.name,
        spec=complete,
        severity=_severity(given),
        category=_short(given, "category") or kind.category,
        threshold=number(given, "threshold", default=0, least=0, most=LARGEST),
        fix=_fix(kind, given.get("fix"), dialect),
        off=flag(given, "off"),
        **short,
    )


def _severity(given: Mapping[str, Any]) -> Severity:
    word = text(given, "severity", default=Severity.WARNING)
    if word not in list(Severity):
        raise Usage("bad_value", f"{word!r} is no severity.", f"Use one of: {', '.join(Severity)}.")
    return Severity(word)


def _short(given: Mapping[str, Any], field: str) -> str:
    value = given.get(field) or ""
    if not isinstance(value, str) or len(value) > LONGEST[field] or "\0" in value:
        raise Usage("bad_value", f"Its {field} is no text of at most {LONGEST[field]} characters.", "Shorten it.")
    return value.strip()


def _refuse_unsafe(kind: RuleKind, spec: Mapping[str, Any], dialect: Dialect) -> None:
    """Raise Usage for SQL that is not what it should be, or that may reach beyond the database."""
    for member in kind.members:
        if member.kind in ("sql", "query") and spec[member.name]:
            judge = why_no_select if member.kind == "query" else why_no_expression
            _refuse(member.name, judge(spec[member.name], dialect))


def _refuse(member: str, why: str) -> None:
    if why:
        raise Usage("bad_sql", f"The SQL of {member} {why}.", "Write what only reads tables of this database.")


def _fix(kind: RuleKind, given: Any, dialect: Dialect) -> dict[str, str] | None:
    if not given:
        return None
    if not isinstance(given, Mapping) or set(given) - {"action", "column", "value"}:
        raise Usage("bad_value", "Its fix has other members than action, column and value.", "Leave them out.")
    action, column, value = (str(given.get(name) or "").strip() for name in ("action", "column", "value"))
    if action not in ACTIONS:
        raise Usage("bad_value", f"{action!r} is no fix of a rule.", f"Use one of: {', '.join(ACTIONS)}.")
    if action != NO_FIX and not kind.fixable:
        raise Usage("bad_value", f"Rules of kind {kind.name} name no rows to fix.", "Leave the fix out.")
    if action in (NO_FIX, "delete_rows"):
        return {"action": action}
    own = action in kind.own_fixes and not column and not value
    if not own and (not column or (action != SET_NULL and not value)):
        raise Usage("missing_value", f"The fix {action} lacks a column or a value.", "Give both.")
    if value:
        _refuse("the fix's value", why_no_expression(value, dialect))
    found = {"action": action, "column": column, "value": "" if action == SET_NULL else value}
    return {name: each for name, each in found.items() if each}
