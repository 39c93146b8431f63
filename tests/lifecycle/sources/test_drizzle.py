"""Drizzle 0.x's folders and ledger: what it does was seen with drizzle-kit 0.31 and drizzle-orm 0.45."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lifecycle.sources.base import Folder, Ledger, Place, State
from lifecycle.sources.detection import detect
from lifecycle.sources.drizzle import Drizzle
from lifecycle.sources.drizzle1 import Drizzle1
from opsconsole.engines.scripting import ScriptFailed
from opsconsole.exceptions import Refused, Usage
from tests.lifecycle.sources.contract import APPLIED, BROKEN, ONE, PENDING, THREE, TWO, SourceContract, Target

BREAK = "\n--> statement-breakpoint\n"
PG = Place(engine="postgresql", database="shop")
SQLITE = Place(engine="sqlite", database="shop")


def folder_of(given: Mapping[str, tuple[int, str]], dialect: str = "sqlite", **more: str) -> Folder:
    """Files by tag, each with its time and text, in the journal's order; `more` are files beside them."""
    entries = [
        {"idx": number, "version": "7", "when": when, "tag": tag, "breakpoints": True}
        for number, (tag, (when, _)) in enumerate(given.items())
    ]
    journal = {"version": "7", "dialect": dialect, "entries": entries}
    files = {"meta/_journal.json": json.dumps(journal).encode()} | {f"{name}.sql": b"" for name in more}
    return Folder(name="drizzle", files=files | {f"{tag}.sql": text.encode() for tag, (_, text) in given.items()})


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class TestDrizzle(SourceContract):
    source = Drizzle()
    edited = State.EDITED
    late = State.SKIPPED
    after_failure = (PENDING, PENDING, PENDING)
    tables_after_failure = set()
    after_kill = (PENDING, PENDING, PENDING)
    tables_after_kill = set()

    def folder(self, *texts: str | None) -> Folder:
        """A journal that both dialects' tests take: the place's own is put in by `of`."""
        given = {f"000{number}_x": (number * 1000, text) for number, text in enumerate(texts, 1) if text is not None}
        return folder_of(given, self.dialect)

    @pytest.fixture(autouse=True)
    def _dialect(self, request: pytest.FixtureRequest) -> None:
        target = request.getfixturevalue("target") if "target" in request.fixturenames else None
        self.dialect = target.place.engine if target else "sqlite"

    def rows(self, target: Target, folder: Folder) -> list[dict[str, Any]]:
        """Its id counts on PostgreSQL; on SQLite, where SERIAL is nothing, it stays NULL."""
        return [
            {
                "id": number if target.place.engine == "postgresql" else None,
                "hash": hashlib.sha256(folder.files[f"000{number}_x.sql"]).hexdigest(),
                "created_at": number * 1000,
            }
            for number in (1, 2, 3)
        ]

    def test_a_file_of_the_past_is_skipped_for_ever_and_said_so(self, target: Target) -> None:
        given = {"0000_a": (2000, ONE), "0001_b": (3000, TWO)}
        target.apply(folder_of(given, self.dialect))
        late = folder_of(
            {**given, "0002_c": (1000, THREE), "0003_d": (3000, THREE), "0004_e": (4000, THREE)}, self.dialect
        )
        *_, past, equal, new = target.status(late)
        assert (past.state, equal.state, new.state) == (State.SKIPPED, State.SKIPPED, PENDING)
        assert "never look at it" in past.sentence and past.sentence != new.sentence
        target.apply(late)
        assert [entry.state for entry in target.status(late)][2:] == [State.SKIPPED, State.SKIPPED, APPLIED]
        target.do(self.source.mark(past.migration, target.ledger(late), target.place, {}))  # type: ignore[arg-type]
        assert target.states(late)[2] == APPLIED

    def test_what_a_rewritten_journal_would_run_again_is_told_and_refused(self, target: Target) -> None:
        target.apply(folder_of({"0000_young": (1000, ONE), "0001_b": (2000, TWO)}, self.dialect))
        again = folder_of({"0000_lying": (5000, ONE), "0001_c": (1500, TWO), "0002_d": (1600, THREE)}, self.dialect)
        states = {entry.name: (entry.state, entry.sentence) for entry in target.status(again)}
        assert states["0000_lying"][0] == PENDING and "run it again" in states["0000_lying"][1]
        assert states["0001_c"][0] == APPLIED and "another time" in states["0001_c"][1]
        assert states["0002_d"][0] == State.SKIPPED
        ((code, why, _),) = self.source.refusals(target.status(again), target.ledger(again))
        assert code == "would_run_again" and "0000_lying" in why
        target.do(self.source.mark(target.status(again)[0].migration, target.ledger(again), target.place, {}))  # type: ignore[arg-type]
        assert self.source.refusals(target.status(again), target.ledger(again)) == []
        assert {entry.name: entry.state for entry in target.status(again)}["1000"] == State.UNKNOWN  # the older row

    def test_two_custom_files_of_one_text_are_two_migrations(self, target: Target) -> None:
        empty = "-- Custom SQL migration file, put your code below! --"
        folder = folder_of({"0000_a": (1000, f"{ONE}--\n{empty}"), "0001_b": (2000, "SELECT 1")}, self.dialect)
        target.apply(folder)
        more = folder_of(
            {"0000_a": (1000, f"{ONE}--\n{empty}"), "0001_b": (2000, "SELECT 1"), "0002_c": (3000, "SELECT 1")},
            self.dialect,
        )
        assert "Not applied yet" in target.status(more)[2].sentence

    def test_only_the_newest_row_can_be_forgotten(self, target: Target) -> None:
        folder = self.folder(ONE, TWO, THREE)
        target.apply(folder)
        with pytest.raises(Refused, match="no effect"):
            self.source.forget(target.status(folder)[0], target.ledger(folder), target.place, {})
        target.do(self.source.forget(target.status(folder)[2], target.ledger(folder), target.place, {}))
        assert len(target.raw(folder)) == 2

    def test_a_table_of_1_x_is_never_written_to(self, target: Target) -> None:
        folder = self.folder(ONE)
        target.apply(folder)
        ledger = target.ledger(folder)
        with target.script() as script:
            script.write(f"ALTER TABLE {ledger.table} ADD COLUMN name text")
        ledger, more = target.ledger(folder), self.folder(ONE, TWO)
        assert self.source.refusals(target.status(more), ledger)[0][0] == "ledger_of_drizzle_1"
        pending = self.source.migrations(more, target.place)[1]
        for verb in (self.source.mark, lambda each, *rest: self.source.apply([each], *rest)):
            with pytest.raises(Refused, match="run again"):
                verb(pending, ledger, target.place, {})

    def test_pieces_run_as_they_are(self, target: Target) -> None:
        text = f"{ONE}\n{TWO}{BREAK}-- nothing here{BREAK}\n  {THREE}{BREAK}"
        folder = folder_of({"0000_a": (1, text)}, self.dialect)
        said = [
            sentence for _, sentence in self.source.remarks(self.source.migrations(folder, target.place), target.place)
        ]
        if target.place.engine == "postgresql":
            assert said == []  # one simple query takes any number of statements, and none
        else:
            assert len(said) == 3 and "Part 1 of 4 holds 2 statements" in said[0] and "only the first" in said[0]
            assert "Part 2 of 4 holds no statement" in said[1] and "Part 4 of 4" in said[2]
        target.apply(folder)
        assert target.tables() == {"notes", "tags"}
        assert target.raw(folder)[0]["hash"] == sha256(text)

    def test_a_file_that_would_end_the_transaction_is_refused(self, target: Target) -> None:
        folder = self.folder(ONE, f"{TWO}{BREAK}/* so */ Commit;")
        with pytest.raises(Refused, match="has COMMIT in line 5"):
            target.apply(folder)
        assert not target.ledger(folder).exists
        kept = "SAVEPOINT a; ROLLBACK TO a; -- COMMIT;\nINSERT INTO notes VALUES (1, 'COMMIT;'); RELEASE a;"
        target.apply(self.folder(ONE, kept))

    def test_a_trigger_is_one_statement_of_a_piece(self, target: Target) -> None:
        text = "CREATE TRIGGER t AFTER INSERT ON notes BEGIN SELECT 1; SELECT 2; END;\n-- done; really"
        folder = folder_of({"0000_a": (1, text)}, self.dialect)
        assert self.source.remarks(self.source.migrations(folder, target.place), target.place) == []

    def test_foreign_keys_are_off_as_libsqls_client_has_them(self, target: Target) -> None:
        target.apply(self.folder(ONE, TWO))
        with target.script() as script:
            script.run("INSERT INTO notes VALUES (1, 'a'); INSERT INTO tags VALUES (1, 1);")
        rebuild = (
            "PRAGMA foreign_keys=OFF;"
            if self.dialect == "sqlite"
            else "ALTER TABLE tags DROP CONSTRAINT tags_note_fkey;"
        )
        text = f"{rebuild}{BREAK}DROP TABLE notes;{BREAK}{ONE}"
        target.apply(self.folder(ONE, TWO, text))
        with target.script() as script:
            assert script.ask("SELECT id, note FROM tags") == [(1, 1)]


