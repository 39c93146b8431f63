"""JSON of nobody we know that is plainly tables: `{"users": [rows]}`, or one list of rows a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lifecycle.documents.base import Row
from lifecycle.documents.readers.json_shapes import Shape, rows_at, rows_in, shape_of
from lifecycle.documents.readers.json_stream import JsonStream
from lifecycle.documents.reading import Findings, Heading, Reader, SourceFile

WRAPPERS = ("tables", "data")


class JsonTables(Reader):
    """A guess, and told as one: a list of objects is a table, under its key or the name of its file."""

    name = "json-tables"
    label = "Tables as JSON, by their shape"

    def recognises(self, files: Sequence[SourceFile]) -> bool:
        shapes = [shape_of(file) for file in files]
        if len(shapes) == 1 and _holds_tables(shapes[0]):
            return True
        return all(shape is not None and shape.is_list and (shape.sample or shape.is_empty) for shape in shapes)

    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Iterator[tuple[str, Row | None]]:
        findings.note(
            "guessed",
            "The format is not one that is known; each list of objects was taken for a table.",
            "Look at the tables and their columns before you restore them.",
        )
        for file in files:
            shape = shape_of(file)
            if shape is not None and shape.is_list:
                table = file.name.removesuffix(".json")
                yield table, None
                yield from ((table, row) for row in rows_at(file))
            else:
                yield from _of_object(file, findings)


def _holds_tables(shape: Shape | None) -> bool:
    if shape is None or shape.is_list:
        return False
    return shape.opens == "[" or (shape.opens == "{" and shape.first in WRAPPERS)


def _of_object(file: SourceFile, findings: Findings) -> Iterator[tuple[str, Row | None]]:
    said: dict[str, Any] = {}
    with file.open() as stream:
        text = JsonStream(stream)
        for key in text.fields():
            if text.peek() == "{" and key in WRAPPERS:
                for table in text.fields():
                    yield from _table(text, table)
            elif text.peek() in "{[":
                yield from _table(text, key)
            else:
                said[key] = text.value()
        text.finish()
    version = said.pop("version", None)
    findings.heading = Heading(version=version if type(version) is int else None)
    if said:
        findings.warn("left_out", f"Left out, because they are no rows: {', '.join(list(said)[:20])}.")


def _table(text: JsonStream, table: str) -> Iterator[tuple[str, Row | None]]:
    yield table, None
    yield from ((table, row) for row in rows_in(text, table))
