"""Numbered files without a tool, in the console's own ledger."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle.sources.base import Folder, Ledger, Place, State
from lifecycle.sources.plain import Plain
from opsconsole.engines.scripting import ScriptFailed
from opsconsole.exceptions import Refused
from tests.lifecycle.sources.contract import BROKEN, MOMENT, ONE, TWO, SourceContract, Target


def folder_of(**texts: str) -> Folder:
    files = {f"{name.replace('__', '.')}.sql": text.encode() for name, text in texts.items()}
    return Folder(name="migrations", files=files)


class TestPlain(SourceContract):
    source = Plain()
    edited = State.EDITED
    edited_stops = True

    def folder(self, *texts: str | None) -> Folder:
        names = ["0001_notes", "0002_tags", "0010_extra"]
        return folder_of(**{name: text for name, text in zip(names, texts, strict=False) if text is not None})

    def rows(self, target: Target, folder: Folder) -> list[dict[str, Any]]:
        found = self.source.migrations(folder, target.place)
        return [
            {"version": version, "name": each.name, "checksum": each.sha256, "applied_at": MOMENT}
            for version, each in zip([1, 2, 10], found, strict=True)
        ]

    def test_the_last_one_is_taken_back_by_its_down_file(self, target: Target) -> None:
        folder = folder_of(**{"1_a": ONE, "2_b": TWO, "2_b__down": "DROP TABLE tags;"})
        target.apply(folder)
        target.do(self.source.down(target.status(folder)[1], target.ledger(folder), target.place, {}))
        assert (target.tables(), target.states(folder)) == ({"notes"}, [State.APPLIED, State.PENDING])
        with pytest.raises(Refused, match=r"1_a has no \.down\.sql"):
            self.source.down(target.status(folder)[0], target.ledger(folder), target.place, {})

    def test_a_failing_way_back_leaves_everything_as_it_was(self, target: Target) -> None:
        folder = folder_of(**{"1_a": ONE, "1_a__down": f"DROP TABLE notes;{BROKEN}"})
        target.apply(folder)
        with pytest.raises(ScriptFailed):
            target.do(self.source.down(target.status(folder)[0], target.ledger(folder), target.place, {}))
        assert (target.tables(), target.states(folder)) == ({"notes"}, [State.APPLIED])

    def test_a_first_line_says_that_it_runs_in_no_transaction(self, target: Target) -> None:
        alone = {
            "postgresql": "-- no-transaction\nCREATE INDEX CONCURRENTLY notes_body ON notes (body);",
            "sqlite": "-- no-transaction \r\nVACUUM;",
        }
        folder = folder_of(**{"1_a": ONE, "2_b": alone[target.place.engine]})
        target.apply(folder)
        assert target.states(folder) == [State.APPLIED] * 2


def test_a_text_that_ends_its_transaction_is_refused_unless_it_runs_in_none() -> None:
    place, none = Place(engine="postgresql", database="x"), Ledger(table="t", exists=False)
    for text, taken in (
        (f"-- no-transaction, perhaps\n{ONE}COMMIT;", False),
        (f"-- no-transaction\n{ONE}COMMIT;", True),
    ):
        files = Plain().migrations(folder_of(**{"1_a": text}), place)
        if taken:
            assert not Plain().apply(files, none, place, {})[0].phases[0].transaction
        else:
            with pytest.raises(Refused, match=r"1_a\.sql has COMMIT in line 3"):
                Plain().apply(files, none, place, {})


def test_two_files_of_one_number_are_refused() -> None:
    with pytest.raises(Refused, match=r"0001_a\.sql and 1_b\.sql have the same version 1"):
        Plain().migrations(folder_of(**{"0001_a": "", "1_b": ""}), Place(engine="sqlite", database="x"))