def test_the_journal_decides_which_files_there_are_and_their_order() -> None:
    folder = folder_of({"0001_b": (2, "b\r\n"), "0000_a": (1, "\ufeffa")}, stray="", other="")
    found = Drizzle().migrations(folder, SQLITE)
    assert [(each.name, each.key, each.sha256) for each in found] == [
        ("0001_b", "2", sha256("b\r\n")),
        ("0000_a", "1", sha256("\ufeffa")),
    ]
    assert [each.key for each in Drizzle().migrations(folder_of({"a": (1, ""), "b": (1, "")}), SQLITE)] == ["1", "1/2"]


def test_an_older_journal_of_pg_is_taken() -> None:
    entries = [{"idx": 0, "version": "5", "when": 1, "tag": "0000_a", "breakpoints": False}]
    journal = {"version": "5", "dialect": "pg", "entries": entries}
    folder = Folder(name="d", files={"meta/_journal.json": json.dumps(journal).encode(), "0000_a.sql": b"SELECT 1"})
    assert [each.name for each in Drizzle().migrations(folder, PG)] == ["0000_a"]


@pytest.mark.parametrize(
    ("files", "place", "why"),
    [
        ({"meta/_journal.json": b"{"}, SQLITE, "cannot be read"),
        ({}, SQLITE, "cannot be read"),
        ({"meta/_journal.json": b'{"dialect": "mysql", "entries": []}'}, SQLITE, "for mysql databases"),
        ({"meta/_journal.json": b'{"dialect": "sqlite", "entries": []}'}, PG, "for sqlite databases"),
        ({"meta/_journal.json": b'{"dialect": "sqlite", "entries": [{"tag": "a", "when": 1}]}'}, SQLITE, "a.sql"),
        ({"meta/_journal.json": b'{"dialect": "sqlite", "entries": [{"tag": "a", "when": "x"}]}'}, SQLITE, "'x'"),
    ],
)  # fmt: skip
def test_a_folder_that_drizzle_would_not_take_is_refused(files: dict[str, bytes], place: Place, why: str) -> None:
    with pytest.raises(Refused) as refused:
        Drizzle().migrations(Folder(name="d", files=files), place)
    assert why in str(vars(refused.value))


