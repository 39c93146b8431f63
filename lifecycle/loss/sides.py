"""The contract of a side of a comparison: a live database, the archive of a backup, a database that a swap kept.

A side is opened for one comparison, gives tables one at a time, and reads. Everything it does ends by its deadline:
what takes longer raises `OutOfTime`, and the table is then told with less.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import ClassVar, TypeVar

T = TypeVar("T")
HASH_BYTES = 16


class OutOfTime(Exception):
    """The deadline of a comparison has passed, or a table is locked by somebody; `why` is for people."""

    def __init__(self, why: str = "the time for comparing was over") -> None:
        super().__init__(why)
        self.why = why


class Deadline:
    """So many seconds from now on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds, at least a hundredth. Raises OutOfTime when there are none."""
        self.check()
        return max(self._until - time.monotonic(), 0.01)

    def check(self) -> None:
        """Raises OutOfTime when there is no time left."""
        if time.monotonic() >= self._until:
            raise OutOfTime

    def while_left(self, items: Iterable[T]) -> Iterator[T]:
        """The items, as long as there is time. Raises OutOfTime."""
        for item in items:
            self.check()
            yield item


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What must be equal for rows to be comparable: stored columns with their types, in order, and the key."""

    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)

    @property
    def has_key(self) -> bool:
        """Whether the key can be seen in the rows (a generated column is not among what is stored)."""
        return bool(self.key) and set(self.key) <= set(self.names)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One table to read. `form` is how the other side wrote its rows, where it matters; `time` the column to watch.

    `numbered` columns name a type by a number in their bytes, which is another one on either side.
    """

    table: str
    shape: Shape
    form: str = ""
    time: str = ""
    numbered: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A row as bytes that are equal on both sides when it is; `key` is equal to `row` where the table has none."""

    key: bytes
    row: bytes

    @property
    def hashed(self) -> tuple[bytes, bytes]:
        return (
            blake2b(self.key, digest_size=HASH_BYTES).digest(),
            blake2b(self.row, digest_size=HASH_BYTES).digest(),
        )


class Side(ABC):
    """One side, open. `name` says what it is, `at` when it was taken of the live one (None: it was not)."""

    name: str
    at: datetime | None = None
    hidden_why: str = ""  # why the rows of this side are not read, only their counts; "" when they are
    loose_times: ClassVar[bool] = False  # whether times are kept in columns of any type

    @abstractmethod
    def counts(self) -> Mapping[str, tuple[int | None, bool]]:
        """Rows of every table by its full name, and whether that is exact. None where even an estimate is missing."""

    def shapes(self) -> Mapping[str, Shape]:
        """The shape of every table that this side can tell."""
        return {}

    def form(self, table: str) -> str:
        """How this side writes the rows of a table, when the other one has to follow; else ""."""
        return ""

    def numbered(self, table: str) -> tuple[str, ...]:
        """`Asked.numbered` of a table; only live sides are asked."""
        return ()

    def rows(self, asked: Asked) -> Iterator[Row]:
        """Every row. Raises OutOfTime."""
        raise NotImplementedError(self.hidden_why)

    def digest(self, asked: Asked) -> str:
        """One digest over the rows as they are stored, "" when this side has none at hand. Raises OutOfTime."""
        return ""

    def stream(self, asked: Asked, rows: Iterable[Row]) -> Iterator[bytes]:
        """Rows as the bytes of one object, which the vendor's half of `lifecycle.patches` reads again."""
        raise NotImplementedError(self.hidden_why)

    def newest(self, asked: Asked) -> datetime | None:
        """The newest time of the rows that `rows` went through, or of all; None when that is not known."""
        return None

    def sample(self, asked: Asked, wanted: int) -> list[Row]:
        """About so many rows from different places of a table that has a key. Raises OutOfTime."""
        raise NotImplementedError(self.hidden_why)

    def find(self, asked: Asked, rows: Sequence[Row]) -> dict[bytes, bytes]:
        """Of a sample's rows those whose key is here: the row here, by key. Only live sides are asked."""
        raise NotImplementedError(self.hidden_why)
