"""What both ages of Drizzle's folders have in common: pieces of a file, and drizzle.config.* beside the folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from lifecycle.sources import statements
from lifecycle.sources.acts import Act
from lifecycle.sources.base import Folder, Migration, Place
from opsconsole.review import Dialect

JOURNAL = "meta/_journal.json"  # up to 0.x only
BREAKPOINT = "--> statement-breakpoint"
_CONFIG = re.compile(r"drizzle[\w.-]*\.config\.(ts|mts|js|mjs|cjs|json)|drizzle\.config\.json")
_COMMENT = re.compile(r"(?<![:\w])//[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXT = r"""\s*["']?\s*:\s*(["'`])(?P<value>[^"'`\n$]*)\1"""
_OUT = re.compile(r"\bout" + _TEXT)
_LEDGER = re.compile(r"""\bmigrations["']?\s*:\s*\{(?P<inside>[^}]*)\}""")
_PARTS = {name: re.compile(rf"\b{name}" + _TEXT) for name in ("table", "schema")}


def pieces(text: str) -> list[str]:
    """The parts between breakpoints, untrimmed; each is sent by itself, whatever it holds."""
    return text.split(BREAKPOINT)


def acts(migration: Migration) -> tuple[Act, ...]:
    """One act for each piece that is more than blanks."""
    return tuple(
        Act(sql=piece, script=True, migration=migration.key) for piece in pieces(migration.text) if piece.strip()
    )


def require_whole(migrations: Sequence[Migration], place: Place) -> None:
    """Raises Refused for a file that begins or ends transactions.

    Drizzle lets it: on PostgreSQL what comes behind a COMMIT then stands alone, and the run counts as a success.
    """
    for migration in migrations:
        statements.require_own_transaction(migration.path, migration.text, place)


def remarks(migrations: Sequence[Migration], place: Place) -> list[tuple[str, str]]:
    """Where Drizzle's SQLite drivers do less than the file says; PostgreSQL takes any number of statements a piece."""
    if place.engine != "sqlite":
        return []
    return [(migration.key, said) for migration in migrations for said in _stumbles(pieces(migration.text), place)]


def _stumbles(parts: Sequence[str], place: Place) -> Iterator[str]:
    for number, part in enumerate(parts, 1):
        count = sum(1 for _ in statements.code(part, Dialect(place.engine)))
        if count > 1:
            yield (
                f"Part {number} of {len(parts)} holds {count} statements: Drizzle would run only the first (libsql) or"
                f" refuse the file (better-sqlite3); here all of them run. Put `{BREAKPOINT}` between them."
            )
        if count == 0:
            yield (
                f"Part {number} of {len(parts)} holds no statement, and Drizzle would fail at it on SQLite; here it is"
                f" passed over. Take out the `{BREAKPOINT}` that makes it."
            )


def configured(project: Folder, *, journal: bool) -> list[Mapping[str, str]]:
    """`dir`, `table` and `schema` as drizzle.config.* says them in plain text; nothing of it is executed.

    Only of folders with a journal, or only of those without one: both ages have the same configuration.
    """
    return [told for told in _told(project) if (f"{told['dir']}/{JOURNAL}" in project.files) == journal]


def _told(project: Folder) -> list[Mapping[str, str]]:
    found: list[Mapping[str, str]] = []
    for path in sorted(project.files):
        if _CONFIG.fullmatch(path):
            text = _COMMENT.sub(" ", project.files[path].decode(errors="replace"))
            told = {"dir": _said(_OUT, text) or "drizzle"}
            if ledger := _LEDGER.search(text):
                told |= {name: said for name, part in _PARTS.items() if (said := _said(part, ledger["inside"]))}
            told["dir"] = told["dir"].removeprefix("./").rstrip("/")
            found.append(told)
    return found


def _said(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match["value"] if match else ""