def test_what_a_choice_would_skip_for_ever_is_known() -> None:
    folder = folder_of({"a": (1, ""), "b": (2, "x"), "c": (3, "y")})
    files = Drizzle().migrations(folder, SQLITE)
    entries = Drizzle().compare(files, Ledger(table="t", exists=False, facts={"newest": None}))
    assert [each.name for each in Drizzle().passed_over([files[2]], entries)] == ["a", "b"]
    assert Drizzle().passed_over(files[:2], entries) == []


def test_a_row_without_a_time_stops_everything_on_postgresql(postgres: Any) -> None:
    name = postgres.create_database()
    target = Target(url=postgres.url(name), source=Drizzle(), place=PG)
    folder = folder_of({"0000_a": (1, ONE)}, "postgresql")
    target.apply(folder)
    postgres.run("UPDATE drizzle.__drizzle_migrations SET created_at = NULL", name)
    refusals = Drizzle().refusals(target.status(folder), target.ledger(folder))
    assert refusals[0][0] == "row_without_time"


CONFIGS = {
    "drizzle.config.ts": """
        import { defineConfig } from 'drizzle-kit'; // out: "./wrong"
        export default defineConfig({ dialect: "postgresql", /* out: 'wrong' */ out: './db/migrations/',
          dbCredentials: { url: "postgres://x//y" }, migrations: { table: 'applied', schema: "public" } });
    """,
    "drizzle.config.json": json.dumps({"dialect": "sqlite", "migrations": {"table": "t"}}),
    "drizzle-d1.config.js": "module.exports = { out: process.env.OUT }",
    "other.config.ts": "out: 'nothing'",
}


