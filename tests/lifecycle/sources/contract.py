"""What every source promises. A tool's tests inherit `SourceContract`, say what its files and rows look like, and add
what is its own.

```python
class TestWrangler(SourceContract):
    source = Wrangler()

    def folder(self, *texts): ...
    def rows(self, target, folder): ...
```
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from lifecycle.migrating.running import Watch, execute, execute_all
from lifecycle.sources import reading
from lifecycle.sources.acts import Act, Unit, unit_from
from lifecycle.sources.base import Entry, Folder, Ledger, Place, Source, State
from opsconsole.engines import engine_class_for, open_engine
from opsconsole.engines.base import Engine
from opsconsole.engines.scripting import Script, ScriptFailed
from opsconsole.exceptions import Refused

ONE = "CREATE TABLE notes (id integer PRIMARY KEY, body text);\n"
TWO = "-- tags of notes\nCREATE TABLE tags (id integer PRIMARY KEY, note integer REFERENCES notes(id));\n"
THREE = "ALTER TABLE notes ADD COLUMN extra text;\n"
BROKEN = "CREATE TABLE half (id integer);\nINSERT INTO nowhere VALUES (1);\n"
APPLIED, PENDING = State.APPLIED, State.PENDING


class Like:
    """Equal to every value of which the claim is true."""

    def __init__(self, claim: Callable[[Any], bool], said: str) -> None:
        self._claim, self._said = claim, said

    def __eq__(self, other: object) -> bool:
        return self._claim(other)

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return self._said


MOMENT = Like(lambda value: reading.moment(value) is not None, "a moment")
UTC_SECONDS = Like(lambda value: bool(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", str(value))), "seconds")
COUNT = Like(lambda value: isinstance(value, int) and value >= 0, "a count")


@dataclass
class Target:
    """An empty database, and one source that works on it."""

    url: str
    source: Source
    place: Place

    @property
    def engine(self) -> Engine:
        return open_engine(engine_class_for(self.url).parse(self.url, roots=[Path("/")]), "opsconsole/1/1")

    @contextmanager
    def script(self, *, read_only: bool = False) -> Iterator[Script]:
        with self.engine.script(read_only=read_only, foreign_keys=self.source.foreign_keys) as opened:
            yield opened

    def ledger(self, folder: Folder) -> Ledger:
        with self.script(read_only=True) as script:
            return self.source.ledger(script, self.place, folder.options)

    def status(self, folder: Folder) -> tuple[Entry, ...]:
        return self.source.compare(self.source.migrations(folder, self.place), self.ledger(folder))

    def states(self, folder: Folder) -> list[State]:
        return [entry.state for entry in self.status(folder)]

    def units(self, folder: Folder) -> list[Unit]:
        """What applying everything does, as it comes back out of a plan."""
        ledger = self.ledger(folder)
        pending = [each.migration for each in self.status(folder) if each.state in (State.PENDING, State.UNDONE)]
        assert self.source.refusals(self.status(folder), ledger) == []
        units = self.source.apply([each for each in pending if each], ledger, self.place, folder.options)
        return [unit_from(json.loads(json.dumps(unit.to_json()))) for unit in units]

    def apply(self, folder: Folder, watch: Watch | None = None) -> None:
        units = self.units(folder)
        with self.script() as script:
            execute_all(script, units, watch)

    def do(self, unit: Unit) -> None:
        with self.script() as script:
            execute(script, unit)

    def raw(self, folder: Folder) -> list[dict[str, Any]]:
        return [dict(row.raw) for row in self.ledger(folder).rows]

    def tables(self) -> set[str]:
        """Our own tables: the ledger left out."""
        return {table.name for table in self.engine.tables()} & {"notes", "tags", "half"}

    def schema(self) -> list[tuple[Any, ...]]:
        """Everything that there is, in the database's own words; equal for twins."""
        with self.script(read_only=True) as script:
            if script.vendor == "sqlite":
                return sorted(script.ask("SELECT type, name, tbl_name, sql FROM sqlite_master"), key=str)
            return sorted(script.ask(_COLUMNS) + script.ask(_INDEXES), key=str)


_COLUMNS = (
    "SELECT n.nspname::text, c.relname::text, a.attnum, a.attname::text, format_type(a.atttypid, a.atttypmod),"
    " a.attnotnull, pg_get_expr(d.adbin, d.adrelid) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema') AND a.attnum > 0 AND NOT a.attisdropped"
)
_INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname NOT IN ('pg_catalog', 'pg_toast', 'information_schema')"


