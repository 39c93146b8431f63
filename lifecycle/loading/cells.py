"""The rows of one table of a document as values that SQLite stores: each in the storage class that it came in."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from lifecycle.documents.values import json_text
from lifecycle.loading.base import Pair
from lifecycle.loading.fitting import Fitting, Shape, Unfit
from opsconsole.engines.sqlite.loading import Text
from opsconsole.engines.structure import Field

LARGEST, SMALLEST = (1 << 63) - 1, -(1 << 63)  # whole numbers that SQLite has


class Cells(Fitting[list[Any]]):
    """Values for parameters of a statement."""

    def form(self, field: Field, pair: Pair) -> Callable[[Any], Any]:
        return _of_json if pair.is_json else stored

    def pack(self, values: list[Any]) -> list[Any]:
        return values

    def given(self, values: list[Any], left_out: Shape) -> tuple[tuple[str, ...], list[Any]]:
        """The columns that a row of that shape names, and their values."""
        if not left_out:
            return self.columns, values
        return self.named(left_out), [value for place, value in enumerate(values) if place not in left_out]


def _of_json(value: Any) -> Any:
    """JSON is kept as its text; a text of it in quotes."""
    return _text(json_text(value))


def stored(value: Any) -> Any:
    """A value in the storage class that it has. Raises Unfit."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if SMALLEST <= value <= LARGEST else str(value)
    if isinstance(value, Decimal | float):
        return _number(value)
    return value if isinstance(value, bytes) else _text(json_text(value))


def _number(value: Decimal | float) -> float | str:
    """A float where that is all of it, else the digits: SQLite has no other exact form for them."""
    number = float(value)
    if number != number:
        raise Unfit("SQLite keeps NaN as NULL")
    if isinstance(value, float) or not value.is_finite():
        return number
    same = value in (Decimal(repr(number)), Decimal(f"{number:.17g}"))
    return number if same else str(value)


def _text(value: str) -> str | Text:
    """A text whose bytes are not UTF-8 keeps them."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return Text(value.encode("utf-8", "surrogateescape"))
    return value
