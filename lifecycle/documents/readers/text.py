"""Text that is taken apart as it is read: a buffer with a place in it, and the line of that place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from lifecycle.documents.readers.refusals import unreadable
from opsconsole.exceptions import OperationFailed

LONGEST_INSERT = 32 << 20  # bytes
LONGEST_DEFINITION = 2 << 20  # bytes of any other statement, and of a comment
BLOCK = 1 << 18
BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # some editors put it before UTF-8; it means nothing


@dataclass(frozen=True)
class Piece:
    """A part of a script with the line on which it begins (from 1)."""

    line: int
    text: bytes


class Statement(Piece):
    """Without comments before it, with its semicolon."""


class Text:
    """What is held of a stream begins at or before the present piece; `line` counts from 1."""

    advice = ""  # what to do when a piece is too long

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._data = b""
        self._at = 0  # where the present piece begins
        self._ended = False
        self.line = 1

    def _take(self, end: int) -> bytes:
        """The bytes up to `end`, behind which the next piece begins."""
        taken = self._data[self._at : end]
        self.line += taken.count(b"\n")
        self._at = end
        return taken

    def _statement_to(self, end: int, most: int) -> Statement:
        """The present piece up to `end`."""
        if end - self._at > most:
            raise self._too_long(most)
        line = self.line
        return Statement(line, self._take(end))

    def _more(self, most: int) -> None:
        """Read on, each time as much as is held, so that a long piece is not looked at again and again.

        The present piece then begins at 0. Raises OperationFailed("unreadable") when it is longer than `most` bytes.
        """
        held = len(self._data) - self._at
        if held > most:
            raise self._too_long(most)
        read = self._stream.read(max(BLOCK, held))
        if self.line == 1 and not self._data:
            read = read.removeprefix(BYTE_ORDER_MARK)
        if b"\0" in read:
            raise unreadable(f"There is a byte 0 after line {self.line}, which no text of a database holds.")
        self._ended = not read
        self._data = self._data[self._at :] + read
        self._at = 0

    def _too_long(self, most: int) -> OperationFailed:
        return unreadable(f"What begins on line {self.line} is longer than {most >> 20} MiB.", self.advice)