class SourceContract:
    """Three migrations of three tables; numbers in names of attributes count from one."""

    source: ClassVar[Source]
    d1: ClassVar[bool] = False  # whether its SQLite is D1's
    edited: ClassVar[State] = State.APPLIED  # what an edited file of an applied migration is, by the tool's own word
    edited_stops: ClassVar[bool] = False
    gone_stops: ClassVar[bool] = False  # an applied migration whose file is gone
    late: ClassVar[State] = State.PENDING  # the second of three, when the first and third are applied
    after_failure: ClassVar[Sequence[State]] = (APPLIED, PENDING, PENDING)  # the second one failed
    tables_after_failure: ClassVar[set[str]] = {"notes"}
    after_kill: ClassVar[Sequence[State]] = (APPLIED, PENDING, PENDING)  # after the second's script, before its end
    tables_after_kill: ClassVar[set[str]] = {"notes"}

    def folder(self, *texts: str | None) -> Folder:
        """The tool's folder with these texts, first to last; None leaves out the file of that number."""
        raise NotImplementedError

    def rows(self, target: Target, folder: Folder) -> list[dict[str, Any]]:
        """What the tool's ledger holds once all of the folder is applied, every column."""
        raise NotImplementedError

    def test_all_of_a_folder_applies_and_its_rows_are_the_tools(self, target: Target) -> None:
        folder = self.folder(ONE, TWO, THREE)
        before = target.ledger(folder)
        assert (before.exists, target.states(folder)) == (False, [PENDING] * 3)
        assert not target.ledger(folder).exists  # looking makes no table
        target.apply(folder)
        assert target.states(folder) == [APPLIED] * 3
        assert target.units(folder) == []
        assert target.tables() == {"notes", "tags"}
        assert target.raw(folder) == self.rows(target, folder)
        after = target.ledger(folder)
        assert after.exists and after.digest == target.ledger(folder).digest != before.digest

    def test_a_ledger_says_which_units_are_done(self, target: Target) -> None:
        folder = self.folder(ONE, TWO, THREE)
        units = target.units(folder)
        for number in range(len(units) + 1):
            ledger = target.ledger(folder)
            assert [target.source.landed(unit, ledger) for unit in units] == [n < number for n in range(len(units))]
            if number < len(units):
                target.do(units[number])

    def test_a_failing_second_file_leaves_what_the_tool_leaves(self, target: Target) -> None:
        folder = self.folder(ONE, BROKEN, THREE)
        with pytest.raises(ScriptFailed, match="nowhere"):
            target.apply(folder)
        assert target.states(folder) == list(self.after_failure)
        assert target.tables() == self.tables_after_failure
        stops = target.source.refusals(target.status(folder), target.ledger(folder))
        assert bool(stops) == (State.HALF in self.after_failure)

    def test_a_killed_run_leaves_what_the_tool_leaves(self, target: Target) -> None:
        folder = self.folder(ONE, TWO, THREE)
        second = target.source.migrations(folder, target.place)[1].key
        assert killed(target, folder, second) == -signal.SIGKILL
        assert target.states(folder) == list(self.after_kill)
        assert target.tables() == self.tables_after_kill

    def test_marking_runs_nothing_and_forgetting_takes_it_back(self, target: Target) -> None:
        folder = self.folder(ONE, TWO, THREE)
        for migration in target.source.migrations(folder, target.place):
            target.do(target.source.mark(migration, target.ledger(folder), target.place, folder.options))
        assert (target.states(folder), target.tables()) == ([APPLIED] * 3, set())
        last = target.status(folder)[-1]
        with pytest.raises(Refused):
            target.source.mark(last.migration, target.ledger(folder), target.place, folder.options)  # type: ignore[arg-type]
        target.do(target.source.forget(last, target.ledger(folder), target.place, folder.options))
        assert target.states(folder) == [APPLIED, APPLIED, PENDING]
        with pytest.raises(Refused):
            target.source.forget(target.status(folder)[-1], target.ledger(folder), target.place, folder.options)

    def test_edited_gone_and_late_files_are_told_as_the_tool_sees_them(self, target: Target) -> None:
        first = self.folder(ONE, None, THREE)
        target.apply(first)
        late = self.folder(ONE, TWO, THREE)
        assert [entry.state for entry in target.status(late)] == [APPLIED, self.late, APPLIED]
        assert len({entry.sentence for entry in target.status(late)}) > 1
        edited = self.folder(ONE + "\n", None, THREE)
        assert target.states(edited) == [self.edited, APPLIED]
        assert self.stops(target, edited) == self.edited_stops
        gone = self.folder(ONE, None, None)
        assert target.states(gone) == [APPLIED, State.UNKNOWN]
        assert self.stops(target, gone) == self.gone_stops

    @staticmethod
    def stops(target: Target, folder: Folder) -> bool:
        return bool(target.source.refusals(target.status(folder), target.ledger(folder)))


def killed(target: Target, folder: Folder, key: str) -> int | None:
    """The exit code of a process that applies the folder and is killed when the script of `key` has run."""

    def die(unit: Unit, act: Act, seconds: float) -> None:
        if act.script and act.migration == key:
            os.kill(os.getpid(), signal.SIGKILL)

    return _exit_code(target, folder, Watch(after=die))


def killed_before(target: Target, folder: Folder, sql: str) -> int | None:
    """The same, killed before the first statement that begins so."""

    def die(unit: Unit, act: Act) -> None:
        if act.sql.startswith(sql):
            os.kill(os.getpid(), signal.SIGKILL)

    return _exit_code(target, folder, Watch(before=die))


def _exit_code(target: Target, folder: Folder, watch: Watch) -> int | None:
    process = multiprocessing.get_context("fork").Process(target=target.apply, args=(folder, watch))
    process.start()
    process.join(30)
    return process.exitcode
