"""Taking back what the first statements of a migration made, where each of them has an exact opposite."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsconsole.exceptions import Refused

_NAME = r'(?P<name>(?:"[^"]+"|`[^`]+`|\[[^\]]+\]|\w+)(?:\s*\.\s*(?:"[^"]+"|\w+))?)'
_PART = r'(?P<part>"[^"]+"|`[^`]+`|\w+)'
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_MADE = tuple(
    (re.compile(pattern, re.IGNORECASE | re.DOTALL), opposite)
    for pattern, opposite in (
        (rf"CREATE\s+TABLE\s+{_NAME}\s*\(", "DROP TABLE {name}"),
        (rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+{_NAME}\s+ON\b", "DROP INDEX {name}"),
        (rf"CREATE\s+VIEW\s+{_NAME}\s", "DROP VIEW {name}"),
        (rf"CREATE\s+TYPE\s+{_NAME}\s+AS\b", "DROP TYPE {name}"),
        (rf"CREATE\s+SEQUENCE\s+{_NAME}", "DROP SEQUENCE {name}"),
        (rf"ALTER\s+TABLE\s+{_NAME}\s+RENAME\s+TO\s+{_PART}\s*;?\s*$", "ALTER TABLE {part} RENAME TO {name}"),
        (
            rf"ALTER\s+TABLE\s+{_NAME}\s+ADD\s+(?:COLUMN\s+)?(?!COLUMN\b|IF\b|CONSTRAINT\b|PRIMARY\b|UNIQUE\b|CHECK\b|FOREIGN\b)"
            rf"{_PART}\s+[^,]*;?\s*$",
            "ALTER TABLE {name} DROP COLUMN {part}",
        ),
    )
)


def opposites(statements: Sequence[str]) -> list[str]:
    """Statements that take these back, the last one first.

    Raises Refused at the first that has no exact opposite: what writes or removes rows, or drops something.
    """
    found = []
    for number, statement in enumerate(statements, 1):
        if (opposite := _opposite(statement)) is None:
            raise Refused(
                "no_way_back",
                f"Statement {number} ({' '.join(statement.split())[:60]}) has no exact opposite.",
                "Finish the migration, or restore the safety backup that was taken before it.",
            )
        found.append(opposite)
    return found[::-1]


def _opposite(statement: str) -> str | None:
    code = _COMMENTS.sub(" ", statement).strip()
    for pattern, opposite in _MADE:
        if match := pattern.match(code):
            return opposite.format(**match.groupdict()) + ";\n"
    return None
