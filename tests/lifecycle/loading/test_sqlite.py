"""Loading into real SQLite files of D1's shape: references hold, values stay as they came, merges keep children."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from lifecycle import loading
from lifecycle.formats.base import Archive
from lifecycle.loading import Options, RejectObject
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.storage import FolderStore
from tests.support import sqlite_files as files
from tests.support.fake_run import FakeRun
from tests.support.memory_documents import MemoryDocument

MORE = """
CREATE TABLE anything (id INTEGER PRIMARY KEY, value);
CREATE TABLE folders (id TEXT PRIMARY KEY, parent TEXT REFERENCES folders(id), size INTEGER CHECK (size > 0));
CREATE TABLE streaks (user_id TEXT PRIMARY KEY REFERENCES users(id), best INTEGER NOT NULL DEFAULT 7);
CREATE TABLE counters (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE ON CONFLICT REPLACE);
"""
ACCEPT = frozenset({"uncovered", "target_column"})


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """Three users with a quest each."""
    path = files.d1(tmp_path / "live.db", users=3)
    for statement in MORE.strip().split(";\n"):
        files.run_sql(path, statement)
    return path


@pytest.fixture
def load(live: Path, tmp_path: Path) -> Callable[..., Any]:
    def loading_of(document: MemoryDocument, **options: Any) -> Any:
        options.setdefault("accept", ACCEPT)
        engine, asked = files.engine(live, label="opsconsole/7/1"), Options(**options)
        found = loading.survey(engine, document, asked)
        place = RejectObject(
            archive=Archive(store=FolderStore(tmp_path / "store"), folder="restores/7", part="7.1"), key="rejects.zst"
        )
        with engine.hold() as lock:
            return loading.load(engine, lock, document, found, asked, FakeRun(7, 1, workdir=tmp_path), rejects=place)

    return loading_of


def user(number: int, **values: Any) -> dict[str, Any]:
    return {"id": f"u{number}", "email": f"new{number}@example.test", **values}


def test_rows_that_came_to_refer_to_what_is_emptied_are_not_lost_without_a_word(live: Path, tmp_path: Path) -> None:
    files.run_sql(live, "CREATE TABLE notes (counter INTEGER REFERENCES counters ON DELETE CASCADE)")
    files.run_sql(live, "INSERT INTO counters (id, name) VALUES (1, 'old')")
    document, asked = MemoryDocument({"counters": [{"id": 2, "name": "new"}]}), Options(accept=ACCEPT)
    engine = files.engine(live, label="opsconsole/7/1")
    found = loading.survey(engine, document, asked)
    files.run_sql(live, "INSERT INTO notes VALUES (1)")
    with engine.hold() as lock, pytest.raises(OperationFailed) as failure:
        loading.load(engine, lock, document, found, asked, FakeRun(7, 1, workdir=tmp_path))
    assert failure.value.code == "referred_meanwhile"
    assert files.rows(live, "SELECT counter FROM notes") == [(1,)]


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_the_record_of_a_migration_tool_stays_unless_somebody_says_yes(live: Path, load: Any, mode: str) -> None:
    files.run_sql(live, "CREATE TABLE _prisma_migrations (id TEXT PRIMARY KEY, checksum, migration_name, finished_at)")
    before = files.rows(live, "SELECT * FROM d1_migrations")
    assert before
    ledger = {"id": 7, "name": "0009_of_elsewhere.sql", "applied_at": "2026-01-01"}
    document = MemoryDocument({"counters": [{"id": 2, "name": "new"}], "d1_migrations": [ledger]})
    engine = files.engine(live, label="opsconsole/7/1")
    found = loading.survey(engine, document, Options(accept=frozenset(), mode=mode))
    assert {table: kept.rows for table, kept in found.kept_ledgers.items()} == {
        "d1_migrations": 1, "_prisma_migrations": None,
    }  # fmt: skip
    asked = {question.subject for question in found.questions}
    assert not asked & {"d1_migrations", "_prisma_migrations"} and [each.table for each in found.tables] == ["counters"]
    load(document, mode=mode)
    assert files.rows(live, "SELECT * FROM d1_migrations") == before
    facts = load(document, mode=mode, accept=ACCEPT | {"ledger"})
    assert set(facts["tables"]) == {"counters", "d1_migrations"}
    after = files.rows(live, "SELECT name FROM d1_migrations ORDER BY id")
    assert after[-1] == ("0009_of_elsewhere.sql",) and len(after) == 1 + (len(before) if mode == "merge" else 0)


def test_a_merge_of_a_parent_keeps_its_children_where_insert_or_replace_lost_them(live: Path, load: Any) -> None:
    lost = live.with_name("lost.db")
    lost.write_bytes(live.read_bytes())
    files.run_sql(
        lost, "PRAGMA foreign_keys=ON", "INSERT OR REPLACE INTO users (id, email) VALUES ('u0', 'new0@example.test')"
    )
    facts = load(MemoryDocument({"users": [user(0), user(9, emailVerified=True)]}), mode="merge")
    quests = "SELECT count(*) FROM quests WHERE user_id = 'u0'"
    assert (files.rows(lost, quests), files.rows(live, quests)) == ([(0,)], [(1,)])
    table = facts["tables"]["users"]
    assert (table["inserted"], table["updated"], table["after"]) == (1, 1, 4)
    assert files.rows(live, "SELECT email, emailVerified FROM users WHERE id IN ('u0', 'u9') ORDER BY 1") == [
        ("new0@example.test", None), ("new9@example.test", 1),
    ]  # fmt: skip


def test_a_replace_clears_exactly_what_is_covered_or_was_said_yes_to(live: Path, load: Any) -> None:
    with pytest.raises(Refused, match="3 rows of quests refer to users"):
        load(MemoryDocument({"users": [user(1)]}))
    load(MemoryDocument({"users": [user(1)]}), accept=ACCEPT | {"clear:quests"})
    assert files.rows(live, "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM quests)") == [(1, 0)]
    assert files.rows(live, "SELECT count(*) FROM _cf_KV") == [(1,)]
    assert files.integrity(live) == ["ok"]


def test_values_keep_their_storage_class_and_every_digit(live: Path, load: Any) -> None:
    given = [
        1, 1.5, Decimal("0.1"), Decimal("1.0"), "text", b"\x00\xff", None, True, "bad \udcff", 1 << 70,
        Decimal("3.14159265358979323846"), {"a": [Decimal("1.10")]}, "2026-01-05T12:00:00Z",
    ]  # fmt: skip
    load(MemoryDocument({"anything": [{"id": n, "value": value} for n, value in enumerate(given)]}))
    stored = files.rows(live, "SELECT typeof(value), CASE typeof(value) WHEN 'text' THEN hex(value) ELSE value END"
                              " FROM anything ORDER BY id")  # fmt: skip
    texts = [bytes.fromhex(value) if kind == "text" else value for kind, value in stored]
    assert texts == [
        1, 1.5, 0.1, 1.0, b"text", b"\x00\xff", None, 1, b"bad \xff", str(1 << 70).encode(),
        b"3.14159265358979323846", b'{"a":[1.10]}', b"2026-01-05T12:00:00Z",
    ]  # fmt: skip
    assert [kind for kind, _ in stored[:4]] == ["integer", "real", "real", "real"]


def test_rows_that_refer_to_one_another_go_in_whatever_their_order(live: Path, load: Any) -> None:
    rows = [{"id": "leaf", "parent": "twig"}, {"id": "twig", "parent": "root"}, {"id": "root", "parent": None}]
    load(MemoryDocument({"folders": rows, "streaks": [{"user_id": "u1"}]}))
    assert files.rows(live, "SELECT count(*), (SELECT best FROM streaks) FROM folders") == [(3, 7)]
    load(MemoryDocument({"folders": [{"id": "root", "parent": "leaf"}]}), mode="merge")
    assert files.rows(live, "SELECT parent FROM folders WHERE id = 'root'") == [("leaf",)]


@pytest.mark.parametrize(
    ("table", "rows", "which"),
    [
        ("streaks", [{"user_id": "u1"}, {"user_id": "u99"}], "Row 2 of streaks .*FOREIGN KEY constraint failed"),
        ("folders", [{"id": "a", "parent": "b"}], "Row 1 of folders .*refers to a row that is not there"),
        ("streaks", [{"user_id": "u1", "best": None}], "Row 1 of streaks .*NOT NULL constraint failed: streaks.best"),
        ("anything", [{"id": 1, "value": float("nan")}], "Row 1 of anything .*NaN"),
        ("counters", [{"id": 1, "name": "a"}, {"id": 2, "name": "a"}], "Row 2 of counters .*UNIQUE"),
    ],
)
def test_a_row_that_does_not_fit_stops_everything_and_is_named(
    live: Path, load: Any, table: str, rows: list[dict[str, Any]], which: str
) -> None:
    before = files.rows(live, f"SELECT * FROM {table}")
    with pytest.raises(OperationFailed, match=which):
        load(MemoryDocument({table: rows}))
    assert files.rows(live, f"SELECT * FROM {table}") == before


def test_rejected_rows_go_to_a_file_and_the_others_in(live: Path, load: Any, tmp_path: Path) -> None:
    folders = [
        {"id": "a", "parent": "b"}, {"id": "b", "parent": "c"}, {"id": "c", "parent": None, "size": -1},
        {"id": "d", "parent": "e"}, {"id": "e", "parent": None, "size": 1},
    ]  # fmt: skip
    document = MemoryDocument({"folders": folders, "streaks": [{"user_id": "u99"}, {"user_id": "u1", "best": 1}]})
    facts = load(document, on_reject="file")
    assert files.rows(live, "SELECT id FROM folders ORDER BY 1") == [("d",), ("e",)]
    assert files.rows(live, "SELECT user_id, best FROM streaks") == [("u1", 1)]
    stored = zstd.decompress((tmp_path / "store/restores/7/rejects.zst").read_bytes())
    assert [(e["table"], e["number"]) for e in map(json.loads, stored.splitlines())] == [
        ("folders", 1), ("folders", 2), ("folders", 3), ("streaks", 1),
    ]  # fmt: skip
    assert (facts["rejected"], facts["rows"]) == (4, 3)


def test_a_merge_refuses_a_key_that_stands_in_the_document_twice(live: Path, load: Any) -> None:
    with pytest.raises(OperationFailed, match=r"Row 2 of users .*its key is that of row 1 too"):
        load(MemoryDocument({"users": [user(1), user(1)]}), mode="merge")
    assert files.rows(live, "SELECT email FROM users WHERE id = 'u1'") == [("old1@example.test",)]


def test_numbers_go_on_behind_what_was_loaded(live: Path, load: Any) -> None:
    load(MemoryDocument({"counters": [{"id": 500, "name": "a"}]}))
    files.run_sql(live, "INSERT INTO counters (name) VALUES ('b')")
    assert files.rows(live, "SELECT max(id) FROM counters") == [(501,)]


def test_a_trigger_that_rolls_everything_back_is_no_success(live: Path, load: Any) -> None:
    files.run_sql(
        live, "CREATE TRIGGER no BEFORE INSERT ON anything WHEN NEW.id = 2 BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
    )
    with pytest.raises(OperationFailed, match="rolled the whole transaction back"):
        load(MemoryDocument({"anything": [{"id": n} for n in range(4)]}), on_reject="file")
    assert files.rows(live, "SELECT count(*) FROM anything") == [(0,)]


def test_a_preview_tells_by_key_what_would_be_lost_or_overwritten(live: Path) -> None:
    document = MemoryDocument({"users": [{"id": "u0", "email": "old0@example.test"}, user(1), user(9)], "quests": []})
    for mode, lost, emptied in (("replace", 1, 3), ("merge", 0, 0)):
        engine = files.engine(live)
        found = loading.preview(engine, document, loading.survey(engine, document, Options(mode=mode)))
        tables = {table.table: table for table in found.tables}
        users = tables["users"]
        assert (users.only_live, users.changed, users.only_other, users.exact) == (lost, 1, 1, True)
        assert (tables["quests"].only_live, tables["quests"].exact) == (emptied, True)
