"""Setting single rows right: how they are named, read and compared, and the one transaction in which they change.

A row is named by its primary key, and what it holds is compared by the digest of its whole content. Both are worded in
SQL of the vendor and come out the same whoever asks: when a plan is made, and in the transaction that does it.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

from opsconsole.engines.structure import Field, Relation

FIXED = "_opsconsole_fixed"  # our table of images of rows in a managed database
Key = tuple[str, ...]  # a text for each column; of SQLite, a literal of its SQL


@dataclass(frozen=True, kw_only=True)
class Image:
    """One row. `content` is everything it holds, in a form of the vendor by which it can be put back exactly."""

    key: Key
    content: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the content, 64 hexadecimal digits."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Aim:
    """A row as it must be found; `values` are what columns get, None for NULL."""

    key: Key
    digest: str
    values: tuple[str | None, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One encrypted image in our table."""

    part: int
    place: int
    sealed: str


def key_of(relation: Relation) -> tuple[str, ...]:
    """The columns of the primary key; none where there is none."""
    return next((key.columns for key in relation.keys if key.primary), ())


class Wording(ABC):
    """How a vendor's SQL says it. Tables have an alias in all of it."""

    vendor: ClassVar[str]

    @abstractmethod
    def column(self, name: str, alias: str) -> str:
        """An expression whose value is the text that stands for a column in a `Key`; NULL for NULL."""

    @abstractmethod
    def content(self, relation: Relation) -> str:
        """An expression for the content of a row of the one table that is asked, by the alias t."""

    @abstractmethod
    def value(self, expression: str, field: Field) -> str:
        """An expression for the text of what a column would get."""

    @abstractmethod
    def any_of(self, relation: Relation, keys: Sequence[Key], alias: str) -> str:
        """A boolean: the row has one of these keys."""

    @abstractmethod
    def statement(self, relation: Relation, columns: Sequence[str], *, delete: bool) -> str:
        """What is run for rows of a table, as people read it: columns get values, or the rows go."""

    @abstractmethod
    def content_of(self, raw: Any) -> bytes:
        """The content, of what `content` gave."""

    @abstractmethod
    def held(self, relation: Relation, content: bytes) -> dict[str, Any]:
        """The values that a content holds, by column, for people; what is computed by the database may be missing."""

    @abstractmethod
    def kept_in(self, home: str) -> str:
        """Our table of images in SQL; `home` is the schema that it is in, where the vendor has schemas."""

    @abstractmethod
    def is_ours(self, home: str) -> str:
        """A SELECT of whether that table is one, as we made it; of no row when nothing of that name is there."""

    def shown(self, value: str | None) -> Any:
        """What `value` gave, for people."""
        return value

    @abstractmethod
    def is_sound(self, value: str | None) -> bool:
        """Whether what `value` gave can be nothing but a value."""


class Fixing(ABC):
    """One open transaction beside which nobody writes into the tables it was opened for.

    It is rolled back unless `commit` is reached. Methods raise OperationFailed where a rule of the database is in the
    way, and TargetProblem.
    """

    @abstractmethod
    def images(self, relation: Relation, keys: Sequence[Key]) -> list[Image]:
        """The rows with these keys that are there, as they are now, in no order."""

    @abstractmethod
    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of one SELECT of ours."""

    @abstractmethod
    def delete(self, relation: Relation, aims: Sequence[Aim]) -> int:
        """Delete the rows that are as they must be found; how many."""

    @abstractmethod
    def update(self, relation: Relation, columns: Sequence[str], aims: Sequence[Aim]) -> int:
        """Give columns of such rows their values; how many rows."""

    @abstractmethod
    def unlike(self, relation: Relation, columns: Sequence[str], aims: Sequence[Aim]) -> int:
        """How many rows, by their keys, are not there or do not hold the values that their columns were to get."""

    @abstractmethod
    def insert(self, relation: Relation, contents: Sequence[bytes]) -> int:
        """Put rows in again that are not there; how many."""

    @abstractmethod
    def put_back(self, relation: Relation, aims: Sequence[Aim], contents: Sequence[bytes]) -> int:
        """Give the rows that are as they must be found what they held before, but their keys; how many."""

    @abstractmethod
    def quiet(self, relation: Relation) -> AbstractContextManager[None]:
        """While it lasts, no trigger that somebody made fires for rows of the table; `hasten` comes before.

        Raises OperationFailed where the console's role may not.
        """

    @abstractmethod
    def keep(self, operation_id: int, kept: Sequence[Kept]) -> None:
        """Put images into our table, which is made when it is not there."""

    @abstractmethod
    def forget(self, operation_id: int) -> None:
        """Take the images of an operation out of it; a table that is empty then goes as well."""

    @abstractmethod
    def hasten(self) -> None:
        """Have triggers fire and checks made that wait for the end, from now on at once. Raises OperationFailed."""

    @abstractmethod
    def settle(self) -> None:
        """`hasten`, and have all keys hold again. Raises OperationFailed."""

    @abstractmethod
    def witness(self, operation_id: int, fence: int) -> Mapping[str, Any]:
        """What a later process needs to see whether this was committed."""

    @abstractmethod
    def commit(self) -> None: ...
