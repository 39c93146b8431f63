"""sqlx's folders and ledger, after the source of sqlx 0.8."""

from __future__ import annotations

import hashlib
import signal
import zlib
from typing import Any

import pytest

from lifecycle.sources.base import Folder, Ledger, Place, State
from lifecycle.sources.sqlx import Sqlx, lock_of
from opsconsole.engines.scripting import ScriptFailed
from opsconsole.exceptions import Refused
from tests.lifecycle.sources.contract import COUNT, MOMENT, ONE, TWO, SourceContract, Target, killed_before

PLACE = Place(engine="postgresql", database="shop")


def folder_of(**texts: str) -> Folder:
    files = {f"{name.replace('__', '.')}.sql": text.encode() for name, text in texts.items()}
    return Folder(name="migrations", files=files)


class TestSqlx(SourceContract):
    source = Sqlx()
    edited = State.EDITED
    edited_stops = True
    gone_stops = True

    def folder(self, *texts: str | None) -> Folder:
        names = ["1_notes", "20250101_tags_of_notes", "20250102_extra"]
        return folder_of(**{name: text for name, text in zip(names, texts, strict=False) if text is not None})

    def rows(self, target: Target, folder: Folder) -> list[dict[str, Any]]:
        told = {1: "notes", 20250101: "tags of notes", 20250102: "extra"}
        sums = [hashlib.sha384(data).hexdigest() for data in folder.files.values()]
        return [
            {
                "version": version,
                "description": description,
                "installed_on": MOMENT,
                "success": True,
                "checksum": checksum,
                "execution_time": COUNT,
            }
            for (version, description), checksum in zip(told.items(), sums, strict=True)
        ]

    def test_its_time_comes_after_the_commit_and_is_minus_one_until_then(self, target: Target) -> None:
        folder = folder_of(**{"1_a": ONE})
        assert killed_before(target, folder, "UPDATE _sqlx_migrations") == -signal.SIGKILL
        assert (target.tables(), target.states(folder)) == ({"notes"}, [State.APPLIED])
        assert target.raw(folder)[0]["execution_time"] == -1

    def test_without_a_transaction_what_ran_stays_and_the_row_does_not_come(self, target: Target) -> None:
        text = f"-- no-transaction\n{ONE}"
        target.apply(folder_of(**{"1_a": text}))
        assert (target.tables(), target.states(folder_of(**{"1_a": text}))) == ({"notes"}, [State.APPLIED])
        broken = folder_of(
            **{"1_a": text, "2_b": "-- no-transaction\nCREATE TABLE half (id int); SELECT * FROM nowhere;"}
        )
        with pytest.raises(ScriptFailed):
            target.apply(broken)
        assert target.states(broken) == [State.APPLIED, State.PENDING]
        # one simple query is one implicit transaction on PostgreSQL; SQLite commits statement by statement
        assert ("half" in target.tables()) == (target.place.engine == "sqlite")

    def test_a_row_without_success_stops_everything(self, target: Target) -> None:
        folder = folder_of(**{"1_a": ONE, "2_b": TWO})
        target.apply(folder_of(**{"1_a": ONE}))
        with target.script() as script:
            script.write("UPDATE _sqlx_migrations SET success = FALSE")
        status = target.status(folder)
        assert [entry.state for entry in status] == [State.HALF, State.PENDING]
        assert [code for code, *_ in self.source.refusals(status, target.ledger(folder))] == ["dirty"]
        target.do(self.source.forget(status[0], target.ledger(folder), target.place, {}))
        assert target.states(folder) == [State.PENDING, State.PENDING]

    def test_the_last_one_is_taken_back_by_its_down_file(self, target: Target) -> None:
        folder = folder_of(**{"1_a__up": ONE, "1_a__down": "DROP TABLE notes;", "2_b": "SELECT 1;"})
        target.apply(folder)
        first, second = target.status(folder)
        with pytest.raises(Refused, match="not the last"):
            self.source.down(first, target.ledger(folder), target.place, {})
        with pytest.raises(Refused, match=r"no \.down\.sql"):
            self.source.down(second, target.ledger(folder), target.place, {})
        target.do(self.source.forget(second, target.ledger(folder), target.place, {}))
        target.do(self.source.down(first, target.ledger(folder), target.place, {}))
        assert (target.tables(), target.states(folder)) == (set(), [State.PENDING, State.PENDING])

    def test_its_lock_is_taken_on_postgresql(self, target: Target) -> None:
        acts = self.source.locks(target.place, {})
        assert len(acts) == (target.place.engine == "postgresql")
        with target.script() as script, target.script() as other:
            for act in acts:
                script.write(act.sql, list(act.values))  # type: ignore[arg-type]
                assert other.ask("SELECT pg_try_advisory_lock(?)", [act.values[0]]) == [(False,)]  # type: ignore[list-item]


def test_the_lock_is_made_from_the_name_of_the_database() -> None:
    assert zlib.crc32(b"123456789") == 0xCBF43926
    assert lock_of("123456789") == 0x3D32AD9E * 0xCBF43926 < 2**63


def test_versions_are_numbers_and_others_are_ignored() -> None:
    given = ("10_b.sql", "9_a.sql", "notes.sql", "11_c.txt", "sub/1_x.sql", "0012_d.up.sql", "0012_d.down.sql")
    found = Sqlx().migrations(Folder(name="m", files=dict.fromkeys(given, b"")), PLACE)
    assert [each.key for each in found] == ["9", "10", "12"]
    assert (found[2].name, found[2].facts["description"], found[2].down) == ("0012_d", "d", "")


@pytest.mark.parametrize(
    ("names", "why"), [(["x_y.sql"], "no whole number"), (["1_a.sql", "01_b.sql"], "same version 1")]
)
def test_a_folder_that_sqlx_would_not_take_is_refused(names: list[str], why: str) -> None:
    with pytest.raises(Refused, match=why):
        Sqlx().migrations(Folder(name="m", files=dict.fromkeys(names, b"")), PLACE)


def test_to_sqlx_a_down_file_beside_a_simple_one_is_its_way_back() -> None:
    found = Sqlx().migrations(folder_of(**{"0001_x": "SELECT 1;", "0001_x__down": "SELECT 2;"}), PLACE)
    assert [(each.key, each.text, each.down) for each in found] == [("1", "SELECT 1;", "SELECT 2;")]


def test_a_text_that_ends_its_transaction_is_refused_on_sqlite_beforehand() -> None:
    place = Place(engine="sqlite", database="x")
    files = Sqlx().migrations(folder_of(**{"1_a": f"{ONE}\nCOMMIT;"}), place)

    with pytest.raises(Refused, match=r"1_a\.sql has COMMIT in line 3"):
        Sqlx().apply(files, Ledger(table="t", exists=False), place, {})
