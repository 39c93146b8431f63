"""The contract of a reader: it understands what somebody else wrote, and gives its rows by table.

Readers run in a child process of few rights and limits of its own (`lifecycle.documents.inspecting`), so that a hostile
file costs nothing but that child. They import neither Django nor a database driver, and hold one row in memory at most.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar

from lifecycle.documents.base import Problem, Row

LONGEST_TEXT = 1000  # characters of a problem; names in it may be as long as somebody likes
MOST_DEFINED = 1 << 20  # characters of all definitions
MOST_APPLIED = 10_000  # names in a ledger


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file as somebody gave it, already unwrapped (gz, zst, age). `name` is what they called it, without a path."""

    name: str
    size: int  # bytes as unwrapped, where that is known, else 0
    open: Callable[[], BinaryIO]  # from the beginning, seekable, as often as wanted
    path: str = ""  # by which a library can open it as a file, in this process only

    def beginning(self, size: int = 1 << 16) -> bytes:
        """Its first bytes."""
        with self.open() as stream:
            return stream.read(size)


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What a file says of itself before its rows."""

    version: int | None = None
    version_name: str = ""
    exported_at: str = ""
    engine: str = ""
    texts: bool = False  # as in Summary


@dataclass
class Findings:
    """What a reader has to tell, filled while it reads; complete once its rows have been exhausted."""

    heading: Heading = field(default_factory=Heading)
    problems: list[Problem] = field(default_factory=list)
    types: dict[str, Mapping[str, str]] = field(default_factory=dict)  # table -> column -> the source's type
    definitions: dict[str, str] = field(default_factory=dict)  # as in Summary
    ledger: list[str] = field(default_factory=list)  # as in Summary
    definitions_left: int = MOST_DEFINED  # how many characters more are kept; once there are none, nothing is

    def define(self, kind: str, name: str, text: str) -> None:
        """Tell a definition as it stands there. A schema that is too large to be told is not told in part."""
        self.definitions_left -= len(name) + len(text)
        if self.definitions_left < 0:
            self.define_nothing()
        else:
            self.definitions[_clean(f"{kind} {name}")] = _clean(text)

    def define_nothing(self) -> None:
        """What was told is not the source's schema, or not all of it."""
        self.definitions_left = 0
        self.definitions.clear()

    def applied(self, name: str) -> None:
        """Tell one name of the ledger."""
        if len(self.ledger) < MOST_APPLIED:
            self.ledger.append(_clean(name[:LONGEST_TEXT]))

    def warn(self, code: str, text: str, next_step: str = "") -> None:
        self._tell("warning", code, text, next_step)

    def note(self, code: str, text: str, next_step: str = "") -> None:
        self._tell("note", code, text, next_step)

    def refuse(self, code: str, text: str, next_step: str = "") -> None:
        self._tell("error", code, text, next_step)

    def _tell(self, level: str, code: str, text: str, next_step: str) -> None:
        shown = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}..."
        self.problems.append(Problem(level=level, code=code, text=shown, next_step=next_step))


def _clean(text: str) -> str:
    """A text that JSON and every database can hold: what is no character is replaced."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


class Reader(ABC):
    """One format that others write."""

    name: ClassVar[str]  # goes into Summary.format
    label: ClassVar[str]

    @abstractmethod
    def recognises(self, files: Sequence[SourceFile]) -> bool:
        """Whether the content (never the name alone) is of this format. Reads no more than the beginnings."""

    @abstractmethod
    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Iterator[tuple[str, Row | None]]:
        """(table, row) in the order of the files; (table, None) where a table begins, so that empty ones are seen too.

        A table may come in several parts. Raises OperationFailed("unreadable") when the content is not what it seemed.
        """
