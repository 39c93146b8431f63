"""dbmate's folders and ledger; the real dbmate 2.36 judges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lifecycle.sources.base import Folder, Ledger, Place
from lifecycle.sources.dbmate import Dbmate
from opsconsole.engines.scripting import ScriptFailed
from opsconsole.exceptions import Refused
from tests.lifecycle.sources.contract import BROKEN, ONE, THREE, TWO, SourceContract, Target
from tests.support.tools import Tools, lay

HERE = Place(engine="sqlite", database="shop")


def file(up: str, down: str = "", *, options: str = "") -> str:
    return f"-- migrate:up{options}\n{up}\n-- migrate:down{options}\n{down}"


def folder_of(**texts: str) -> Folder:
    return Folder(name="migrations", files={f"{name}.sql": text.encode() for name, text in texts.items()})


def names(folder: Folder) -> list[str]:
    return [each.key for each in Dbmate().migrations(folder, HERE)]


class TestDbmate(SourceContract):
    source = Dbmate()

    def folder(self, *texts: str | None) -> Folder:
        versions = ["20240101_notes", "20240102_tags", "20240103_extra"]
        downs = ["DROP TABLE notes;", "DROP TABLE tags;", "ALTER TABLE notes DROP COLUMN extra;"]
        given = zip(versions, texts, downs, strict=False)
        return folder_of(**{name: file(text, down) for name, text, down in given if text is not None})

    def rows(self, target: Target, folder: Folder) -> list[dict[str, Any]]:
        return [{"version": version} for version in ("20240101", "20240102", "20240103")]

    def test_dbmate_finds_what_it_would_have_done_itself(
        self, target: Target, twin: Target, tools: Tools, tmp_path: Path
    ) -> None:
        laid = lay(self.folder(ONE, TWO, THREE).files, tmp_path / "files")
        assert tools.dbmate(laid, url_of(twin), "up").code == 0
        target.apply(self.folder(ONE, TWO, THREE))
        assert target.schema() == twin.schema()
        assert target.raw(self.folder()) == twin.raw(self.folder())
        again = tools.dbmate(laid, url_of(target), "status", "--exit-code")
        assert (again.code, "Pending: 0" in again.text) == (0, True)
        for each in (target, twin):
            last = each.status(self.folder(ONE, TWO, THREE))[-1]
            each.do(self.source.down(last, each.ledger(self.folder()), each.place, {}))
            assert tools.dbmate(laid, url_of(each), "rollback").code == 0
        assert (target.tables(), twin.tables()) == ({"notes"}, {"notes"})
        assert target.schema() == twin.schema()

    def test_without_its_transaction_a_failing_file_leaves_what_dbmate_leaves(
        self, target: Target, twin: Target, tools: Tools, tmp_path: Path
    ) -> None:
        folder = folder_of(**{"1_a": file(BROKEN, options=" transaction:false")})
        assert tools.dbmate(lay(folder.files, tmp_path / "files"), url_of(twin), "up").code == 2
        with pytest.raises(ScriptFailed):
            target.apply(folder)
        assert target.tables() == twin.tables() == (set() if target.place.engine == "postgresql" else {"half"})
        assert target.raw(folder) == twin.raw(folder) == []

    def test_a_ledger_of_golang_migrate_is_told_from_its_own(self, target: Target) -> None:
        with target.script() as script:
            script.run("CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean)")
        folder = self.folder(ONE)
        stops = self.source.refusals(target.status(folder), target.ledger(folder))
        assert [code for code, _, _ in stops] == ["ledger_foreign"]


def test_versions_are_ordered_and_kept_as_text() -> None:
    given = {
        "10_b": file(""),
        "20240101000000_c": file(""),
        "5_a": file(""),
        "007": file(""),
        "x": "",
        "8_d.up": file(""),
    }
    assert names(folder_of(**given)) == ["007", "10", "20240101000000", "5", "8"]
    with pytest.raises(Refused, match="both version 1"):
        names(folder_of(**{"1_a": file(""), "1_b": file("")}))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ONE, "no block '-- migrate:up'"),
        (f"-- migrate:up\n{ONE}", "no block '-- migrate:down'"),
        (f"\ufeff{file(ONE)}", "no block '-- migrate:up'"),
        (f" {file(ONE)}", "no block '-- migrate:up'"),
        (f"{TWO}{file(ONE)}", "statements before"),
        (f"/* of mine */\n{file(ONE)}", "statements before"),
        (f"{file(ONE)}\n{file(TWO)}", "several blocks"),
    ],
)
def test_a_file_at_which_dbmate_stops_is_refused_before_anything_runs(text: str, why: str) -> None:
    migration = Dbmate().migrations(folder_of(**{"1_a": text}), HERE)
    ledger = Ledger(table="schema_migrations", exists=True)
    assert why in Dbmate().remarks(migration, HERE)[0][1]
    with pytest.raises(Refused, match=why):
        Dbmate().apply(migration, ledger, HERE, {})


def test_blocks_hold_their_markers_and_only_what_is_theirs() -> None:
    text = f"-- of mine\r\n\r\n--migrate:up transaction:false x:1\r\n{ONE}-- migrate:down a b\r\n-- gone\r\n"
    (found,) = Dbmate().migrations(folder_of(**{"1_a": text}), HERE)
    assert found.facts == {
        "up": f"--migrate:up transaction:false x:1\r\n{ONE}",
        "down": "-- migrate:down a b\r\n-- gone\r\n",
        "transactions": [False, True],
        "problem": "",
    }
    assert (found.text, found.down) == (text, None)


def test_its_settings_are_read_from_the_projects_env_file_and_nothing_else() -> None:
    env = b"DATABASE_URL=postgres://u@h/d\nexport DBMATE_MIGRATIONS_DIR=./sql/\nDBMATE_MIGRATIONS_TABLE='app.done'\n"
    project = Folder(name="shop", files={".env": env})
    assert Dbmate().configured(project) == [{"dir": "sql", "table": "app.done"}]
    assert Dbmate().configured(Folder(name="shop", files={".env": b"A=1"})) == ()


def url_of(target: Target) -> str:
    if target.place.engine == "sqlite":
        return f"sqlite:{target.place.database}"
    return f"{target.url}?sslmode=disable"
