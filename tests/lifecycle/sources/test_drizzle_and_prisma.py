"""The real drizzle-kit, drizzle-orm and prisma judge: twins, one migrated by the tool and one by us, come out alike.

Then each goes on with what the other has left. How often a tool starts is kept low, since each start costs a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lifecycle.sources.base import Entry, Folder, State
from lifecycle.sources.drizzle import Drizzle
from lifecycle.sources.drizzle1 import Drizzle1
from lifecycle.sources.prisma import Prisma
from opsconsole.engines.scripting import ScriptFailed
from tests.lifecycle.sources import test_drizzle, test_drizzle1, test_prisma
from tests.lifecycle.sources.contract import APPLIED, BROKEN, ONE, THREE, TWO, Target
from tests.lifecycle.sources.test_drizzle import BREAK
from tests.lifecycle.sources.test_drizzle1 import FIRST
from tests.support.tools import Tools, lay

TAGS = "CREATE TABLE tags (id integer PRIMARY KEY, note integer REFERENCES notes(id) ON DELETE CASCADE);"
FILL = f"INSERT INTO notes (id, body) VALUES (1, 'a');{BREAK}INSERT INTO tags VALUES (1, 1);"
REBUILD = {
    "sqlite": f"PRAGMA foreign_keys=OFF;{BREAK}CREATE TABLE new (id integer PRIMARY KEY, body text);{BREAK}"
    f"INSERT INTO new SELECT * FROM notes;{BREAK}DROP TABLE notes;{BREAK}ALTER TABLE new RENAME TO notes;{BREAK}"
    "PRAGMA foreign_keys=ON;",
    "postgresql": f"-- nothing here{BREAK}ALTER TABLE notes ADD COLUMN more text; SELECT 1;{BREAK}",
}


def url_of(target: Target) -> str:
    return target.url if target.place.engine == "postgresql" else f"file:{target.place.database}"


def alike(target: Target, twin: Target, folder: Folder, but: Sequence[str] = ()) -> bool:
    """Same schema and same ledger; in columns whose values are of their moment, NULL stands at the same places."""

    def told(each: Target) -> list[dict[str, Any]]:
        return [
            {name: (value is None) if name in but else value for name, value in row.items()} for row in each.raw(folder)
        ]

    assert told(target) == told(twin)
    assert target.schema() == twin.schema()
    return True


def rows_of(target: Target) -> list[tuple[Any, ...]]:
    with target.script(read_only=True) as script:
        return script.ask("SELECT note FROM tags")


class TestDrizzle:
    source, d1 = Drizzle(), False

    def test_it_finds_what_it_would_have_done_itself(
        self, target: Target, twin: Target, tools: Tools, tmp_path: Path
    ) -> None:
        engine = target.place.engine
        given = {"0000_a": (1000, ONE), "0001_b": (2000, f"{TAGS}{BREAK}{FILL}"), "0002_c": (3000, REBUILD[engine])}
        folder = test_drizzle.folder_of(given, engine, stray="")
        assert tools.drizzle(lay(folder.files, tmp_path / "out"), url_of(twin)).code == 0
        target.apply(folder)
        assert alike(target, twin, folder)
        assert rows_of(target) == rows_of(twin) == [(1,)]  # no cascade: foreign keys are off
        more = test_drizzle.folder_of({**given, "0003_past": (2500, BROKEN), "0004_new": (4000, THREE)}, engine)
        assert tools.drizzle(lay(more.files, tmp_path / "out"), url_of(target)).code == 0
        assert twin.states(more) == [APPLIED, APPLIED, APPLIED, State.SKIPPED, State.PENDING]
        twin.apply(more)
        assert alike(target, twin, more)


class TestDrizzle1:
    source, d1 = Drizzle1(), False

    def test_it_finds_what_it_would_have_done_itself(
        self, target: Target, twin: Target, tools: Tools, tmp_path: Path
    ) -> None:
        folder = test_drizzle1.folder_of({"20250101000000_a": ONE, "20250103000000_c": f"{TAGS}{BREAK}{FILL}"})
        ran = tools.drizzle1(lay(folder.files, tmp_path / "out"), url_of(twin))
        assert ran.code == 0, ran.text
        target.apply(folder)
        assert alike(target, twin, folder, but=["applied_at"])
        more = test_drizzle1.folder_of({"20250102000000_b": THREE, "20250101000000_a": ONE})  # between, and one gone
        assert tools.drizzle1(lay(more.files, tmp_path / "out"), url_of(target)).code == 0
        twin.apply(more)
        assert alike(target, twin, more, but=["applied_at"])

    def test_it_upgrades_a_ledger_of_0_x_as_we_do(
        self, target: Target, twin: Target, tools: Tools, tmp_path: Path
    ) -> None:
        times = {"a": FIRST + 123, "b": FIRST + 5001, "c": FIRST + 5999, "d": FIRST + 9000}
        texts = {"a": ONE, "b": "SELECT 2", "c": "SELECT 3", "d": TWO}
        for each in (target, twin):
            journal = test_drizzle.folder_of({tag: (times[tag], texts[tag]) for tag in times}, each.place.engine)
            Target(url=each.url, source=Drizzle(), place=each.place).apply(journal)
        names = ["20250101000000_a", "20250101000005_b", "20250101000005_c", "20250101010000_moved", "20250102000000_n"]
        folder = test_drizzle1.folder_of(dict(zip(names, [ONE, "SELECT 2", "SELECT 3", TWO, THREE], strict=True)))
        ran = tools.drizzle1(lay(folder.files, tmp_path / "out"), url_of(twin))
        assert ran.code == 0, ran.text
        target.apply(folder)
        assert alike(target, twin, folder, but=["applied_at"])


OF_THE_MOMENT = ["id", "started_at", "finished_at", "rolled_back_at", "logs"]
NAMES = ["1_a", "2_b", "add_c", "add_d"]


class TestPrisma:
    source, d1 = Prisma(), False

    def laid(self, target: Target, place: Path, *texts: str) -> tuple[Folder, Path]:
        given = dict(zip(NAMES, texts, strict=False))
        folder = test_prisma.folder_of(given, target.place.engine, stray=b"")
        return folder, lay(folder.files, place)

    def entry(self, target: Target, folder: Folder, number: int) -> Entry:
        return target.status(folder)[number]

    def forget(self, target: Target, folder: Folder, number: int) -> None:
        target.do(self.source.forget(self.entry(target, folder, number), target.ledger(folder), target.place, {}))

    def mark(self, target: Target, folder: Folder, number: int) -> None:
        migration = self.source.migrations(folder, target.place)[number]
        target.do(self.source.mark(migration, target.ledger(folder), target.place, {}))

    def test_it_leaves_and_finds_what_we_leave_and_find(
        self, target: Target, twin: Target, tools: Tools, tmp_path: Path
    ) -> None:
        broken, laid = self.laid(target, tmp_path / "out", ONE, BROKEN, THREE)
        assert tools.prisma(laid, url_of(twin), "deploy").code == 1
        with pytest.raises(ScriptFailed):
            target.apply(broken)
        assert alike(target, twin, broken, but=OF_THE_MOMENT)
        for each in (target, twin):
            assert self.entry(each, broken, 1).state == State.HALF
            self.forget(each, broken, 1)
        cascade = f"{THREE}{FILL}DELETE FROM notes;"
        mended, laid = self.laid(target, tmp_path / "out", ONE, TAGS, cascade)
        ran = tools.prisma(laid, url_of(target), "deploy")
        assert (ran.code, "All migrations have been successfully applied" in ran.text) == (0, True), ran.text
        twin.apply(mended)
        assert alike(target, twin, mended, but=OF_THE_MOMENT)
        assert rows_of(target) == rows_of(twin) == []  # foreign keys are on
        added, laid = self.laid(target, tmp_path / "out", ONE, TAGS, cascade, "SELECT 1;")
        assert tools.prisma(laid, url_of(target), "resolve", "--applied", NAMES[3]).code == 0
        self.mark(twin, added, 3)
        assert alike(target, twin, added, but=OF_THE_MOMENT)
        assert [row["logs"] for row in target.raw(added)][-1] == [row["logs"] for row in twin.raw(added)][-1] == ""

    @pytest.mark.nightly
    def test_its_own_words_for_what_we_refuse(self, target: Target, twin: Target, tools: Tools, tmp_path: Path) -> None:
        broken, laid = self.laid(target, tmp_path / "out", ONE, BROKEN)
        with pytest.raises(ScriptFailed):
            target.apply(broken)
        for words, code in {
            ("deploy",): "P3009",
            ("resolve", "--rolled-back", NAMES[0]): "P3012",
            ("resolve", "--rolled-back", "nobody"): "P3011",
            ("resolve", "--applied", NAMES[0]): "P3008",
        }.items():
            assert code in tools.prisma(laid, url_of(target), *words).text, words
        assert tools.prisma(laid, url_of(target), "resolve", "--rolled-back", NAMES[1]).code == 0
        assert self.entry(target, broken, 1).state == State.UNDONE
        mended, laid = self.laid(target, tmp_path / "out", ONE, TWO)
        assert tools.prisma(laid, url_of(target), "status").code == 0  # it does not tell of what deploy would apply
        target.apply(mended)
        assert tools.prisma(laid, url_of(target), "status").code == 0
        with twin.script() as script:
            script.run(ONE)
        assert "P3005" in tools.prisma(laid, url_of(twin), "deploy").text
        self.mark(twin, mended, 0)
        assert tools.prisma(laid, url_of(twin), "deploy").code == 0
        assert twin.states(mended) == [APPLIED, APPLIED]
