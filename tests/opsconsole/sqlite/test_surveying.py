"""Definitions of SQLite read alike when they mean the same, however they were typed."""

from __future__ import annotations

from opsconsole.engines.sqlite.surveying import spelled

TYPED = """CREATE TABLE "t" (
  a text  DEFAULT 'x  "y" (', -- a comment
  b int CHECK(b>(1)||'z'),PRIMARY KEY(a,b)
) STRICT"""
READ = "CREATE TABLE t (a text DEFAULT 'x  \"y\" (', b int CHECK (b> (1) ||'z'), PRIMARY KEY (a, b)) STRICT"


def test_blanks_comments_and_needless_quotes_make_no_difference() -> None:
    assert spelled(TYPED) == READ == spelled(READ)
    assert spelled("CREATE INDEX [i] ON \"my t\"(a)WHERE a = '('") == "CREATE INDEX i ON \"my t\" (a) WHERE a = '('"