def test_its_configuration_names_folder_and_ledger() -> None:
    files = {name: text.encode() for name, text in CONFIGS.items()}
    project = Folder(name="p", files=files | {"db/migrations/meta/_journal.json": b'{"dialect": "postgresql"}'})
    assert Drizzle1().configured(project) == [{"dir": "drizzle"}, {"dir": "drizzle", "table": "t"}]
    said = {"table": "applied", "schema": "public"}
    assert Drizzle().configured(project) == [{"dir": "db/migrations", **said}]
    found = detect(project, [], PG)
    assert (found.tool, dict(found.folder.options)) == ("drizzle", said)
    newer = Folder(name="p", files=files | {"db/migrations/20250101000000_a/migration.sql": b""})
    found = detect(newer, [], PG)
    assert (found.tool, dict(found.folder.options)) == ("drizzle1", said)


def test_a_ledger_in_another_place_is_used_and_an_unsafe_name_refused() -> None:
    migrations = Drizzle().migrations(folder_of({"a": (1, ONE)}, "postgresql"), PG)
    none = Ledger(table="public.applied", exists=False)
    unit = Drizzle().apply(migrations, none, PG, {"schema": "public", "table": "applied"})[0]
    assert 'CREATE SCHEMA IF NOT EXISTS "public"' in unit.always[0].acts[0].sql
    assert 'INSERT INTO "public"."applied" ("hash", "created_at")' in unit.phases[0].acts[-1].sql
    with pytest.raises(Usage):
        Drizzle().apply(migrations, none, PG, {"table": 'x"; DROP TABLE y'})


def test_on_d1_foreign_keys_stay_on_as_drizzles_driver_for_it_has_them(tmp_path: Path) -> None:
    place = Place(engine="sqlite", database="shop", d1=True)
    sqlite3.connect(tmp_path / "shop.sqlite").close()
    target = Target(url=f"sqlite:///{tmp_path}/shop.sqlite?flavour=d1", source=Drizzle(), place=place)
    with pytest.raises(ScriptFailed, match="FOREIGN KEY"):
        target.apply(folder_of({"a": (1, f"{ONE}{BREAK}{TWO}{BREAK}INSERT INTO tags VALUES (1, 7)")}))
    assert target.tables() == set()


def test_what_cannot_run_in_a_transaction_never_runs(postgres: Any) -> None:
    target = Target(url=postgres.url(postgres.create_database()), source=Drizzle(), place=PG)
    with pytest.raises(ScriptFailed, match="cannot run inside a transaction"):
        target.apply(folder_of({"a": (1, ONE), "b": (2, "CREATE INDEX CONCURRENTLY i ON notes (body)")}, "postgresql"))
    assert target.tables() == set()


def test_broken_text_leaves_the_ledger_and_nothing_else(postgres: Any) -> None:
    target = Target(url=postgres.url(postgres.create_database()), source=Drizzle(), place=PG)
    folder = folder_of({"a": (1, ONE), "b": (2, BROKEN)}, "postgresql")
    with pytest.raises(ScriptFailed):
        target.apply(folder)
    assert target.ledger(folder).exists and target.raw(folder) == []
