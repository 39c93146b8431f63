"""Asking a database many things about one moment of it, without being able to change anything.

Whoever looks for faults of data asks here. Everything that one inquiry is asked sees the same rows.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, TypeVar

from opsconsole.engines.scripting import Value

T = TypeVar("T")
TICK_SECONDS = 0.1
AGAIN_SECONDS = 0.1  # between two tries to end what was told to end
MOST_ANSWERED = 16 << 20  # bytes of all rows that a statement of people gives
_QUOTES = "\"'«»‹›„“”‚‘’「」『』"  # as databases quote values, in the languages that they speak
_QUOTED = re.compile(f"[{_QUOTES}].*[{_QUOTES}]|0x[0-9a-f]{{2}}( 0x[0-9a-f]{{2}})*", re.DOTALL)


class AskFailed(Exception):
    """One question got no answer; others may be asked. `why` is the database's own message in one line.

    `code` is the SQLSTATE, or SQLite's name of the error; `timeout` and `locked` say what would help. Of an error
    about a value, `why` says what is wrong with it and never quotes it.
    """

    def __init__(self, why: str, *, code: str = "", timeout: bool = False, locked: bool = False) -> None:
        super().__init__(why)
        self.why, self.code, self.timeout, self.locked = why, code, timeout, locked


class Inquiry(ABC):
    """One moment of a database. Not for two threads at once; `beside` gives another one of the same moment."""

    vendor: ClassVar[str]  # postgresql or sqlite

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._tick: Callable[[], None] = lambda: None

    @abstractmethod
    def ask(self, sql: str, values: Sequence[Value] = (), *, seconds: float = 0.0) -> list[tuple[Any, ...]]:
        """The rows of one SELECT (or PRAGMA) of ours, whose placeholders are `?` when there are values.

        `seconds` bounds this one question (0: as the inquiry does). All rows are held in memory: ask for few. Raises
        AskFailed, after which other questions may be asked; and TargetProblem when the session, and with it the
        moment, is lost.
        """

    @abstractmethod
    def ask_people(self, statement: str, *, seconds: float = 0.0, most: int = 1000) -> list[dict[str, Any]]:
        """The first `most` rows of a SELECT that holds SQL of people, each by its columns' names. Values are
        those of JSON, but for fractions, which are texts.

        It runs with the rights to read and no others, one statement and nothing behind it, and whatever it did is
        rolled back. Raises like `ask`, and AskFailed where these rights cannot be given up, or where the rows are
        larger than MOST_ANSWERED altogether.
        """

    @abstractmethod
    def beside(self) -> AbstractContextManager[Inquiry]:
        """Another session, for another thread, at the same moment. Raises AskFailed where the moment is gone: on
        SQLite, when somebody has committed since.
        """

    def tick(self) -> None:
        """Call what `ticked` was given: for whoever waits for something else than an answer."""
        self._tick()

    @contextmanager
    def ticked(self, tick: Callable[[], None]) -> Iterator[None]:
        """Call `tick` some times a second while questions are answered; what it raises ends them and comes out here."""
        before, self._tick = self._tick, tick
        try:
            yield
        finally:
            self._tick = before


def without_values(said: str) -> str:
    """A message without what it quotes. A value may hold quotes itself: all between the outermost ones goes."""
    return _QUOTED.sub("…", said)


def attended(work: Callable[[], T], look: Callable[[], None], end: Callable[[], None]) -> T:
    """Do `work` in a thread of its own and call `look` some times a second meanwhile.

    What `look` raises ends the work, by `end` (which is called until the work has ended), and comes out here.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="asking") as thread:
        running = thread.submit(work)
        try:
            while wait([running], TICK_SECONDS).not_done:
                look()
        except BaseException:
            while not running.done():
                end()
                wait([running], AGAIN_SECONDS)
            raise
        return running.result()
