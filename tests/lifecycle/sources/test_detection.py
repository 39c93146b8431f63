"""Whose folder it is: by its shape, the configuration around it and the ledger in the database; else it is asked."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lifecycle.sources.base import Folder, Place
from lifecycle.sources.detection import Detected, Unclear, detect
from lifecycle.sources.ledgers import FoundLedger, ledgers_in, tool_of
from lifecycle.sources.looking import Tree, candidates
from opsconsole.engines import engine_class_for, open_engine
from opsconsole.exceptions import Refused, Usage

POSTGRESQL = Place(engine="postgresql", database="shop")
SQLITE = Place(engine="sqlite", database="shop.db")
D1 = Place(engine="sqlite", database="shop.db", d1=True)


def brought(*paths: str) -> Folder:
    return Folder(name="repo", files=dict.fromkeys(paths, b"SELECT 1;\n"))


def holding(*tools: str) -> list[FoundLedger]:
    return [FoundLedger(tool=tool, schema="", table="t", usual=True) for tool in tools]


def found(folder: Folder, place: Place, *tools: str, tool: str = "", path: str = "") -> Detected:
    return detect(folder, holding(*tools), place, tool=tool, path=path)


def repo(**files: str) -> Folder:
    return Folder(name="repo", files={key.replace("|", "/"): text.encode() for key, text in files.items()})


SHAPES = [
    (repo(**{"db|meta|_journal.json": '{"dialect":"pg"}', "db|0000_x.sql": ""}), [("db", "drizzle")]),
    (repo(**{"p|migration_lock.toml": 'provider = "sqlite"', "p|add_x|migration.sql": ""}), [("p", "prisma")]),
    (brought("d/20250101000000_x/migration.sql", "d/20250101000000_x/snapshot.json"), [("d", "drizzle1")]),
    (brought("d/20250101000000_x/migration.sql"), [("d", "prisma")]),
    (brought("m/env.py", "m/versions/abc_x.py", "m/alembic.ini"), [("m", "alembic")]),
    (brought("app/migrations/__init__.py", "app/migrations/0001_initial.py"), [("app/migrations", "django")]),
    (repo(**{"00001_x.sql": "\n-- +goose Up\nSELECT 1;"}), [("", "goose")]),
    (repo(**{"db|2024_x.sql": "-- note\n-- migrate:up\n-- migrate:down"}), [("db", "dbmate")]),
    (brought("sql/V1_2__a_b.sql"), [("sql", "flyway")]),
    (brought("m/1_a.up.sql", "m/1_a.down.sql"), [("m", "sqlx")]),
    (brought("m/1_a.sql", "m/1_a.down.sql"), [("m", "plain")]),
    (brought("m/1_a.sql", "m/notes.md", "node_modules/x/1_a.sql", ".git/1_a.sql"), [("m", "sqlx")]),
    (brought("src/migrations/0001_a.ts"), [("src/migrations", "effect")]),
    (brought("README.md", "schema.sql"), []),
]


@pytest.mark.parametrize(("folder", "expected"), SHAPES, ids=lambda given: repr(given)[:40])
def test_a_shape_is_known_in_the_order_of_the_tools(folder: Folder, expected: list[tuple[str, str]]) -> None:
    assert [(each.path, each.tools[0]) for each in candidates(Tree(folder))] == expected


def test_a_ledger_decides_what_a_shape_leaves_open() -> None:
    plain = brought("m/0001_a.sql")
    for tool in ("wrangler", "sqlx", "plain"):
        one = found(plain, SQLITE, tool)
        assert (one.tool, one.path, one.confirmed) == (tool, "m", True)
        assert list(one.folder.files) == ["0001_a.sql"] and "holds the ledger" in one.because
    updown = brought("1_a.up.sql")
    assert found(updown, POSTGRESQL, "golang-migrate").tool == "golang-migrate"
    journal = Folder(name="r", files={"meta/_journal.json": b'{"dialect":"sqlite"}', "0000_a.sql": b""})
    assert (found(journal, D1, "drizzle").tool, found(journal, D1, "wrangler").tool) == ("drizzle", "wrangler")
    assert found(journal, SQLITE).tool == "drizzle"
    assert found(journal, D1).tool == "wrangler"  # which alone applies files to D1, whoever wrote them


def test_what_is_unclear_is_asked_with_the_choices() -> None:
    with pytest.raises(Unclear, match="tool=sqlx") as asked:
        found(brought("m/0001_a.sql"), SQLITE)
    assert (asked.value.parameter, [value for value, _ in asked.value.choices]) == (
        "tool",
        ["sqlx", "wrangler", "plain"],
    )
    assert found(brought("m/0001_a.sql"), SQLITE, tool="plain").tool == "plain"
    with pytest.raises(Unclear, match=r"ledger is of [Pp]risma"):
        found(brought("m/0001_a.sql"), SQLITE, "prisma")
    with pytest.raises(Unclear, match=r"path=a.*path=b") as asked:
        found(brought("a/0001_a.sql", "b/0001_a.sql"), SQLITE, tool="sqlx")
    assert asked.value.parameter == "path"
    assert found(brought("a/0001_a.sql", "b/0001_a.sql"), SQLITE, "sqlx", path="b/").path == "b"


def test_files_with_down_files_beside_them_are_no_tools_by_their_shape_alone() -> None:
    trap = brought("0001_x.sql", "0001_x.down.sql")
    with pytest.raises(Unclear) as asked:
        found(trap, D1)
    assert [value for value, _ in asked.value.choices] == ["plain", "sqlx", "wrangler"]
    assert found(trap, D1, "wrangler").tool == "wrangler"
    assert found(trap, POSTGRESQL, "plain").tool == "plain"


def test_d1_and_a_configuration_say_that_it_is_wranglers() -> None:
    assert found(brought("m/0001_a.sql"), D1).tool == "wrangler"
    repo = Folder(
        name="repo",
        files={
            "api/wrangler.toml": b'[[d1_databases]]\nmigrations_dir="sql"\nmigrations_table="done"\n'
            b'[[d1_databases]]\nmigrations_dir="orm"\nmigrations_pattern="orm/*/migration.sql"',
            "api/sql/0001_a.sql": b"",
            "api/orm/0001_a/migration.sql": b"",
        },
    )
    one = found(repo, SQLITE, path="api/sql")
    assert (one.tool, dict(one.folder.options)) == ("wrangler", {"table": "done"})
    other = found(repo, D1, path="api/orm")
    assert (other.tool, dict(other.folder.options)) == ("wrangler", {"pattern": "*/migration.sql"})


def test_a_configuration_around_it_gives_the_options_of_the_tool_that_fits() -> None:
    config = "export default defineConfig({ out: './db/out', dialect: 'postgresql', migrations: { table: 'done' } })"
    project = repo(**{"drizzle.config.ts": config, "db|out|meta|_journal.json": '{"dialect":"pg"}', "db|x|1_a.sql": ""})
    one = found(project, POSTGRESQL, path="db/out")
    assert (one.tool, dict(one.folder.options)) == ("drizzle", {"table": "done"})
    with pytest.raises(Unclear, match=r"path=db/out \(.*\); path=db/x"):
        found(project, POSTGRESQL)


def test_a_ledger_of_another_name_is_the_one_that_is_read() -> None:
    named = [FoundLedger(tool="drizzle", schema="app", table="done", usual=False)]
    journal = repo(**{"meta|_journal.json": '{"dialect":"pg"}'})
    assert dict(detect(journal, named, POSTGRESQL).folder.options) == {"table": "done", "schema": "app"}


def test_a_tool_that_is_not_taken_is_refused_with_the_reason_and_what_to_do() -> None:
    for folder in (SHAPES[4][0], SHAPES[5][0], SHAPES[6][0], SHAPES[8][0], SHAPES[12][0]):
        with pytest.raises(Refused) as refused:
            found(folder, POSTGRESQL)
        assert refused.value.code == "tool_refused" and refused.value.next_step
    beside = repo(
        **{"env.py": "", "versions|a.py": "", "sql|1_a.up.sql": "", "Cargo.toml": "[dependencies]\nsqlx = '1'"}
    )
    assert found(beside, POSTGRESQL).tool == "sqlx"
    with pytest.raises(Refused, match="Alembic"):
        found(beside, POSTGRESQL, "alembic")


def test_a_rust_project_says_that_it_is_sqlxs() -> None:
    rust = Folder(
        name="r", files={"Cargo.toml": b'[dependencies]\nsqlx = { version = "0.8" }', "migrations/1_a.sql": b""}
    )
    assert found(rust, POSTGRESQL).tool == "sqlx"


def test_folders_for_other_databases_are_left_out() -> None:
    both = Folder(
        name="repo",
        files={
            "pg/meta/_journal.json": b'{"dialect": "postgresql"}',
            "lite/meta/_journal.json": b'{"dialect": "sqlite"}',
            "my/meta/_journal.json": b'{"dialect": "mysql"}',
        },
    )
    assert [found(both, place).path for place in (POSTGRESQL, SQLITE)] == ["pg", "lite"]
    with pytest.raises(Refused, match="other databases: my"):
        found(Folder(name="r", files={"my/meta/_journal.json": b'{"dialect": "mysql"}'}), SQLITE)


def test_all_of_it_can_be_chosen_where_a_folder_within_could_be_meant_too() -> None:
    both = brought("1_a.sql", "sub/1_b.sql")
    with pytest.raises(Unclear, match=r"path=\. \(.*path=sub") as asked:
        found(both, SQLITE, tool="sqlx")
    chosen = found(both, SQLITE, tool="sqlx", path=asked.value.choices[0][0])
    assert (chosen.path, found(both, SQLITE, tool="sqlx", path=chosen.path).path) == (".", ".")
    assert "1_a.sql" in chosen.folder.files
    assert found(both, SQLITE, tool="sqlx", path="./sub/").path == "sub"


def test_what_was_said_is_taken_and_what_is_not_there_refused() -> None:
    assert found(brought("x/a.sql"), SQLITE, tool="wrangler", path="x").path == "x"
    with pytest.raises(Refused, match="No migrations of a known tool"):
        found(brought("x/a.sql"), SQLITE)
    with pytest.raises(Refused, match="no folder y"):
        found(brought("x/a.sql"), SQLITE, tool="wrangler", path="y")
    with pytest.raises(Refused, match="is for sqlite, and shop is postgresql"):
        found(brought("x/1_a.sql"), POSTGRESQL, tool="wrangler")
    with pytest.raises(Usage, match="no migration tool called nonsense"):
        found(brought("x/a.sql"), SQLITE, tool="nonsense")


LEDGERS = """
CREATE TABLE d1_migrations (id integer PRIMARY KEY, name text UNIQUE, applied_at text);
CREATE TABLE done (id integer PRIMARY KEY, name text, applied_at text);
CREATE TABLE __drizzle_migrations (id integer, hash text NOT NULL, created_at bigint);
CREATE TABLE newer (id integer, hash text, created_at bigint, name text, applied_at text);
CREATE TABLE _prisma_migrations (id text, checksum text, finished_at text, migration_name text, logs text,
    rolled_back_at text, started_at text, applied_steps_count integer);
