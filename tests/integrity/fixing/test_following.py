"""What goes along with rows that are deleted is what the database's own foreign key would take along."""

from __future__ import annotations

import pytest

from integrity.checks.base import Proposal
from integrity.fixing import following, selecting
from integrity.fixing.selecting import Room
from opsconsole.engines.fixing import Key
from tests.integrity.conftest import Ground

COLLATED = """
CREATE TABLE parents (word text COLLATE "C" PRIMARY KEY); INSERT INTO parents VALUES ('a'), ('b');
CREATE TABLE children (id int PRIMARY KEY, word text COLLATE "POSIX" REFERENCES parents ON DELETE CASCADE);
INSERT INTO children VALUES (1, 'a'), (2, 'b');
"""
CLEARED = """
CREATE TABLE parents (shop int, number int, PRIMARY KEY (shop, number)); INSERT INTO parents VALUES (1, 1), (2, 1);
CREATE TABLE children (id int PRIMARY KEY, shop int NOT NULL, number int,
 FOREIGN KEY (shop, number) REFERENCES parents ON DELETE SET NULL{});
INSERT INTO children VALUES (1, 1, 1), (2, 2, 1);
"""
FULL = """
CREATE TABLE parents (shop int, number int, PRIMARY KEY (shop, number));
CREATE TABLE children (id int PRIMARY KEY, shop int, number int);
INSERT INTO children VALUES (1, NULL, NULL), (2, 1, NULL), (3, 1, 1);
ALTER TABLE children ADD CONSTRAINT whole FOREIGN KEY (shop, number) REFERENCES parents MATCH FULL NOT VALID;
"""
OTHER_TYPES = """
CREATE TABLE parents (word TEXT COLLATE NOCASE PRIMARY KEY); INSERT INTO parents VALUES ('01'), ('1'), ('a');
CREATE TABLE children (id INTEGER PRIMARY KEY, word INTEGER REFERENCES parents ON DELETE CASCADE);
INSERT INTO children VALUES (1, 1), (2, '01'), (3, 'A');
"""


def along(ground: Ground, where: str) -> list[tuple[tuple[str, ...], list[Key]]]:
    """The columns that are cleared, and the keys, of what goes along with parents."""
    table = "public.parents" if ground.vendor == "postgresql" else "parents"
    proposal = Proposal(action="delete_rows", words="", table=table, where=where)
    with ground.moment() as moment:
        room = Room(masked_columns=(), taken={})
        part = selecting.part_of(moment, proposal, "check", "subject", room)
        found = following.follow(moment, [part], room)
    return [(each.columns, [aim.key for aim in each.aims]) for each in found]


def test_values_are_compared_as_the_parents_column_compares_them(on_sqlite: Ground, on_postgres: Ground) -> None:
    on_postgres.change(COLLATED)
    assert along(on_postgres, "t.word = 'a'") == [((), [("1",)])]
    on_sqlite.change(OTHER_TYPES)
    assert along(on_sqlite, "t.word = '01'") == []  # the children hold the number 1, which is the text '1' there
    assert along(on_sqlite, "t.word IN ('1', 'a')") == [((), [("1",), ("2",), ("3",)])]


@pytest.mark.parametrize(("named", "columns"), [(" (number)", ("number",)), ("", ("shop", "number"))])
def test_only_the_columns_that_the_key_names_are_cleared(
    on_postgres: Ground, named: str, columns: tuple[str, ...]
) -> None:
    on_postgres.change(CLEARED.format(named))
    assert along(on_postgres, "t.shop = 1") == [(columns, [("1",)])]


def test_a_row_that_breaks_match_full_is_known_as_one_that_refers_to_nothing(on_postgres: Ground) -> None:
    on_postgres.change(FULL)
    with on_postgres.moment() as moment:
        wording, keys = moment.engine.wording, [("1",), ("2",), ("3",)]
        unmet = following.unmet(moment.inquiry.ask, wording, moment.structure, "public.children", keys)
    assert unmet == {("2",): ("whole",), ("3",): ("whole",)}
