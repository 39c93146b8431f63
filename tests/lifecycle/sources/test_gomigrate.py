"""golang-migrate's folders and its ledger of one row, as its source and its runs have it."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle.sources.base import Folder, Ledger, Migration, Place, Row, State
from lifecycle.sources.gomigrate import GolangMigrate, lock_number, pieces
from opsconsole.engines.scripting import ScriptFailed
from opsconsole.exceptions import Refused
from tests.lifecycle.sources.contract import APPLIED, BROKEN, ONE, PENDING, THREE, TWO, SourceContract, Target

HERE = Place(engine="postgresql", database="shop")
DOWNS = ["DROP TABLE notes;", "DROP TABLE tags;", "ALTER TABLE notes DROP COLUMN extra;"]


def folder_of(**texts: str) -> Folder:
    files = {name.replace("__", ".") + ".sql": text.encode() for name, text in texts.items()}
    return Folder(name="migrations", files=files)


def listed(folder: Folder) -> tuple[Migration, ...]:
    return GolangMigrate().migrations(folder, HERE)


class TestGolangMigrate(SourceContract):
    source = GolangMigrate()
    gone_stops = True
    late = State.APPLIED  # it knows only how far it came
    after_failure = (APPLIED, State.HALF, PENDING)
    after_kill = (APPLIED, State.HALF, PENDING)

    def folder(self, *texts: str | None) -> Folder:
        names = ["1_notes", "02_tags", "10_extra"]
        given = [each for each in zip(names, texts, DOWNS, strict=False) if each[1] is not None]
        ups = {f"{name}__up": str(text) for name, text, _ in given}
        return folder_of(**ups, **{f"{name}__down": down for name, _, down in given})

    def rows(self, target: Target, folder: Folder) -> list[dict[str, Any]]:
        return [{"version": 10, "dirty": 0 if target.place.engine == "sqlite" else False}]

    def test_a_killed_run_leaves_what_the_tool_leaves(self, target: Target) -> None:
        """On PostgreSQL a file has committed by itself, before its version is written as clean."""
        self.tables_after_kill = {"notes", "tags"} if target.place.engine == "postgresql" else {"notes"}
        super().test_a_killed_run_leaves_what_the_tool_leaves(target)

    def raw_row(self, target: Target, version: int, dirty: bool) -> list[dict[str, Any]]:
        return [{"version": version, "dirty": int(dirty) if target.place.engine == "sqlite" else dirty}]

    def test_its_table_is_made_in_its_own_words(self, target: Target) -> None:
        target.apply(self.folder(ONE))
        ledger = [line for line in target.schema() if "schema_migrations" in str(line)]
        if target.place.engine == "sqlite":
            assert [line[3] for line in ledger] == [
                "CREATE UNIQUE INDEX version_unique ON schema_migrations (version)",
                "CREATE TABLE schema_migrations (version uint64,dirty bool)",
            ]
        else:
            columns = [
                (line[3], line[4], line[5]) for line in ledger if len(line) > 1 and line[1] == "schema_migrations"
            ]
            assert sorted(columns) == [("dirty", "boolean", True), ("version", "bigint", True)]

    def test_the_way_down_ends_with_no_row_and_its_failure_with_a_dirty_one(self, target: Target) -> None:
        folder = self.folder(ONE, TWO)
        target.apply(folder)
        assert self.take_back(target, folder) == self.raw_row(target, 1, dirty=False)
        broken = folder_of(**{"1_notes__up": ONE, "1_notes__down": "DROP TABLE nowhere;"})
        with pytest.raises(ScriptFailed):
            self.take_back(target, broken)
        assert target.raw(broken) == self.raw_row(target, -1, dirty=True)
        status = target.status(broken)
        assert [entry.state for entry in status] == [State.HALF, PENDING]
        assert self.source.refusals(status, target.ledger(broken))[0][0] == "half_applied"
        target.do(self.source.mark(listed(broken)[0], target.ledger(broken), target.place, {}))
        assert self.take_back(target, folder) == []
        assert target.tables() == set()

    def take_back(self, target: Target, folder: Folder) -> list[dict[str, Any]]:
        last = [entry for entry in target.status(folder) if entry.state == APPLIED][-1]
        target.do(self.source.down(last, target.ledger(folder), target.place, {}))
        return target.raw(folder)

    def test_a_dirty_version_is_marked_or_forgotten(self, target: Target) -> None:
        folder = self.folder(ONE, BROKEN, THREE)
        for act, expected in (("mark", 2), ("forget", 1)):
            with pytest.raises(ScriptFailed):
                target.apply(folder)
            assert target.raw(folder) == self.raw_row(target, 2, dirty=True)
            half = target.status(folder)[1]
            unit = getattr(self.source, act)(
                half.migration if act == "mark" else half, target.ledger(folder), target.place, {}
            )
            target.do(unit)
            assert target.raw(folder) == self.raw_row(target, expected, dirty=False)
            if act == "mark":
                target.do(self.source.forget(target.status(folder)[1], target.ledger(folder), target.place, {}))

    def test_a_version_without_its_file_is_stepped_over_in_both_ways(self, target: Target) -> None:
        folder = folder_of(**{"1_a__down": "DROP TABLE notes;", "2_b__up": ONE, "3_c__up": " \n"})
        target.apply(folder)
        assert (target.tables(), target.raw(folder)) == ({"notes"}, self.raw_row(target, 3, dirty=False))
        assert self.take_back(target, folder) == self.raw_row(target, 2, dirty=False)
        assert self.take_back(target, folder) == self.raw_row(target, 1, dirty=False)
        assert target.tables() == {"notes"}


def test_each_statement_stands_alone_only_when_asked_for() -> None:
    text = "CREATE INDEX CONCURRENTLY a ON t (x);\nSELECT ';';\n"
    migrations, ledger = listed(folder_of(**{"1_a__up": text})), Ledger(table="public.schema_migrations", exists=True)
    units = [
        GolangMigrate().apply(migrations, ledger, HERE, options)[0] for options in ({}, {"multi_statement": "true"})
    ]
    assert [[act.sql for act in unit.scripts] for unit in units] == [[text], pieces(text)]
    assert pieces(text) == ["CREATE INDEX CONCURRENTLY a ON t (x);", "\nSELECT ';", "';"]
    assert [[phase.transaction for phase in unit.phases] for unit in units] == [[True, False, True]] * 2


def test_files_are_told_by_their_names_and_two_of_a_version_refused() -> None:
    folder = folder_of(
        **{"2_b__up": "", "0010_c__up": "", "1_a__down": "", "sub/3_d__up": "", "x_4__up": "", "5_e": ""}
    )
    assert [(each.key, each.name, each.facts["previous"]) for each in listed(folder)] == [
        ("1", "1_a", ""), ("2", "2_b", "1"), ("10", "0010_c", "2"),
    ]  # fmt: skip
    with pytest.raises(Refused, match=r"0002_a.up.sql and 2_b.up.sql are both version 2"):
        listed(folder_of(**{"0002_a__up": "", "2_b__up": "", "2_b__down": ""}))


def test_a_version_is_not_left_out_because_it_would_never_run_afterwards() -> None:
    migrations = listed(folder_of(**{"1_a__up": ONE, "2_b__up": TWO, "3_c__up": THREE}))
    at_one = Ledger(table="public.schema_migrations", exists=True, rows=(Row(key="1"),))
    with pytest.raises(Refused, match="comes after version 2"):
        GolangMigrate().apply(migrations[2:], at_one, HERE, {})
    (unit,) = GolangMigrate().apply(migrations[1:2], at_one, HERE, {})
    assert not GolangMigrate().landed(unit, at_one)
    assert GolangMigrate().landed(unit, Ledger(table="t", exists=True, rows=(Row(key="3"),)))
    assert not GolangMigrate().landed(unit, Ledger(table="t", exists=True, rows=(Row(key="2", failed=True),)))


def test_its_lock_is_taken_under_the_names_of_the_command_and_of_the_library() -> None:
    taken = [act.values[0] for act in GolangMigrate().locks(HERE, {})]
    assert taken == [
        lock_number("/shop", "public", "schema_migrations"),
        lock_number("shop", "public", "schema_migrations"),
    ]
    assert GolangMigrate().locks(Place(engine="sqlite", database="shop"), {}) == ()
