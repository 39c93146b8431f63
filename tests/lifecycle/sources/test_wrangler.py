"""Wrangler's folders and ledger: what it does was seen with wrangler 4.86 and its local D1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lifecycle.sources.base import Folder, Ledger, Place, State
from lifecycle.sources.wrangler import Wrangler
from opsconsole.engines.scripting import ScriptFailed
from opsconsole.exceptions import Refused, Usage
from tests.lifecycle.sources.contract import BROKEN, ONE, THREE, TWO, UTC_SECONDS, SourceContract, Target
from tests.support.tools import Tools, lay_wrangler, local_d1, put_local_d1

D1 = Place(engine="sqlite", database="shop", d1=True)


TRIGGER = (
    "CREATE TRIGGER t AFTER INSERT ON notes BEGIN\n"
    "  UPDATE notes SET body = CASE WHEN 1 THEN 'a;--b' END;\nEND;\n"
    "INSERT INTO notes VALUES (1, '/* ; */'); -- ; done"
)


def at(path: Path) -> Target:
    return Target(url=f"sqlite:///{path}?flavour=d1", source=Wrangler(), place=D1)


def schema_of(target: Target) -> list[tuple[Any, ...]]:
    """Everything but what belongs to D1's runtime, word for word."""
    return [row for row in target.schema() if not str(row[2]).startswith("_cf_")]


def names_in(target: Target) -> list[str]:
    return [row["name"] for row in target.raw(folder_of())]


def folder_of(**texts: str) -> Folder:
    return Folder(name="migrations", files={f"{name}.sql": text.encode() for name, text in texts.items()})


