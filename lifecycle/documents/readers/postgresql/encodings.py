"""Texts of a dump: its encoding, and what backslashes in COPY data and E'' strings stand for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lifecycle.documents.readers.refusals import unreadable

# Those of PostgreSQL's encodings in which no byte of a longer character is an ASCII one.
_CODECS = {
    "utf8": "utf-8",
    "unicode": "utf-8",
    **{f"latin{number}": f"iso8859-{number}" for number in range(1, 5)},
    **{f"latin{number}": f"iso8859-{part}" for number, part in zip(range(5, 11), (9, 10, 13, 14, 15, 16), strict=True)},
    **{f"iso8859{part}": f"iso8859-{part}" for part in range(5, 9)},
    **{f"win{number}": f"cp{number}" for number in (866, 874, *range(1250, 1259))},
    "koi8r": "koi8-r",
    "koi8u": "koi8-u",
    "eucjp": "euc-jp",
    "euccn": "gb2312",
    "euckr": "euc-kr",
}
_ESCAPE = re.compile(r"\\([0-7]{1,3}|x[0-9A-Fa-f]{1,2}|.)", re.DOTALL)
_LITERAL_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[0-7]{1,3}|x[0-9A-Fa-f]{1,2}|.)|''", re.DOTALL)
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True)
class Encoding:
    """How bytes become text. Of SQL_ASCII nobody knows; what is no UTF-8 stays as it is (`surrogateescape`)."""

    codec: str = "utf-8"
    errors: str = "strict"

    def text(self, raw: bytes, line: int) -> str:
        """Raises OperationFailed("unreadable") naming the line when the bytes are not of this encoding."""
        try:
            return raw.decode(self.codec, self.errors)
        except UnicodeDecodeError:
            why = f"Line {line} holds bytes that are no {self.codec}: the file was damaged or changed."
            raise unreadable(why) from None

    def field(self, text: str, line: int) -> str:
        """A field of COPY data whose backslashes are still there."""
        return self._whole(_ESCAPE.sub(_meaning, text), line)

    def literal(self, text: str, line: int) -> str:
        """The inside of an E'' string."""
        return self._whole(_LITERAL_ESCAPE.sub(_meaning, text), line)

    def _whole(self, text: str, line: int) -> str:
        """Bytes that were written as numbers, and stand as surrogates now, put together to characters."""
        try:
            return self.text(text.encode(self.codec, "surrogateescape"), line)
        except UnicodeEncodeError:
            raise unreadable(f"Line {line} names a character that {self.codec} does not have.") from None


def encoding_named(name: str, line: int) -> Encoding:
    """Of the name that `SET client_encoding` gives."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if plain == "sqlascii":
        return Encoding("utf-8", "surrogateescape")
    if plain not in _CODECS:
        raise unreadable(
            f"Line {line} sets the encoding {name}.", "Dump with --encoding=UTF8, which is always possible."
        )
    return Encoding(_CODECS[plain])


def _meaning(match: re.Match[str]) -> str:
    code = match[1]
    if not code:
        return "'"
    if code[0] in "01234567":
        return _byte(int(code, 8) & 0xFF)
    if code[0] == "x" and len(code) > 1:
        return _byte(int(code[1:], 16))
    if code[0] in "uU" and len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number <= 0x10FFFF else "\ud800"  # half a character, which `_whole` refuses
    return _LETTERS.get(code, code)


def _byte(number: int) -> str:
    return chr(number) if number < 0x80 else chr(0xDC00 + number)
