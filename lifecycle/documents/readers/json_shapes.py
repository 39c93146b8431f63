"""What JSON files of rows have in common: how they begin, and lists of rows at a place inside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from lifecycle.documents.base import Row
from lifecycle.documents.readers.json_stream import JsonStream
from lifecycle.documents.reading import SourceFile
from opsconsole.exceptions import OperationFailed

LONGEST_SAMPLE = 8 << 20  # characters of the first row of a file, when its format is looked for
MOST_SAID = 100  # keys of an object before its first list or object
LONGEST_SUMMARY = 16 << 20  # characters of a file that tells of others
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a JSON file begins."""

    is_list: bool
    said: Mapping[str, Any] = field(default_factory=dict)  # of an object: its keys before the first list or object
    first: str = ""  # of an object: the key of its first list or object
    opens: str = ""  # and whether that is a list or an object: [ or {
    sample: Mapping[str, Any] = field(default_factory=dict)  # of a list: its first row
    is_empty: bool = False  # of a list


@lru_cache(maxsize=1024)  # every reader asks
def shape_of(file: SourceFile) -> Shape | None:
    """The shape of a file, None when it does not begin as JSON does."""
    with file.open() as stream:
        text = JsonStream(stream, longest=LONGEST_SAMPLE)
        try:
            return {"{": _of_object, "[": _of_list}.get(text.peek(), _of_nothing)(text)
        except OperationFailed:
            return None


def rows_in(text: JsonStream, table: str) -> Iterator[Row]:
    """The rows of the list that begins here. Raises OperationFailed("unreadable") when it holds something else."""
    if text.peek() != "[":
        raise _no_rows(table)
    for row in text.elements():
        if not isinstance(row, dict):
            raise _no_rows(table)
        yield row


def rows_at(file: SourceFile, *keys: str) -> Iterator[Row]:
    """The rows of the list that lies under these keys, one inside the other; none when a key is not there."""
    with file.open() as stream:
        text = JsonStream(stream)
        yield from _descend(text, keys, keys[-1] if keys else file.name)
        text.finish()


def value_at(file: SourceFile, key: str) -> Any:
    """The value of a key of the object that a file is; None when it is not there."""
    with file.open() as stream:
        text = JsonStream(stream, longest=LONGEST_SUMMARY)
        for found in text.fields():
            if found == key:
                return text.value()
            text.skip()
    return None


def whole_of(file: SourceFile) -> Any:
    """A small file at once. Raises OperationFailed("unreadable")."""
    with file.open() as stream:
        text = JsonStream(stream, longest=LONGEST_SUMMARY)
        value = text.value()
        text.finish()
        return value


def moment(said: object) -> str:
    """A time as RFC 3339 from the ways in which exporters write it, "" when it is none."""
    text = said if isinstance(said, str) else ""
    text = _STAMP.sub(r"\1T\2:\3:\4.\5Z", text)
    try:
        return text if datetime.fromisoformat(text).tzinfo is not None else ""
    except ValueError:
        return ""


def _descend(text: JsonStream, keys: tuple[str, ...], table: str) -> Iterator[Row]:
    if not keys:
        yield from rows_in(text, table)
    else:
        for key in text.fields():
            if key == keys[0]:
                yield from _descend(text, keys[1:], table)
            else:
                text.skip()


def _of_object(text: JsonStream) -> Shape | None:
    said: dict[str, Any] = {}
    for key in text.fields():
        if (opens := text.peek()) in ("{", "["):
            return Shape(is_list=False, said=said, first=key, opens=opens)
        said[key] = text.value()
        if len(said) > MOST_SAID:
            return None
    return Shape(is_list=False, said=said)


def _of_list(text: JsonStream) -> Shape:
    for row in text.elements():
        return Shape(is_list=True, sample=row if isinstance(row, dict) else {})
    return Shape(is_list=True, is_empty=True)


def _of_nothing(text: JsonStream) -> None:
    return None


def _no_rows(table: str) -> OperationFailed:
    return OperationFailed("unreadable", f"{table[:80]} is no list of rows.", "Look at how it was written.")
