"""A dump of SQLite, taken apart into statements as `sqlite3_complete` does it, without holding more than one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lifecycle.documents.readers.refusals import unreadable
from lifecycle.documents.readers.text import LONGEST_DEFINITION, LONGEST_INSERT, Statement, Text

# A choice that repeats is not possessive itself: Python 3.11.2 loses its place in one. It stands in (?>...) instead, a
# thousand at a time, for each keeps a place to come back to until the group has ended.
_COMMENT = rb"/\*[^*]*+(?>(?:(?>(?:\*(?!/)[^*]*+){1,1000}))*)\*/"
_SPACE = re.compile(rb"(?>(?:[ \t\r\n\f]++|--[^\n]*+\n|" + _COMMENT + rb")*)")
# Whatever may stand in a statement but its semicolon. A sign that may begin more than itself needs the next one.
_RUN = re.compile(
    rb"""(?>(?:(?>(?:[^;'"`\[\-/]++|'[^']*+'|"[^"]*+"|`[^`]*+`|\[[^\]]*+\]|--[^\n]*+\n|"""
    + _COMMENT
    + rb"|-(?=[^-])|/(?=[^*])){1,1000}))*)",
    re.VERBOSE | re.DOTALL,
)
_TRIGGER = re.compile(rb"(?:EXPLAIN\s+)?CREATE\s+(?:TEMP(?:ORARY)?\s+)?TRIGGER\b", re.IGNORECASE)
_BODY_END = re.compile(
    rb";(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*END(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)*\Z", re.I
)
_TAIL = 4096  # bytes in which a trigger's END is looked for


class SqliteScript(Text):
    """`statements` goes through a dump."""

    advice = "Give the SQLite file itself, where only a value has to fit."

    def statements(self) -> Iterator[Statement]:
        """Each with its semicolon, without comments before it. Raises OperationFailed("unreadable")."""
        while self._skip_space():
            yield self._statement_to(self._end_of_statement(), self._most())

    def _skip_space(self) -> bool:
        """Whether something follows."""
        while True:
            match = _SPACE.match(self._data, self._at)
            assert match is not None
            self._take(match.end())
            if len(self._data) - self._at > 2:
                if not self._data.startswith((b"--", b"/*"), self._at):
                    return True
            elif self._ended:
                return self._data[self._at :].strip() != b""
            if self._ended:
                return not self._data.startswith(b"--", self._at)
            self._more(LONGEST_DEFINITION)

    def _end_of_statement(self) -> int:
        """Where its semicolon ends; those in a trigger's body end nothing."""
        here = self._at
        trigger = None
        while True:
            match = _RUN.match(self._data, here)
            assert match is not None
            here = match.end()
            if self._data[here : here + 1] == b";":
                trigger = _TRIGGER.match(self._data, self._at) is not None if trigger is None else trigger
                if not trigger or _BODY_END.search(self._data[max(self._at, here - _TAIL) : here]):
                    return here + 1
                here += 1
            elif self._ended:
                raise unreadable(f"The statement that begins on line {self.line} has no end.")
            else:
                here -= self._at
                self._more(self._most())

    def _most(self) -> int:
        insert = self._data[self._at : self._at + 6].upper() == b"INSERT"
        return LONGEST_INSERT if insert else LONGEST_DEFINITION
