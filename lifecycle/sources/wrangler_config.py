"""wrangler.toml, .json and .jsonc: which D1 databases a project has, and where their migrations are."""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lifecycle.sources.base import Folder
from lifecycle.sources.files import text_of
from opsconsole.exceptions import Refused

NAMES = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")  # the first that exists is wrangler's choice
_DIRECTORY = "migrations"
_GLOB = re.compile(r"\*\*/|\*\*|\*|\?")
_GLOBS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
_COMMENT = r"//[^\n]*|/\*(?:(?!\*/).)*\*/"
_JSONC = re.compile(rf'"(?:[^"\\]|\\.)*"|{_COMMENT}|,(?=(?:\s|{_COMMENT})*[}}\]])', re.DOTALL)


def databases(project: Folder) -> list[dict[str, str]]:
    """One mapping for each D1 database, those of environments included: dir, table, pattern.

    `pattern` is relative to `dir`, as the ledger's names are. Raises Refused for a file that cannot be read.
    """
    found: list[dict[str, str]] = []
    for given in _given(_configuration(project)):
        told = _database(given)
        if told not in found:
            found.append(told)
    return found


def matching(paths: Iterable[str], pattern: str) -> list[str]:
    """The paths that a glob takes: `*` and `?` stop at `/`, `**/` is any number of folders."""
    written, place = "", 0
    for token in _GLOB.finditer(pattern):
        written += re.escape(pattern[place : token.start()]) + _GLOBS[token[0]]
        place = token.end()
    taken = re.compile(written + re.escape(pattern[place:]), re.DOTALL)
    return [path for path in paths if taken.fullmatch(path)]


def _configuration(project: Folder) -> dict[str, Any]:
    name = next((name for name in NAMES if name in project.files), "")
    if not name:
        return {}
    text = text_of(project, name)
    try:
        read = tomllib.loads(text) if name.endswith(".toml") else json.loads(_JSONC.sub(_kept, text))
    except ValueError as error:
        raise Refused(
            "bad_configuration", f"{name} cannot be read: {error}.", "Mend the file, or leave it out and give tool=."
        ) from None
    return read if isinstance(read, dict) else {}


def _kept(token: re.Match[str]) -> str:
    return token[0] if token[0].startswith('"') else ""


def _given(configuration: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    environments = configuration.get("env")
    parts = [configuration, *(environments.values() if isinstance(environments, dict) else ())]
    for part in parts:
        listed = part.get("d1_databases") if isinstance(part, dict) else None
        yield from (each for each in listed or () if isinstance(each, dict))


def _database(given: Mapping[str, Any]) -> dict[str, str]:
    where = posixpath.normpath(str(given.get("migrations_dir") or _DIRECTORY)).removeprefix("./")
    told = {
        "dir": "" if where == "." else where,
        "table": str(given.get("migrations_table") or ""),
        "pattern": posixpath.normpath(str(given.get("migrations_pattern") or "")).removeprefix(where + "/"),
    }
    return {key: value for key, value in told.items() if key == "dir" or value not in ("", ".", "*.sql")}
