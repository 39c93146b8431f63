"""The members of a rule, from a form, a file or a pack: complete, in their types, and such as JSON holds exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from opsconsole.changes.values import flag, names, number, structure
from opsconsole.exceptions import Usage

LARGEST = 2**53 - 1
LONGEST = 8000  # characters of a text


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member of a kind's spec, as forms show it.

    `kind` is text, sql (one expression), query (one SELECT), number, decimal (kept as a text), list (of names), flag,
    choice (one of `choices`, each with its words) or json. What is sql or a query is reviewed before it is kept.
    """

    name: str
    label: str
    help: str = ""
    kind: str = "text"
    required: bool = True
    default: Any = ""
    choices: tuple[tuple[str, str], ...] = ()


def read_members(kind: str, members: Sequence[Member], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every member by name. Raises Usage, naming the one that is unknown, missing or of another type."""
    known = {member.name: member for member in members}
    if unknown := sorted(set(given) - set(known)):
        raise Usage("unknown_member", f"A rule of kind {kind} has no {unknown[0]}.", f"It has: {', '.join(known)}.")
    return {name: _read(kind, member, given.get(name)) for name, member in known.items()}


def _read(kind: str, member: Member, value: Any) -> Any:
    if value is None or (isinstance(value, str | list) and not value):
        value = member.default
    found = _READERS[member.kind](member, value)
    if member.required and found in ("", []):
        raise Usage("missing_value", f"A rule of kind {kind} needs {member.name}.", f"Give {member.label.lower()}.")
    return found


def _text(member: Member, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST or "\0" in value:
        raise _bad(member, value, f"Write a text of at most {LONGEST} characters.")
    return value.strip()


def _decimal(member: Member, value: Any) -> str:
    """A number from 0 on as it is written without an exponent: JSON's own are not exact."""
    try:
        found = Decimal(str(value or 0).strip())
    except InvalidOperation:
        found = Decimal(-1)
    if not found.is_finite() or found < 0 or found > LARGEST or found.as_tuple().exponent < -9:  # type: ignore[operator]
        raise _bad(member, value, "Use a number from 0 on, such as 0.01.")
    return f"{found:f}"


def _choice(member: Member, value: Any) -> str:
    known = [name for name, _ in member.choices]
    if value not in known:
        raise _bad(member, value, f"Use one of: {', '.join(known)}.")
    return str(value)


def _list(member: Member, value: Any) -> list[str]:
    if not isinstance(value, str | list) or not all(isinstance(each, str) for each in value):
        raise _bad(member, value, "Write names with commas between them.")
    return names({member.name: value}, member.name)


def _json(member: Member, value: Any) -> Any:
    try:
        return structure({member.name: value}, member.name, default=None)
    except Usage as error:
        raise Usage(error.code, error.why, f"Write {member.help}.") from error


def _bad(member: Member, value: Any, next_step: str) -> Usage:
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:60] + "…"
    return Usage("bad_value", f"{shown} is no value of {member.name}.", next_step)


_READERS: dict[str, Callable[[Member, Any], Any]] = {
    "text": _text,
    "sql": _text,
    "query": _text,
    "decimal": _decimal,
    "choice": _choice,
    "list": _list,
    "number": lambda member, value: number({member.name: value or 0}, member.name, default=0, least=0, most=LARGEST),
    "flag": lambda member, value: flag({member.name: value or False}, member.name),
    "json": _json,
}
