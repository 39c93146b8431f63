"""The rows that a proposal is about are those and no others, whatever their keys and values look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from integrity.checks.base import Proposal
from integrity.fixing import selecting
from integrity.fixing.parts import Part
from integrity.fixing.selecting import Room
from opsconsole.exceptions import Refused
from tests.integrity.conftest import Ground

NAMES = """
CREATE TABLE names (name TEXT PRIMARY KEY, said);
INSERT INTO names VALUES ('a' || char(0) || 'b', 1), ('a', 2), ('é', 3), (CAST(x'ff' AS TEXT), 4), (9e999, 5);
CREATE TABLE sizes (size REAL PRIMARY KEY); INSERT INTO sizes VALUES (9e999), (-9e999), (0);
"""
DAYS = """
CREATE TABLE days (day date, what regclass, size float, PRIMARY KEY (day, what, size));
INSERT INTO days VALUES ('4714-11-24 BC', 'days', 'NaN'), ('infinity', 'pg_class', '-Infinity'), ('today', 'days', 0);
"""


def listed(ground: Ground, table: str, where: str, **more: Any) -> Part:
    proposal = Proposal(words="", table=table, where=where, **{"action": "delete_rows", **more})
    with ground.moment() as moment:
        return selecting.part_of(moment, proposal, "check", "subject", Room(masked_columns=(), taken={}))


def test_a_key_of_sqlite_is_never_taken_for_another_that_looks_like_it(on_sqlite: Ground) -> None:
    on_sqlite.change(NAMES)
    shown = {number: listed(on_sqlite, "names", f"t.said = {number}").shown for number in (1, 2, 3, 5)}
    assert shown == {1: (("a␀b", 1),), 2: (("a", 2),), 3: (("é", 3),), 5: (("Inf", 5),)}
    assert len(listed(on_sqlite, "sizes", "t.size <> 0").aims) == 2
    with pytest.raises(Refused, match="no valid UTF-8"):
        listed(on_sqlite, "names", "t.said = 4")
    given = {"action": "set_value", "column": "said"}
    (aim,) = listed(on_sqlite, "names", "t.said = 2", value="t.name || char(0) || 'é'", **given).aims
    assert aim.values == ("CAST(X'6100C3A9' AS TEXT)",)  # and not what stands before the NUL
    with pytest.raises(Refused, match="no single value"):
        listed(on_sqlite, "names", "t.said = 2", value="CAST(x'ff' AS TEXT)", **given)


def test_values_that_only_the_server_knows_are_listed_as_it_writes_them(on_postgres: Ground) -> None:
    on_postgres.change(DAYS)
    part = listed(on_postgres, "public.days", "t.day <> 'today'")
    assert sorted(part.shown) == [
        ("4714-11-24 BC", "public.days", "NaN"), ("infinity", "pg_class", "-Infinity"),
    ]  # fmt: skip


def test_what_a_column_gets_is_listed_as_it_will_be_stored(on_postgres: Ground) -> None:
    on_postgres.change("CREATE TABLE sums (id int PRIMARY KEY, sum numeric(9, 2), word varchar(3))")
    on_postgres.change("INSERT INTO sums VALUES (1, 0, 'a')")
    given = {"action": "set_value", "column": "sum"}
    assert listed(on_postgres, "public.sums", "true", value="t.id + 0.005", **given).aims[0].values == ("1.01",)
    given["column"] = "word"  # too long: it is not cut, and the run is refused
    assert listed(on_postgres, "public.sums", "true", value="'abcd'", **given).aims[0].values == ("abcd",)
    given["column"] = "sum"
    with pytest.raises(Refused, match="overflow"):
        listed(on_postgres, "public.sums", "true", value="1e9", **given)


def test_more_rows_than_a_plan_holds_are_refused(on_sqlite: Ground) -> None:
    on_sqlite.change("CREATE TABLE many (id INTEGER PRIMARY KEY); INSERT INTO many VALUES (1), (2), (3)")
    proposal = Proposal(action="delete_rows", words="", table="many", where="true")
    with on_sqlite.moment() as moment, pytest.raises(Refused, match="One fix holds at most"):
        selecting.part_of(moment, proposal, "check", "subject", Room(masked_columns=(), taken={}, rows=2))


def test_a_file_whose_texts_are_no_utf_8_is_refused(on_sqlite: Ground, tmp_path: Path) -> None:
    (tmp_path / "ground.sqlite").unlink()
    on_sqlite.change("PRAGMA encoding = 'UTF-16le'; CREATE TABLE names (name TEXT PRIMARY KEY)")
    with pytest.raises(Refused, match="keeps its texts as UTF-16le"):
        listed(on_sqlite, "names", "true")
