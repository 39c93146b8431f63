"""Large and broken texts: bounded work, and never an error."""

import random

import pytest

from opsconsole.review import Dialect, Severity, review, reviewing
from opsconsole.review.second_reading import MOST_SHAPES, SecondReading
from tests.opsconsole.review.targets import LIVE
from tests.opsconsole.review.test_corpus import ALL

ROW = "({}, 'it''s; DROP TABLE a', NULL, -1.5e3)"


@pytest.fixture
def parsers(monkeypatch):
    """The second readings of the reviews that a test makes."""
    made = []

    def remember(dialect):
        made.append(SecondReading(dialect))
        return made[-1]

    monkeypatch.setattr(reviewing, "SecondReading", remember)
    return made


def test_thousands_of_statements_of_a_few_shapes_are_parsed_a_few_times(parsers):
    inserts = (f"INSERT INTO t{n % 3} (a, b, c, d) VALUES {ROW.format(n)};" for n in range(2000))
    updates = (f"UPDATE t SET a = (SELECT max(b) FROM u) WHERE id = {n};" for n in range(1000))
    found = review("\n".join([*inserts, *updates]), Dialect.POSTGRESQL)
    assert len(found.statements) == 3000
    assert {finding.rule for finding in found.findings} == {"update"}
    assert parsers[0].parses == 6  # three tables; zero, one and other numbers


def test_one_insert_of_thousands_of_rows_is_parsed_as_one_row(parsers):
    rows = ", ".join(ROW.format(n) if n % 2 else f"(NULL, '{n}', 2, 'x')" for n in range(5_000))
    found = review(f"INSERT INTO t VALUES {rows}", Dialect.SQLITE)
    assert found.findings == ()
    assert [len(shape) < 60 for shape in parsers[0]._known] == [True]


def test_more_shapes_than_anybody_wants_to_parse_are_unknown(parsers):
    text = "\n".join(f"SELECT a{n} FROM t;" for n in range(MOST_SHAPES + 50))
    found = review(text, Dialect.POSTGRESQL)
    assert parsers[0].parses == MOST_SHAPES
    assert len(found.findings) == 50 and found.worst == Severity.UNKNOWN


@pytest.mark.parametrize("text", ["SELECT 1;" * 5001, "SELECT '" + "a" * (1 << 20) + "'"], ids=["many", "long"])
def test_more_than_can_be_reviewed_is_unknown_with_the_reason(text):
    found = review(text, Dialect.POSTGRESQL)
    assert [finding.rule for finding in found.findings] == ["too-large"]
    assert "more than can be reviewed" in found.findings[0].reason


@pytest.mark.parametrize("unit", ["(", "f(", "(DELETE FROM a WHERE ", "CASE ", "E'\\", "a.", "WITH x AS (", "NOT "])
@pytest.mark.parametrize("dialect", [Dialect.POSTGRESQL, Dialect.SQLITE])
def test_nothing_nests_so_deep_that_a_review_fails(unit, dialect):
    for text in (unit * 1500, f"DELETE FROM a WHERE {unit * 1500} 1 {')' * 1500 * unit.count('(')}"):
        assert review(text, dialect).worst is not None


def test_no_text_makes_a_review_fail():
    """Every snippet cut short, shuffled and spliced, in each dialect."""
    chance = random.Random(11)
    for snippet in ALL:
        words = snippet.text.split(" ")
        texts = [
            snippet.text[: chance.randint(0, len(snippet.text))],
            " ".join(chance.sample(words, len(words))),
            snippet.text.replace(";", chance.choice("'\"(\0\\\u00a0\ud800")),
        ]
        for text in texts:
            dialect = chance.choice(list(Dialect))
            found = review(text, dialect, LIVE[dialect])
            assert all(text[one.start : one.end] == one.text for one in found.statements)
            assert all(1 <= one.line <= text.count("\n") + 1 for one in found.findings)