class TestWrangler(SourceContract):
    source = Wrangler()
    d1 = True

    def folder(self, *texts: str | None) -> Folder:
        names = ["0001_notes", "0002_tags", "0003_extra"]
        return folder_of(**{name: text for name, text in zip(names, texts, strict=False) if text is not None})

    def rows(self, target: Target, folder: Folder) -> list[dict[str, Any]]:
        return [
            {"id": number, "name": name, "applied_at": UTC_SECONDS}
            for number, name in enumerate(sorted(folder.files), 1)
        ]

    def test_a_file_of_nothing_but_comments_is_applied(self, target: Target) -> None:
        folder = folder_of(**{"0001_a": "-- nothing\n--> statement-breakpoint\n", "0002_b": ""})
        target.apply(folder)
        assert target.states(folder) == [State.APPLIED] * 2

    def test_a_transaction_written_out_is_taken_out_as_text(self, target: Target) -> None:
        folder = folder_of(**{"0001_a": f"BEGIN TRANSACTION;\n{ONE}COMMIT;\n-- COMMIT;"})
        assert "takes its BEGIN TRANSACTION" in self.remark(folder)
        target.apply(folder)
        assert target.tables() == {"notes"}

    def test_foreign_keys_cannot_be_switched_off_and_can_be_deferred(self, target: Target) -> None:
        target.apply(folder_of(**{"0001_a": ONE, "0002_b": TWO}))
        off = folder_of(**{"0003_c": "PRAGMA foreign_keys=OFF;\nINSERT INTO tags VALUES (1, 7);"})
        assert "no effect" in self.remark(off)
        with pytest.raises(ScriptFailed, match="FOREIGN KEY"):
            target.apply(off)
        assert target.tables() == {"notes", "tags"}
        deferred = "PRAGMA defer_foreign_keys=true;\nINSERT INTO tags VALUES (1, 7);\nINSERT INTO notes VALUES (7, '');"
        target.apply(folder_of(**{"0003_c": deferred}))

    def test_triggers_cases_and_quotes_stay_whole(self, target: Target) -> None:
        target.apply(folder_of(**{"0001_a": ONE + TRIGGER}))
        with target.script() as script:
            assert script.ask("SELECT body FROM notes") == [("a;--b",)]

    def test_wrangler_finds_what_it_would_have_done_itself(self, target: Target, tools: Tools, tmp_path: Path) -> None:
        texts = {
            "10_last.sql": "CREATE INDEX tags_note ON tags (note);\n-- the end",
            "9_tags.sql": f"--> statement-breakpoint\nBEGIN TRANSACTION;\n{TWO}COMMIT;\n",
            "0001_notes.sql": ONE + TRIGGER,
            "0002_nothing.sql": "-- nothing\n",
        }
        folder = Folder(name="m", files={name: text.encode() for name, text in texts.items()})
        lay_wrangler(tmp_path / "theirs", texts)
        assert tools.wrangler_apply(tmp_path / "theirs").code == 0
        target.apply(folder)
        theirs = local_d1(tmp_path / "theirs")
        assert (schema_of(target), names_in(target)) == (schema_of(at(theirs)), names_in(at(theirs)))
        assert names_in(target) == ["0001_notes.sql", "0002_nothing.sql", "9_tags.sql", "10_last.sql"]
        lay_wrangler(tmp_path / "ours", texts)
        put_local_d1(tmp_path / "ours", Path(target.place.database), theirs)
        listed = tools.wrangler(tmp_path / "ours", "migrations", "list", "DB", "--local")
        assert (listed.code, "No migrations to apply!" in listed.text) == (0, True), listed.text

    @pytest.mark.parametrize(
        "second",
        [
            pytest.param(BROKEN, id="failing"),
            pytest.param(f"{TWO}SELECT 1", id="without its semicolon", marks=pytest.mark.nightly),
        ],
    )
    def test_wrangler_stops_where_ours_stops(self, target: Target, tools: Tools, tmp_path: Path, second: str) -> None:
        folder = self.folder(ONE, second, THREE)
        lay_wrangler(tmp_path / "theirs", {name: data.decode() for name, data in folder.files.items()})
        assert tools.wrangler_apply(tmp_path / "theirs").code == 1
        with pytest.raises((ScriptFailed, Refused)):
            target.apply(folder)
        if second != BROKEN:  # ours says so beforehand, and to= takes what stands before it
            assert names_in(target) == []
            target.apply(self.folder(ONE))
        theirs = local_d1(tmp_path / "theirs")
        assert (schema_of(target), names_in(target)) == (schema_of(at(theirs)), names_in(at(theirs)))
        assert names_in(target) == ["0001_notes.sql"]

    def remark(self, folder: Folder) -> str:
        return " ".join(said for _, said in self.source.remarks(self.source.migrations(folder, D1), D1))

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (f"{ONE}SELECT 1", "no semicolon"),
            (f"{ONE}SELECT 1 -- ;", "no semicolon"),
            (f"BEGIN TRANSACTION;{ONE}COMMIT;\nBEGIN TRANSACTION;COMMIT;", "several transactions"),
            (f"/* a */ begin;\n{ONE}", "BEGIN"),
            ("SAVEPOINT x;", "SAVEPOINT"),
            (f"{ONE}\ncommit;", "COMMIT"),
            (f"{ONE}\n\n-- why\nVACUUM;", "line 5 has VACUUM"),
            ("PRAGMA journal_mode=WAL;", "PRAGMA JOURNAL_MODE"),
            ("CREATE TEMP TABLE x (a);", "temporary"),
        ],
    )
    def test_what_d1_refuses_is_refused_before_anything_runs(self, text: str, why: str) -> None:
        files = self.source.migrations(folder_of(**{"0001_a": text}), D1)

        with pytest.raises(Refused, match=why) as refused:
            self.source.apply(files, Ledger(table="d1_migrations", exists=False), D1, {})
        assert "0001_a.sql" in refused.value.why
        assert why in self.remark(folder_of(**{"0001_a": text}))


