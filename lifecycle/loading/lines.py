"""The rows of one table of a document as lines for COPY."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lifecycle.loading.base import Pair
from lifecycle.loading.fitting import Fitting
from lifecycle.loading.texts import Form, form_of, line
from opsconsole.engines.structure import Field


class NotStraight(Exception):
    """A row leaves a column to its default, which COPY cannot do for single rows."""


class Texts(Fitting[list[str | None]]):
    """The text forms as they are, for parameters of a query."""

    def form(self, field: Field, pair: Pair) -> Form:
        return form_of(field, is_json=pair.is_json)

    def pack(self, values: list[Any]) -> list[str | None]:
        line(values)  # refuses what is no text
        return values


class Lines(Fitting[bytes]):
    """The text form of COPY."""

    def form(self, field: Field, pair: Pair) -> Form:
        return form_of(field, is_json=pair.is_json)

    def pack(self, values: list[Any]) -> bytes:
        return line(values)

    def straight(self) -> Iterator[bytes]:
        """Lines with the values alone. Raises NotStraight."""
        for _, data, left_out in self.fitting():
            if left_out:
                raise NotStraight
            yield data

    def staged(self) -> Iterator[bytes]:
        """Lines with the row's number and its shape in front."""
        for number, data, left_out in self.fitting():
            yield b"%d\t%d\t%b" % (number, self.shape(left_out), data)
