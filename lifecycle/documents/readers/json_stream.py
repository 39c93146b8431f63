"""JSON of any size, read value by value in constant memory and with every digit kept.

Objects and arrays are walked into (`fields`, `elements`); a value is parsed as a whole. What the standard
parser would let pass silently is refused: the same key twice, NaN, half characters, bytes that are not UTF-8.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, BinaryIO

from lifecycle.documents.values import whole_number
from opsconsole.exceptions import OperationFailed

PIECE = 1 << 18
MOST_KEYS = 100_000  # of an object that is walked into
LONGEST_VALUE = 64 << 20  # characters
_SPACE = re.compile(r"[ \t\n\r]*")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_LONGEST_LITERAL = 16  # an error so near the end may only mean that the rest is still to come


class Unsound(ValueError):
    """JSON that the standard parser lets pass and we do not."""


class JsonStream:
    """A position in JSON text. Every method raises OperationFailed("unreadable") where the text is not JSON."""

    def __init__(self, stream: BinaryIO, *, longest: int = LONGEST_VALUE) -> None:
        self._stream = stream
        self._longest = longest
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._parser = QUICK
        self._text, self._at, self._before, self._ended = "", 0, 0, False

    def peek(self) -> str:
        """The next character that is not white space, "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def fields(self) -> Iterator[str]:
        """The keys of the object that begins here; each one's value must be consumed before the next is asked for."""
        seen: set[str] = set()
        for _ in self._members("{", "}"):
            if self.peek() != '"':
                raise self._broken("a key must be a text")
            key = self.value()
            if key in seen:
                raise self._broken(f"the key {key[:80]!r} stands twice in one object")
            seen.add(key)
            if len(seen) > MOST_KEYS:
                raise self._broken(f"an object has more than {MOST_KEYS} keys")
            self._expect(":")
            yield key

    def elements(self) -> Iterator[Any]:
        """The values of the array that begins here, each parsed as a whole."""
        for _ in self._members("[", "]"):
            yield self.value()

    def value(self) -> Any:
        """The value that begins here. Decimal numbers are Decimal, whole ones int."""
        self.peek()
        wanted = PIECE
        while True:
            try:
                value, end = self._parser.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._ended or not self._may_go_on(error):
                    raise self._broken(f"{error.msg.lower()}", error.pos) from error
            except Unsound as error:
                raise self._broken(str(error)) from error
            except InvalidOperation as error:
                raise self._broken("a number is beyond all bounds") from error
            except ValueError as error:  # a whole number of more digits than Python takes by itself
                if self._parser is EXACT:
                    raise self._broken("a number has too many digits") from error
                self._parser = EXACT
                continue
            except RecursionError as error:
                raise OperationFailed("too_deep", "A value is nested deeper than is read.", "Look at it.") from error
            else:
                if self._ended or end < len(self._text) - _LONGEST_LITERAL or self._text[end - 1] in '"}]':
                    break
            if len(self._text) - self._at > self._longest:
                raise OperationFailed(
                    "bad_row", f"A value is longer than {self._longest} characters.", "No row of a table is so long."
                )
            self._more(wanted)
            wanted = len(self._text) - self._at  # twice as much each time, so that a long value costs linear time
        if _HALF.search(self._text, self._at, end):
            self._refuse_halves(value)
        self._at = end
        return value

    def skip(self) -> None:
        """Pass over the value that begins here, however long it is."""
        character = self.peek()
        if character == "{":
            for _ in self.fields():
                self.skip()
        elif character == "[":
            for _ in self.elements():
                pass
        else:
            self.value()

    def finish(self) -> None:
        """Nothing but white space may follow."""
        if self.peek():
            raise self._broken("something follows its end")

    def _members(self, opening: str, closing: str) -> Iterator[None]:
        self._expect(opening)
        if self.peek() == closing:
            self._at += 1
            return
        while True:
            yield None
            if self.peek() == closing:
                self._at += 1
                return
            self._expect(",")

    def _expect(self, character: str) -> None:
        if self.peek() != character:
            raise self._broken(f"{character} is missing")
        self._at += 1

    def _more(self, count: int = PIECE) -> bool:
        """Read on; whether there was more."""
        self._before += self._at
        self._text, self._at = self._text[self._at :], 0
        data = self._stream.read(count)
        try:
            self._text += self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            raise self._broken("there are bytes that are not UTF-8") from error
        self._ended = not data
        return not self._ended

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - _LONGEST_LITERAL

    def _refuse_halves(self, value: Any) -> None:
        try:
            json.dumps(value, ensure_ascii=False, default=str).encode()
        except UnicodeEncodeError as error:
            raise self._broken("a text holds half a character") from error

    def _broken(self, how: str, position: int | None = None) -> OperationFailed:
        where = self._before + (self._at if position is None else position)
        return OperationFailed(
            "unreadable", f"The JSON cannot be read: {how}, near character {where}.", "Fetch the file again."
        )


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twin = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise Unsound(f"the key {twin[:80]!r} stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise Unsound(f"{name} is no JSON")


_COMMON: dict[str, Any] = {"parse_float": Decimal, "parse_constant": _no_constant, "object_pairs_hook": _without_twins}
QUICK = json.JSONDecoder(**_COMMON)
EXACT = json.JSONDecoder(**_COMMON, parse_int=whole_number)
