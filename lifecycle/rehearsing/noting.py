"""A script that notes what it runs: seconds per statement, the failing one, and how long which table was locked."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from lifecycle.rehearsing import d1
from lifecycle.rehearsing.steps import Step, steps_of
from lifecycle.rehearsing.values import Failure, StatementRecord
from lifecycle.sources.acts import Act, Unit
from opsconsole.engines.scripting import Script, ScriptFailed, Value
from opsconsole.engines.sqlite.script import statements
from opsconsole.engines.surveying import Held

SHOWN = 300  # characters of a statement
MOST_OF_FAILING = 4000  # of the one that failed
NOBODY = "the ledger"


@dataclass
class Notes:
    """What is noted while units run. `locks` are by `TableState.number`: the strongest mode, and milliseconds."""

    look: Callable[[], Held]
    names: Mapping[str, str]  # what people call migrations, by key
    statements: list[StatementRecord] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    locks: dict[str, tuple[str, int]] = field(default_factory=dict)
    failure: Failure | None = None
    unit: Unit | None = None
    act: Act | None = None
    _held: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def migration(self) -> str:
        """The name of the migration whose text runs now."""
        key = self.act.migration if self.act else ""
        return self.names.get(key, key)

    def turn_to(self, unit: Unit, act: Act) -> None:
        self.unit, self.act = unit, act

    def see_locks(self, since: float) -> None:
        """Note what is held now; what was not held when we looked last came after `since`."""
        for number, mode in self.look().items():
            first = self._held.get(number, (mode, since))[1]
            self._held[number] = (mode, first)

    def locks_end(self) -> None:
        """The transaction is over."""
        for number, (mode, since) in self._held.items():
            held = round((time.monotonic() - since) * 1000)
            if held >= self.locks.get(number, ("", -1))[1]:
                self.locks[number] = (mode, held)
        self._held.clear()

    def ran(
        self, text: str, line: int, seconds: float, *, rows: int | None = None, failed: ScriptFailed | None = None
    ) -> None:
        shown = text.strip()[:SHOWN]
        self.statements.append(
            StatementRecord(
                migration=self.migration,
                line=line,
                text=shown,
                ms=round(seconds * 1000),
                failed=failed is not None,
                rows=rows,
            )
        )
        if failed is not None:
            self.fail(failed, line, text.strip()[:MOST_OF_FAILING])

    def fail(self, error: ScriptFailed, line: int = 0, text: str = "") -> None:
        """Note the first failure; a later one comes of the first."""
        self.failure = self.failure or Failure(
            migration=self.migration,
            title=self.unit.title if self.unit else "",
            line=line,
            text=text,
            why=error.why,
            code=error.code,
        )


class Noting(Script):
    """Runs each text in steps where that means the same."""

    def __init__(self, inner: Script, notes: Notes) -> None:
        self._inner, self._notes = inner, notes

    @abstractmethod
    def run(self, text: str, *, tick: Callable[[], None] = lambda: None) -> int | None: ...

    def ask(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        return self._inner.ask(sql, values)

    def write(self, sql: str, values: Sequence[Value] = ()) -> int:
        try:
            return self._inner.write(sql, values)
        except ScriptFailed as error:
            self._notes.fail(error, text=sql)
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        try:
            with self._inner.transaction():
                yield
        except ScriptFailed as error:
            self._notes.fail(error, text="COMMIT")
            raise
        finally:
            self._notes.locks_end()

    @property
    def in_transaction(self) -> bool:
        return self._inner.in_transaction

    def _one(self, step: Step, tick: Callable[[], None], *, whole: bool = False) -> int | None:
        """Run and note one statement, or a whole text, of whose rows nothing is known by statement."""
        began = time.monotonic()
        try:
            rows = self._inner.run(step.text, tick=tick)
        except ScriptFailed as error:
            line = step.line + max(error.line, 1) - 1
            self._notes.ran(step.text, line, time.monotonic() - began, failed=error)
            raise ScriptFailed(error.why, code=error.code, line=line, locked=error.locked) from error
        self._notes.ran(step.text, step.line, time.monotonic() - began, rows=None if whole else rows)
        return rows


class NotingPostgres(Noting):
    """A text of several statements is one implicit transaction there; here it is an explicit one, step by step."""

    vendor: ClassVar[str] = "postgresql"

    def run(self, text: str, *, tick: Callable[[], None] = lambda: None) -> int | None:
        steps, why = steps_of(text)
        if why:
            return self._whole(text, why, tick)
        if self.in_transaction:
            return self._all(steps, tick)
        with self.transaction():
            return self._all(steps, tick)

    def _all(self, steps: Sequence[Step], tick: Callable[[], None]) -> int | None:
        rows = None
        for step in steps:
            began = time.monotonic()
            rows = self._one(step, tick)
            self._notes.see_locks(began)
        return rows

    def _whole(self, text: str, why: str, tick: Callable[[], None]) -> int | None:
        self._notes.whole.append(f"{self._notes.migration or NOBODY}: {why}")

        def seeing() -> None:
            tick()
            self._notes.see_locks(time.monotonic())

        try:
            rows = self._one(Step(text, 1), seeing, whole=True)
            if self.in_transaction:
                self._notes.see_locks(time.monotonic())
            return rows
        finally:
            if not self.in_transaction:
                self._notes.locks_end()


class NotingSqlite(Noting):
    """SQLite runs statement by statement anyway. With `as_d1`, what D1 refuses is refused."""

    vendor: ClassVar[str] = "sqlite"

    def __init__(self, inner: Script, notes: Notes, *, as_d1: bool) -> None:
        super().__init__(inner, notes)
        self._as_d1 = as_d1

    def run(self, text: str, *, tick: Callable[[], None] = lambda: None) -> int | None:
        rows = None
        for line, statement in statements(text):
            code = d1.COMMENTS.sub("", statement)
            step = Step(code, line + statement[: len(statement) - len(code)].count("\n"))
            if self._as_d1 and (why := d1.refusal(step.text)):
                error = ScriptFailed(why, code="d1", line=step.line)
                self._notes.ran(step.text, step.line, 0.0, failed=error)
                raise error
            rows = self._one(step, tick)
        return rows
