"""What a file of SQLite statements holds, as far as a tool stumbles over it: first words, and an unfinished end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from opsconsole.engines.sqlite.script import statements

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