CREATE TABLE _sqlx_migrations (version bigint, description text, installed_on text, success boolean, checksum text,
    execution_time bigint);
CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL);
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
CREATE TABLE people (id integer PRIMARY KEY, name text, applied_at text, email text);
CREATE TABLE version (version text);
"""
EXPECTED = {
    ("wrangler", "d1_migrations", True), ("wrangler", "done", False),
    ("drizzle1", "newer", False), ("prisma", "_prisma_migrations", True), ("sqlx", "_sqlx_migrations", True),
    ("golang-migrate", "schema_migrations", True), ("alembic", "alembic_version", True),
}  # fmt: skip


def test_a_restore_of_data_takes_no_table_of_people_for_a_ledger() -> None:
    """There a wrong guess would leave rows out: the name tells, or columns that no other table has."""
    named = {
        "d1_migrations": "wrangler", "_prisma_migrations": "prisma", "__drizzle_migrations": "drizzle1",
        "_sqlx_migrations": "sqlx", "schema_migrations": "golang-migrate",
    }  # fmt: skip
    assert {name: tool_of(name, frozenset({"x"})) for name in named} == named
    assert tool_of("schema_migrations", frozenset({"version"})) == "dbmate"
    moved = frozenset(["version", "description", "installed_on", "success", "checksum", "execution_time"])
    assert tool_of("my_history", moved) == "sqlx"
    assert [tool_of("coupons", frozenset(columns.split())) for columns in ("id name applied_at", "version dirty")] == [
        "",
        "",
    ]


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_ledgers_are_told_by_their_columns(vendor: str, tmp_path: Path, request: Any) -> None:
    if vendor == "sqlite":
        sqlite3.connect(tmp_path / "x.db").executescript(LEDGERS)
        url = f"sqlite:///{tmp_path}/x.db"
    else:
        server = request.getfixturevalue("postgres")
        url = server.url(server.create_database())
        with psycopg.connect(url) as session:
            session.execute(LEDGERS)
            session.execute("CREATE SCHEMA other; CREATE TABLE other.schema_migrations (version varchar PRIMARY KEY)")
    engine = open_engine(engine_class_for(url).parse(url, roots=[Path("/")]), "opsconsole/1/1")
    with engine.script(read_only=True) as script:
        seen = ledgers_in(script)
    rest = {("drizzle", "__drizzle_migrations", True)}
    if vendor == "postgresql":  # neither is where its tool looks by itself
        rest = {("drizzle", "__drizzle_migrations", False), ("dbmate", "schema_migrations", False)}
    assert {(each.tool, each.table, each.usual) for each in seen} == EXPECTED | rest
    assert {each.schema for each in seen} == ({"public", "other"} if vendor == "postgresql" else {""})


def test_rails_keeps_its_ledger_to_itself(tmp_path: Path) -> None:
    script = "CREATE TABLE schema_migrations (version varchar); CREATE TABLE ar_internal_metadata (key varchar);"
    sqlite3.connect(tmp_path / "x.db").executescript(script)
    url = f"sqlite:///{tmp_path}/x.db"
    engine = open_engine(engine_class_for(url).parse(url, roots=[Path("/")]), "opsconsole/1/1")
    with engine.script(read_only=True) as session:
        assert ledgers_in(session) == ()
