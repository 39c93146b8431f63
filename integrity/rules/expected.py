"""What people expect to be there, as the kind `shape` keeps it: tables with their columns, and indexes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrity.checks.base import Severity
from opsconsole.exceptions import Usage

_OF_TABLES, _OF_COLUMNS = ("name", "severity", "columns"), ("name", "type", "severity")
_OF_INDEXES = ("name", "table", "columns", "unique", "severity")


def tables_of(given: Any) -> list[dict[str, Any]]:
    """Each as {name, severity, columns: [{name, type, severity}]}; names alone will do. Raises Usage."""
    return [
        {
            "name": _text(found, "name"),
            "severity": _severity(found),
            "columns": [_column(column, found) for column in _list(found.get("columns"), "columns")],
        }
        for found in (_named(each, "tables", _OF_TABLES) for each in _list(given, "tables"))
    ]


def indexes_of(given: Any) -> list[dict[str, Any]]:
    """Each as {name, table, columns, unique, severity}: a name, or a table and columns. Raises Usage."""
    return [_index(each) for each in _list(given, "indexes")]


def _column(given: Any, table: Mapping[str, Any]) -> dict[str, str]:
    found = _named(given, f"the columns of {table['name']}", _OF_COLUMNS)
    return {"name": _text(found, "name"), "type": _text(found, "type"), "severity": _severity(found)}


def _index(given: Any) -> dict[str, Any]:
    found = _object(given, "indexes", _OF_INDEXES)
    columns = _list(found.get("columns"), "columns")
    if not all(isinstance(column, str) and column for column in columns):
        raise Usage("bad_value", f"indexes holds {given!r}, whose columns are no names.", "Write a list of names.")
    if not _text(found, "name") and not (_text(found, "table") and columns):
        raise Usage("bad_value", f"indexes holds {given!r}.", "An index has a name, or a table and columns.")
    return {
        "name": _text(found, "name"),
        "table": _text(found, "table"),
        "columns": columns,
        "unique": bool(found.get("unique", False)),
        "severity": _severity(found),
    }


def _named(given: Any, where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    found = _object(given, where, known)
    if not _text(found, "name"):
        raise Usage("bad_value", f"{where} holds {given!r}, which has no name.", f"Use: {', '.join(known)}.")
    return found


def _object(given: Any, where: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    found = {"name": given} if isinstance(given, str) else given
    if not isinstance(found, dict) or set(found) - set(known):
        raise Usage("bad_value", f"{where} holds {given!r}.", f"Write a name, or an object with: {', '.join(known)}.")
    return found


def _list(given: Any, member: str) -> list[Any]:
    found = given or []
    if not isinstance(found, list):
        raise Usage("bad_value", f"{member} is no list.", "Write a JSON list.")
    return found


def _text(found: Mapping[str, Any], member: str) -> str:
    value = found.get(member) or ""
    if not isinstance(value, str):
        raise Usage("bad_value", f"{member} is {value!r}, which is no text.", "Write it in quotes.")
    return value.strip()


def _severity(found: Mapping[str, Any]) -> str:
    given = _text(found, "severity")
    if given and given not in list(Severity):
        raise Usage(
            "bad_value", f"{given!r} is no severity.", f"Use one of {', '.join(Severity)}, or none: the rule's."
        )
    return given
