"""The rows inside a COPY stream, taken apart without a server: raw rows, and the fields of one.

The forms are those of the PostgreSQL manual, COPY, "File Formats". It imports nothing but the standard library, so
that the copy worker can use it too. Memory is one block and one row.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterable, Iterator, Sequence

SIGNATURE = b"PGCOPY\n\xff\r\n\x00"
_HEADER = len(SIGNATURE) + 8  # the signature, flags, and the length of the extension that follows
_COUNT, _LENGTH = struct.Struct("!h"), struct.Struct("!i")
_ESCAPED = re.compile(rb"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


class NotACopyStream(ValueError):
    """The bytes are no COPY stream of that form, or it is cut off."""


def raw_rows(blocks: Iterable[bytes], *, binary: bool) -> Iterator[bytes]:
    """Each row's bytes as they travel, without the stream's head and end. Raises NotACopyStream."""
    return _binary_rows(blocks) if binary else _text_rows(blocks)


def fields_of(row: bytes, *, binary: bool) -> list[bytes | None]:
    """The fields of one raw row in the order of the stream's columns; None is NULL."""
    return _binary_fields(row) if binary else [_text_field(field) for field in row.split(b"\t")]


def fields_at(row: bytes, places: Sequence[int], *, binary: bool) -> list[bytes | None]:
    """Some fields of one raw row, by their ascending places from 0; what lies behind the last of them is not read."""
    if not binary:
        fields = row.split(b"\t")
        return [_text_field(fields[place]) for place in places]
    length_at = _LENGTH.unpack_from
    found: list[bytes | None] = []
    at, place = 2, 0
    for wanted in places:
        while place < wanted:
            (length,) = length_at(row, at)
            at += 4 + length if length > 0 else 4
            place += 1
        (length,) = length_at(row, at)
        found.append(None if length < 0 else row[at + 4 : at + 4 + length])
    return found


def copy_stream(rows: Iterable[bytes], *, binary: bool) -> Iterator[bytes]:
    """The inverse of `raw_rows`: a whole COPY stream of raw rows."""
    if not binary:
        yield from (row + b"\n" for row in rows)
        return
    yield SIGNATURE + bytes(_HEADER - len(SIGNATURE))
    yield from rows
    yield b"\xff\xff"


def packed(fields: Sequence[bytes | None]) -> bytes:
    """Fields as one row of the binary form, whichever form they came in: bytes that are equal when the fields are."""
    parts = [_COUNT.pack(len(fields))]
    for field in fields:
        parts += [_LENGTH.pack(-1)] if field is None else [_LENGTH.pack(len(field)), field]
    return b"".join(parts)


def without_type_numbers(rows: Iterable[bytes], arrays: Collection[int]) -> Iterator[bytes]:
    """Binary rows whose arrays in these columns name no element type: it has another number in every database.

    An array begins with its dimensions, flags and element type, four bytes each.
    """
    for row in rows:
        changed, at = bytearray(row), _COUNT.size
        for column in range(_COUNT.unpack_from(row)[0]):
            (length,) = _LENGTH.unpack_from(row, at)
            at += _LENGTH.size
            if column in arrays and length >= 12:
                changed[at + 8 : at + 12] = bytes(4)
            at += max(length, 0)
        yield bytes(changed)


def _binary_rows(blocks: Iterable[bytes]) -> Iterator[bytes]:
    buffer, begun = bytearray(), False
    for block in blocks:
        buffer += block
        at = 0
        if not begun:
            at = _after_header(buffer)
            if not at:
                continue
            begun = True
        while (end := _row_end(buffer, at)) > at:
            yield bytes(buffer[at:end])
            at = end
        del buffer[:at]
    if not begun or bytes(buffer) != b"\xff\xff":
        raise NotACopyStream("the stream is cut off, or goes on after its end")


def _after_header(buffer: bytearray) -> int:
    """Where the first row begins; 0 while the head is not complete."""
    if len(buffer) < _HEADER:
        return 0
    if not buffer.startswith(SIGNATURE):
        raise NotACopyStream("the stream does not begin as a binary COPY does")
    end = _HEADER + int(_LENGTH.unpack_from(buffer, _HEADER - 4)[0])
    return end if len(buffer) >= end else 0


def _row_end(buffer: bytearray, at: int) -> int:
    """The end of the row that begins at `at`; `at` itself where it is incomplete, or the stream has ended."""
    try:
        (fields,) = _COUNT.unpack_from(buffer, at)
        end = at + 2
        for _ in range(fields):
            (length,) = _LENGTH.unpack_from(buffer, end)
            end += 4 + max(length, 0)
    except struct.error:
        return at
    return end if fields >= 0 and end <= len(buffer) else at


def _binary_fields(row: bytes) -> list[bytes | None]:
    (count,) = _COUNT.unpack_from(row, 0)
    found: list[bytes | None] = []
    at = 2
    for _ in range(count):
        (length,) = _LENGTH.unpack_from(row, at)
        at += 4
        found.append(None if length < 0 else row[at : at + length])
        at += max(length, 0)
    return found


def _text_rows(blocks: Iterable[bytes]) -> Iterator[bytes]:
    begun: list[bytes] = []  # the pieces of a row that goes on in the next block
    for block in blocks:
        first, *others = block.split(b"\n")
        begun.append(first)
        if others:
            yield b"".join(begun)
            yield from others[:-1]
            begun = [others[-1]]
    if any(begun):
        raise NotACopyStream("the stream is cut off in the middle of a row")


def _text_field(field: bytes) -> bytes | None:
    if field == b"\\N":
        return None
    return _ESCAPED.sub(_unescaped, field) if b"\\" in field else field


def _unescaped(match: re.Match[bytes]) -> bytes:
    found = match[1]
    if found[:1] == b"x" and len(found) > 1:
        return bytes([int(found[1:], 16)])
    if found[:1].isdigit():
        return bytes([int(found, 8) & 0xFF])
    return _LETTERS.get(found, found)