def names(*given: str, pattern: str = "") -> list[str]:
    options = {"pattern": pattern} if pattern else {}
    folder = Folder(name="m", files=dict.fromkeys(given, b""), options=options)
    return [each.key for each in Wrangler().migrations(folder, D1)]


def test_files_are_ordered_by_number_and_then_by_name() -> None:
    assert names("10_x.sql", "9_x.sql", "0020_b.sql", "0020_a.sql", "0100_z.sql", "x.SQL", "sub/1_y.sql", "a.txt") == [
        "9_x.sql",
        "10_x.sql",
        "0020_a.sql",
        "0020_b.sql",
        "0100_z.sql",
    ]
    assert names("b.sql", "a.sql") == ["a.sql", "b.sql"]


def test_a_pattern_reaches_into_folders() -> None:
    given = ("20250102000000_b/migration.sql", "20250101000000_a/migration.sql", "20250101000000_a/down.sql", "x.sql")
    assert names(*given, pattern="*/migration.sql") == [given[1], given[0]]
    assert names(*given, pattern="**/*.sql")[-1] == "x.sql"


def test_a_down_file_is_a_migration_to_wrangler() -> None:
    assert names("0001_x.sql", "0001_x.down.sql") == ["0001_x.down.sql", "0001_x.sql"]
    found = Wrangler().migrations(Folder(name="m", files={"0001_x.down.sql": b"SELECT 1;"}), D1)
    assert "like any other" in Wrangler().remarks(found, D1)[0][1]


CONFIGURED = {
    "d1_databases": [
        {"binding": "A", "migrations_dir": "./db/migrations/", "migrations_table": "applied"},
        {"binding": "B", "migrations_dir": "d", "migrations_pattern": "d/*/migration.sql"},
    ],
    "env": {"staging": {"d1_databases": [{"binding": "A"}, {"binding": "B"}]}},
}
EXPECTED = [
    {"dir": "db/migrations", "table": "applied"},
    {"dir": "d", "pattern": "*/migration.sql"},
    {"dir": "migrations"},
]
TOML = """
[[d1_databases]]
migrations_dir = "./db/migrations/"
migrations_table = "applied"
[[d1_databases]]
migrations_dir = "d"
migrations_pattern = "d/*/migration.sql"
[[env.staging.d1_databases]]
binding = "A"
"""


def test_its_configuration_names_folder_ledger_and_pattern() -> None:
    commented = json.dumps(CONFIGURED).replace('"env"', '// "x"\n/* , */ "env"').replace("]}}}", "], /* z */ } ,}, }")
    for name, text in {
        "wrangler.json": json.dumps(CONFIGURED),
        "wrangler.jsonc": commented,
        "wrangler.toml": TOML,
    }.items():
        assert Wrangler().configured(Folder(name="x", files={name: text.encode()})) == EXPECTED, name
    assert Wrangler().configured(Folder(name="x", files={})) == []
    with pytest.raises(Refused, match="cannot be read"):
        Wrangler().configured(Folder(name="x", files={"wrangler.json": b"{"}))


def test_a_ledger_of_another_name_is_used_and_an_unsafe_one_refused(tmp_path: Any) -> None:
    migration = Wrangler().migrations(folder_of(**{"0001_a": ONE}), D1)

    unit = Wrangler().apply(migration, Ledger(table="applied", exists=False), D1, {"table": "applied"})[0]
    assert "INTO applied" in unit.phases[0].acts[1].sql and "applied(" in unit.always[0].acts[0].sql
    with pytest.raises(Usage):
        Wrangler().apply(migration, Ledger(table="x", exists=False), D1, {"table": "x; DROP TABLE y"})


def test_a_file_that_is_not_utf_8_is_told_of_with_its_line() -> None:
    with pytest.raises(Refused, match=r"0001_a.sql is not UTF-8: byte 0xff in line 2"):
        Wrangler().migrations(Folder(name="m", files={"0001_a.sql": b"--\n\xff"}), D1)
