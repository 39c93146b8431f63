"""Statements are cut where the databases cut them."""

import random
import sqlite3

import pytest

from opsconsole.review import Dialect, Severity, review, split

PG, LITE = Dialect.POSTGRESQL, Dialect.SQLITE


def texts(source, dialect):
    return [statement.text for statement in split(source, dialect)]


@pytest.mark.parametrize(
    "source",
    [
        "SELECT ';' AS \";\"",
        "SELECT E'a\\';b'",
        "SELECT E'a'\n -- more\n 'b\\';c'",
        "SELECT $$;$$, $tag$ $$;$$ $tag$",
        "SELECT a$b$c FROM t",
        "/* one /* two ; */ ; */ SELECT 1",
        "SELECT 1 -- ;\n",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
        "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC DELETE FROM a; END",
        "SELECT U&'d\\0061;t' UESCAPE '!'",
    ],
)
def test_a_semicolon_inside_something_of_postgresql_cuts_nothing(source):
    found = texts(f"{source};\nSELECT 2;", PG)
    assert len(found) == 2 and found[1] == "SELECT 2"


def test_copy_takes_its_rows_with_it():
    found = texts("COPY t FROM stdin;\n1\t'\n;\n\\.\nSELECT 1;", PG)
    assert [text.split()[0] for text in found] == ["COPY", "SELECT"]


@pytest.mark.parametrize(
    "source",
    [
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE b SET c = CASE WHEN 1 THEN 2 END; DELETE FROM d; END",
        "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END",
        "SELECT [a;b], `c;d`, \"e;f\" FROM 'g;h'",
        "SELECT 1 /* ; /* */",
    ],
)
def test_a_semicolon_inside_something_of_sqlite_cuts_nothing(source):
    assert texts(f"{source};\nSELECT 2;", LITE) == [source.removesuffix(" /* ; /* */"), "SELECT 2"]


def test_sqlite_itself_sees_a_statement_end_exactly_where_we_cut():
    """Texts made of everything that matters to the lexer, against sqlite3.complete_statement."""
    parts = [";", " ", "\n", "'", "''", '"', "`", "[", "]", "--", "/*", "*/", "CREATE", "TRIGGER", "TEMP", "BEGIN",
             "END", "EXPLAIN", "a", "1", "CASE", "x'"]  # fmt: skip
    chance = random.Random(5)
    compared = 0
    for _ in range(3000):
        source = " ".join(chance.choice(parts) for _ in range(chance.randint(1, 14)))
        if any(finding.rule == "unterminated" for finding in review(source, LITE).findings):
            continue
        ends = [at for at, letter in enumerate(source) if letter == ";"]
        rest, complete = 0, []
        for at in ends:
            if sqlite3.complete_statement(source[rest : at + 1]):
                complete.append(at)
                rest = at + 1
        ours = [statement.end for statement in split(source, LITE)]
        cuts = [end for end in complete if source[: end + 1].strip("; \n")]
        assert all(any(end <= cut for cut in complete) or end == ours[-1] for end in ours), source
        assert len(ours) <= len(cuts) + 1, source
        compared += 1
    assert compared > 500


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("source", ["SELECT 'a", 'SELECT "a', "SELECT 1 /* a", "SELECT 1; SELECT \0 1; DROP TABLE a"])
def test_what_never_ends_is_unknown(source, dialect):
    assert review(source, dialect).worst == Severity.UNKNOWN


@pytest.mark.parametrize(
    "source", ["SELECT E'a", "SELECT $x$ a $y$", "CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;", "SELECT (1;", "/* /* */"]
)
def test_what_never_ends_in_postgresql_is_unknown(source):
    assert review(source, PG).worst == Severity.UNKNOWN


def test_a_keyword_has_ascii_letters_only():
    source = "CREATE TR\u0131GGER t AFTER INSERT ON a BEGIN SELECT 1; DROP TABLE b;"
    assert len(texts(source, LITE)) == 2


def test_places_point_into_the_source():
    source = "\ufeff-- first\n\n  SELECT 1 ; ;;\n/* two */ SELECT\n 2"
    found = split(source, PG)
    assert [(one.number, one.line, source[one.start : one.end]) for one in found] == [
        (1, 3, "SELECT 1"),
        (2, 4, "SELECT\n 2"),
    ]
