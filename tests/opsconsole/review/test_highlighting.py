"""SQL in colours: the words are those that the review reads, and together they are the text."""

from __future__ import annotations

import pytest

from opsconsole.review import Dialect
from opsconsole.review.highlighting import Span, highlight

NASTY = """CREATE TABLE "ta""ble" (id int, -- drop
  body text DEFAULT 'it''s
DROP TABLE', n real DEFAULT 1.5);\r
/* DROP
   TABLE */ SELECT $x$ DELETE $x$ WHERE \N{LATIN SMALL LETTER O WITH DIAERESIS} = 1;

INSERT 'never ends; DROP TABLE x"""


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize(
    "text", [NASTY, "", "\n", "\n\n;", "\0", "E'\\", "COPY t FROM STDIN;\nit's\n\\.\nDROP TABLE t;\n"]
)
def test_the_spans_of_all_lines_are_the_text(dialect: Dialect, text: str) -> None:
    lines = list(highlight(text, dialect))
    assert "\n".join("".join(span.text for span in line) for line in lines) == text
    assert all(span.text and "\n" not in span.text for line in lines for span in line)


def test_a_word_in_a_string_or_a_comment_is_no_keyword() -> None:
    lines = list(highlight(NASTY, Dialect.POSTGRESQL))
    keywords = [span.text for line in lines for span in line if span.kind == "keyword"]
    assert keywords == ["CREATE", "TABLE", "DEFAULT", "DEFAULT", "SELECT", "WHERE", "INSERT"]
    assert Span("name", '"ta""ble"') in lines[0] and Span("comment", " -- drop") in lines[0]
    assert lines[2][0] == Span("string", "DROP TABLE'") and Span("number", "1.5") in lines[2]
    assert [span.kind for span in lines[4]][:1] == ["comment"]
    assert lines[-1][-1] == Span("broken", "'never ends; DROP TABLE x")


def test_the_rows_behind_copy_are_no_sql() -> None:
    lines = list(highlight("COPY t FROM STDIN;\nit's SELECT\n\\.\nDROP TABLE t;", Dialect.POSTGRESQL))
    assert lines[1] == [Span("", "it's SELECT")]
    assert lines[3][0] == Span("keyword", "DROP")
