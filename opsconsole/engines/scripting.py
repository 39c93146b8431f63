"""The session in which SQL of others runs as it is written: migrations, and the ledger rows of their tools.

A script's text is never parsed, trimmed or given parameters. What differs between vendors is said at the methods; the
real tools behave so too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

Value = str | int | float | bool | bytes | datetime | None


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long a script may wait or work, in seconds; 0 is without limit."""

    lock: float = 5.0  # for a lock on a table; then `ScriptFailed.locked` is set, and the script may be tried again
    statement: float = 0.0


USUAL = Patience()


class ScriptFailed(Exception):
    """The database refused a text. `why` is its own message in one line, without values of rows.

    `code` is the SQLSTATE, or SQLite's name of the error; `line` is 1-based within the text, 0 when it is not known.
    """

    def __init__(self, why: str, *, code: str = "", line: int = 0, locked: bool = False) -> None:
        super().__init__(why)
        self.why, self.code, self.line, self.locked = why, code, line, locked


class Script(ABC):
    """One open session. Outside `transaction`, every statement commits by itself as the vendor does it."""

    vendor: ClassVar[str]  # postgresql or sqlite

    @abstractmethod
    def run(self, text: str, *, tick: Callable[[], None] = lambda: None) -> int | None:
        """Run a text as it is, which may hold any number of statements, or none.

        Gives back how many rows its last statement wrote, None when that wrote no rows of tables.

        PostgreSQL takes it as one simple query: outside a transaction, its statements are one implicit transaction
        (a single CREATE INDEX CONCURRENTLY works, two statements with it fail). SQLite runs statement after statement,
        and those before a failing one stay. `tick` is called about ten times a second and ends the text by raising.
        Raises ScriptFailed, and TargetProblem when the session is lost.
        """

    @abstractmethod
    def ask(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement of ours, whose placeholders are `?` for every vendor. Raises like `run`."""

    @abstractmethod
    def write(self, sql: str, values: Sequence[Value] = ()) -> int:
        """Run one statement of ours with `?` placeholders; gives back how many rows it wrote. Raises like `run`."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing. Raises ScriptFailed when a text inside has ended the transaction by itself.

        On SQLite it takes the write lock at once (BEGIN IMMEDIATE).
        """

    @property
    @abstractmethod
    def in_transaction(self) -> bool: ...
