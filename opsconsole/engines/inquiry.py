"""Asking a database many things about one moment of it, without being able to change anything.

Whoever looks for faults of data asks here. Everything that one inquiry is asked sees the same rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from opsconsole.engines.scripting import Value


class AskFailed(Exception):
    """One question got no answer; others may be asked. `why` is the database's own message in one line.

    `code` is the SQLSTATE, or SQLite's name of the error; `timeout` and `locked` say what would help.
    """

    def __init__(self, why: str, *, code: str = "", timeout: bool = False, locked: bool = False) -> None:
        super().__init__(why)
        self.why, self.code, self.timeout, self.locked = why, code, timeout, locked


class Inquiry(ABC):
    """One moment of a database. Not for two threads at once; `beside` gives another one of the same moment."""

    vendor: ClassVar[str]  # postgresql or sqlite

    @abstractmethod
    def ask(self, sql: str, values: Sequence[Value] = (), *, seconds: float = 0.0) -> list[tuple[Any, ...]]:
        """The rows of one SELECT (or PRAGMA) of ours, whose placeholders are `?` when there are values.

        `seconds` bounds this one question (0: as the inquiry does). Raises AskFailed, and TargetProblem when the
        session is lost.
        """

    @abstractmethod
    def ask_people(self, statement: str, *, seconds: float = 0.0, most: int = 1000) -> list[dict[str, Any]]:
        """The first `most` rows of a SELECT that holds SQL of people, each by its columns' names. Values are
        those of JSON, but for fractions, which are texts.

        It runs with the rights to read and no others, one statement and nothing behind it. Raises like `ask`, and
        AskFailed where these rights cannot be given up.
        """

    @abstractmethod
    def beside(self) -> AbstractContextManager[Inquiry]:
        """Another session, for another thread, at the same moment where the vendor can."""

    @abstractmethod
    def ticked(self, tick: Callable[[], None]) -> AbstractContextManager[None]:
        """Call `tick` some times a second while questions are answered; what it raises ends them and comes out here."""
