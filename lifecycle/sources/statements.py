"""What a file of SQLite statements holds, as far as a tool stumbles over it: first words, and an unfinished end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lifecycle.sources.base import Place
from opsconsole.engines.sqlite.script import statements
from opsconsole.exceptions import Refused

ENDING = frozenset({"BEGIN", "COMMIT", "END", "ROLLBACK"})  # a transaction around them would be over

_TOKEN = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` | \[[^\]]*\])
      | (?P<comment>--[^\n]* | /\*.*?(?:\*/|\Z))""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Found:
    """One statement: its 1-based line, and its code without comments, as it stands otherwise."""

    line: int
    code: str

    @property
    def words(self) -> list[str]:
        """Its first words, in capitals: `CREATE TEMP TABLE`, `PRAGMA FOREIGN_KEYS`."""
        return re.findall(r"\w+", self.code[:200].upper())

    @property
    def ends(self) -> bool:
        """Whether it has its semicolon."""
        return self.code.endswith(";")


def without_comments(text: str) -> str:
    """Text whose comments are blanks; quoted text stays as it is."""
    return _TOKEN.sub(lambda token: token[0] if token["quoted"] else " ", text)


def code(text: str) -> Iterator[Found]:
    """The statements of a text that are more than comments."""
    for line, statement in statements(text):
        bare = without_comments(statement).strip()
        if bare.strip(";").strip():
            yield Found(line, bare)


def require_own_transaction(path: str, text: str, place: Place, marker: str) -> None:
    """Raises Refused for a text for SQLite that begins or ends transactions, unless its marker says it runs in none."""
    if place.engine != "sqlite" or text.startswith(marker):
        return
    for found in code(text):
        if found.words[:1] and found.words[0] in ENDING and found.words[:2] != ["ROLLBACK", "TO"]:
            raise Refused(
                "file_refused",
                f"{path} has {found.words[0]} in line {found.line}, but it runs inside a transaction together with its"
                " row in the ledger.",
                f"Take it out, or begin the file with {marker}.",
            )
