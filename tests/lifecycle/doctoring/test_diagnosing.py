"""Where a schema stands among those that a folder's migrations make, without a database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lifecycle.doctoring.diagnosing import diagnose
from lifecycle.doctoring.inverting import opposites
from lifecycle.doctoring.values import Diagnosis, Do, Point, Replay, Verdict, diagnosis_from
from opsconsole.exceptions import Refused


def schema(*names: str) -> dict[str, str]:
    return {f"table {name}": name for name in names}


def replay(*, ledger: int) -> Replay:
    """0001 makes a; 0002 makes b, writes rows, makes c; 0003 writes rows."""
    steps = [
        ("", 0, 0, schema()),
        ("0001", 1, 1, schema("a")),
        ("0002", 1, 3, schema("a", "b")),
        ("0002", 2, 3, schema("a", "b")),
        ("0002", 3, 3, schema("a", "b", "c")),
        ("0003", 1, 1, schema("a", "b", "c")),
    ]
    points = [Point(key=key, name=key, at=at, of=of, definitions=live) for key, at, of, live in steps]
    return Replay(points=points, ledger=ledger)


def told(ledger: int, live: dict[str, str], *half: str) -> list[tuple[str, Verdict, int, tuple[Do, ...]]]:
    report = diagnose(replay(ledger=ledger), live, half)
    return [(each.key, each.verdict, each.at, each.ways) for each in report.diagnoses]


def test_a_ledger_that_tells_the_truth_needs_nothing() -> None:
    assert told(1, schema("a")) == []
    assert "nothing is to be set right" in diagnose(replay(ledger=4), schema("a", "b", "c"), ()).sentence


def test_a_failed_one_of_which_nothing_is_there_is_rolled_back() -> None:
    assert told(1, schema("a"), "0002") == [("0002", Verdict.NOTHING, 0, (Do.ROLLED_BACK,))]


def test_a_failed_one_is_finished_or_taken_back_from_where_it_stands() -> None:
    assert told(1, schema("a", "b"), "0002") == [("0002", Verdict.HALF, 1, (Do.FINISH, Do.UNDO))]
    report = diagnose(replay(ledger=1), schema("a", "b"), ["0002"])
    assert report.sentence == "0002 is half applied at statement 1 of 3."
    assert "up to 2 they write rows alone" in report.diagnoses[0].sentence


def test_a_failed_one_that_only_writes_rows_is_left_to_people() -> None:
    assert told(4, schema("a", "b", "c"), "0003") == [
        ("0003", Verdict.ROWS, 0, (Do.ROLLED_BACK, Do.APPLIED, Do.FINISH))
    ]


def test_what_was_applied_by_hand_is_marked() -> None:
    assert told(1, schema("a", "b", "c")) == [("0002", Verdict.ALL, 3, (Do.APPLIED,))]
    assert told(0, schema("a", "b", "c")) == [
        ("0001", Verdict.ALL, 1, (Do.APPLIED,)),
        ("0002", Verdict.ALL, 3, (Do.APPLIED,)),
    ]


def test_what_the_ledger_has_and_the_schema_lacks_is_forgotten() -> None:
    assert told(4, schema("a")) == [("0002", Verdict.RECORDED, 0, (Do.ROLLED_BACK,))]


def test_a_schema_that_nobody_made_is_told_by_its_differences() -> None:
    report = diagnose(replay(ledger=1), schema("b", "c"), ["0002"])
    assert [each.verdict for each in report.diagnoses] == [Verdict.DRIFTED]
    assert report.changes == ("table a is not there",)
    assert "the end of 0002, with 1 differences" in report.sentence


def test_what_was_there_before_the_folder_is_told_and_does_not_stand_in_the_way() -> None:
    report = diagnose(replay(ledger=1), schema("a", "b", "x"), ["0002"])
    assert [(each.verdict, each.at) for each in report.diagnoses] == [(Verdict.HALF, 1)]
    assert report.changes == ("table x is there, and no migration made it",)


def test_what_could_not_be_replayed_is_never_said_to_be_well() -> None:
    start = Point(key="", name="", at=0, of=0, definitions={})
    stopped = Replay(points=[start], ledger=0, failure="No table a.", left={"1": "0001", "2": "0002"}, unproven=True)
    report = diagnose(stopped, schema("a", "b"), ["2"])
    assert "It is not known how far the schema came: 0001, which the ledger has, cannot be replayed" in report.sentence
    assert "database: No table a. Not checked: 0001, 0002. Where" in report.sentence and "base=FILE" in report.sentence
    assert report.unchecked == ("0001", "0002")
    assert [(each.name, each.verdict) for each in report.diagnoses] == [("0002", Verdict.DRIFTED)]
    assert report.changes[0] == "table a is there, and nothing that was replayed made it"


def test_what_follows_one_that_cannot_be_replayed_is_told_as_unchecked() -> None:
    stopped = replace(replay(ledger=1), failure="statement 1: no table x.", left={"4": "0004", "5": "0005"})
    report = diagnose(stopped, schema("a"), ())
    assert "The replay stopped in 0004: statement 1: no table x. Where" in report.sentence
    assert report.sentence.endswith("in sqlite3). Not checked: 0004, 0005.")
    again = diagnose(replace(stopped, left={"4": "0004"}), schema("a"), ["4"])  # it failed before, too
    assert (again.unchecked, again.diagnoses[0].verdict, again.diagnoses[0].name) == ((), Verdict.NOTHING, "0004")


def test_a_diagnosis_comes_back_from_json() -> None:
    (found,) = diagnose(replay(ledger=1), schema("a", "b"), ["0002"]).diagnoses
    assert isinstance(found, Diagnosis) and diagnosis_from(found.to_json()) == found


def test_statements_have_opposites_only_where_these_are_exact() -> None:
    made = [
        "-- the notes\nCREATE TABLE notes (id INTEGER);",
        "ALTER TABLE \"notes\" ADD COLUMN body TEXT NOT NULL DEFAULT '';",
        "CREATE UNIQUE INDEX notes_body ON notes (body)",
        "ALTER TABLE notes RENAME TO papers;",
    ]
    assert opposites(made) == [
        "ALTER TABLE papers RENAME TO notes;\n",
        "DROP INDEX notes_body;\n",
        'ALTER TABLE "notes" DROP COLUMN body;\n',
        "DROP TABLE notes;\n",
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO notes VALUES (1)",
        "DROP TABLE notes",
        "CREATE TABLE IF NOT EXISTS notes (id INTEGER)",
        "CREATE TABLE notes AS SELECT 1",
        "CREATE INDEX IF NOT EXISTS i ON notes (id)",
        "ALTER TABLE notes ADD COLUMN a int, DROP COLUMN b",
        "ALTER TABLE notes ADD CONSTRAINT c CHECK (true)",
        "ALTER TABLE notes ADD COLUMN IF NOT EXISTS a int",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
    ],
)
def test_what_may_take_more_than_it_made_has_no_opposite(statement: str) -> None:
    with pytest.raises(Refused) as refused:
        opposites(["CREATE TABLE a (id INTEGER)", statement])
    assert refused.value.code == "no_way_back" and "Statement 2" in refused.value.why
