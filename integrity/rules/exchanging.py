"""Rules as files, to take them from one database to another: JSON, or CSV for people who keep them in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from integrity.rules.base import Spec
from integrity.rules.requested import FIELDS, as_json, rule_from
from opsconsole.exceptions import Usage
from opsconsole.review import Dialect

FORMATS = {"json": "application/json", "csv": "text/csv; charset=utf-8"}
LARGEST = 1 << 20  # bytes of a file, as many as a form may bring
MOST = 500  # rules in it
SHOWN = 100  # refusals
EXAMPLE = """[
  {"name": "nothing-owed", "kind": "row", "severity": "critical", "hint": "Look for a payment that was booked twice.",
   "spec": {"table": "wallets", "violates": "t.balance < 0"}},
  {"name": "wallets-of-users", "kind": "orphan", "fix": {"action": "delete_rows"},
   "spec": {"child": "wallets", "column": "user_id", "parent": "users", "key": "id"}}
]
"""
LIKE_THIS = "Write it like the example on the page of rules and in docs/integrity.md."
_STRUCTURED = ("spec", "fix")  # members that stand as JSON in their cell
_FORMULA = ("=", "+", "-", "@", "'")  # a spreadsheet takes such a text for something else than a text


def write(rules: Iterable[Spec], format: str) -> str:
    """The rules as a file's text. Raises Usage for an unknown format."""
    if format not in FORMATS:
        raise Usage("unknown_format", f"Rules are not written as {format}.", f"Use one of: {', '.join(FORMATS)}.")
    found = [as_json(rule) for rule in rules]
    if format == "json":
        return json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(FIELDS)
    writer.writerows([_cell(rule.get(field, ""), field) for field in FIELDS] for rule in found)
    return out.getvalue()


class Readable(Protocol):
    """An open file, or one that was uploaded."""

    def read(self, size: int, /) -> bytes: ...


def read(source: Readable, dialect: Dialect) -> list[dict[str, Any]]:
    """The rules of a file, each checked. Raises Usage, naming the line (CSV) or the place (JSON) of each fault."""
    data = source.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Usage("too_large", f"The file has more than {LARGEST >> 10} KiB.", "Bring the rules in parts.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Usage("bad_file", "The file is no text in UTF-8.", "Save it as CSV in UTF-8, or as JSON.") from None
    given = list(_of_json(text) if text.lstrip()[:1] in ("[", "{") else _of_csv(text))
    if not given:
        raise Usage("bad_file", "There is no rule in it.", LIKE_THIS)
    if len(given) > MOST:
        raise Usage("too_many", f"There are more than {MOST} rules in it.", "Bring them in parts.")
    return _checked(given, dialect)


_Given = tuple[str, Callable[[], Any]]  # where it stands, and how it is read


def _checked(given: list[_Given], dialect: Dialect) -> list[dict[str, Any]]:
    found, refused = [], []
    for where, rule in given:
        try:
            found.append(as_json(rule_from(rule(), dialect)))
        except Usage as error:
            refused.append(f"{where}: {error.why} {error.next_step}".rstrip())
    if refused:
        more = [f"And {len(refused) - SHOWN} more."] if len(refused) > SHOWN else []
        faults = (
            f"{len(refused)} of its {len(given)} rules cannot be taken:" if len(given) > 1 else "It cannot be taken:"
        )
        raise Usage(
            "bad_rules", "\n".join([faults, *refused[:SHOWN], *more]),
            "Correct the file, then bring it again: all of its rules are asked for, or none.",
        )  # fmt: skip
    return found


def _of_json(text: str) -> Iterator[_Given]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Usage("bad_file", f"The file is not readable as JSON: {error}.", LIKE_THIS) from None
    rules = given.get("rules", [given]) if isinstance(given, dict) else given
    if not isinstance(rules, list):
        raise Usage("bad_file", "rules is no list.", LIKE_THIS)
    for place, rule in enumerate(rules, 1):
        yield f"Rule {place}", lambda rule=rule: _object(rule)  # type: ignore[misc]


def _object(rule: Any) -> Any:
    if not isinstance(rule, dict):
        raise Usage("bad_value", "It is no object.", LIKE_THIS)
    return rule


def _of_csv(text: str) -> Iterator[_Given]:
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        heading = [name.strip().lower() for name in next(reader, [])]
        if not {"name", "kind", "spec"} <= set(heading):
            raise Usage("bad_file", "Its first line lacks name, kind or spec.", f"Use: {', '.join(FIELDS)}.")
        for row in reader:
            if any(cell.strip() for cell in row):
                yield f"Line {reader.line_num}", lambda row=row: _row(heading, row)  # type: ignore[misc]
    except csv.Error as error:
        raise Usage(
            "bad_file", f"Line {reader.line_num} is no CSV: {error}.", "Correct that line, and bring the file again."
        ) from None


def _row(heading: list[str], row: list[str]) -> dict[str, Any]:
    if len(row) > len(heading):
        raise Usage("bad_value", "It has more cells than headings.", "Put texts with commas in quotes.")
    cells = {name: _plain(cell) for name, cell in zip(heading, row, strict=False) if cell != ""}
    for name in _STRUCTURED:
        if name in cells:
            try:
                cells[name] = json.loads(cells[name])
            except (ValueError, RecursionError):
                raise Usage("bad_value", f"Its {name} is no JSON.", "Write an object of members.") from None
    return cells


def _cell(value: Any, field: str) -> str:
    if field in _STRUCTURED:
        return json.dumps(value, ensure_ascii=False) if value else ""
    text = "yes" if value is True else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(cell: str) -> Any:
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _FORMULA else cell
