"""Values of a portable document as fields of a COPY in text form, as they were written: a type reads its own text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lifecycle.documents.base import Row, Value
from lifecycle.documents.values import json_text

_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def line_of(row: Row, columns: Sequence[str], documents: frozenset[str]) -> bytes:
    """One line of COPY; `documents` are the columns of type jsonb. Raises KeyError for a column that the row lacks."""
    fields = (_field(row[name], name in documents) for name in columns)
    return ("\t".join(fields) + "\n").encode("utf-8", "surrogateescape")


def _field(value: Value, is_document: bool) -> str:
    if value is None:
        return r"\N"
    return _plain(value, is_document).translate(_ESCAPES)


def _plain(value: Any, is_document: bool) -> str:
    """The text that the column's type reads."""
    if is_document:
        return json_text(value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")
    if isinstance(value, list):
        return "{" + ",".join(map(_element, value)) + "}"
    return str(value)


def _element(value: Any) -> str:
    """An element of a list in the words of an array."""
    if value is None:
        return "NULL"
    return '"' + _plain(value, False).replace("\\", "\\\\").replace('"', '\\"') + '"'
