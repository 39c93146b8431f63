"""SQL as coloured words, line by line, from the same tokens that are reviewed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from opsconsole.review.lexing import Dialect, Kind, Token, tokens
from opsconsole.review.splitting import pieces


class Span(NamedTuple):
    """A piece of a line. `kind` is keyword, name, string, number, comment or broken; "" for whatever else there is."""

    kind: str
    text: str


def highlight(text: str, dialect: Dialect) -> Iterator[list[Span]]:
    """The lines of a text as spans that, put together, are the text; lines end at every newline. Never raises."""
    line: list[Span] = []
    for kind, group in groupby(_parts(text, dialect), lambda part: part[0]):
        places = list(group)
        first, *more = text[places[0][1] : places[-1][2]].split("\n")
        line.append(Span(kind, first))
        for each in more:
            yield [span for span in line if span.text]
            line = [Span(kind, each)]
    yield [span for span in line if span.text]


def _parts(text: str, dialect: Dialect) -> Iterator[tuple[str, int, int]]:
    """(kind, start, end) of everything, without a gap."""
    at = 0
    for token in _tokens(text, dialect):
        if token.start > at:
            yield _between(text, at, token.start)
        yield _kind(token), token.start, token.end
        at = token.end
    if at < len(text):
        yield _between(text, at, len(text))


def _tokens(text: str, dialect: Dialect) -> Iterator[Token]:
    """Without the rows that stand behind COPY FROM STDIN, which are no SQL."""
    at = 0
    for begin, end in [*_rows(text, dialect), (len(text), len(text))]:
        for token in tokens(text, dialect, at):
            if token.start >= begin:
                break
            yield token
        at = end


def _rows(text: str, dialect: Dialect) -> list[tuple[int, int]]:
    if dialect is not Dialect.POSTGRESQL or "STDIN" not in text.upper():
        return []
    return [(piece.tokens[-1].end, piece.statement.end) for piece in pieces(text, dialect) if piece.data]


def _between(text: str, start: int, end: int) -> tuple[str, int, int]:
    """Blanks, comments, or rows."""
    gap = text[start:end].strip()
    return "comment" if gap.startswith(("--", "/*")) else "", start, end


def _kind(token: Token) -> str:
    if token.kind is Kind.WORD:
        return "keyword" if token.word in _KEYWORDS else ""
    return _KINDS.get(token.kind, "")


_KINDS = {
    Kind.NAME: "name", Kind.STRING: "string", Kind.NUMBER: "number", Kind.META: "broken", Kind.BROKEN: "broken",
}  # fmt: skip
_WORDS = """
ABORT ACTION ADD AFTER ALL ALTER ALWAYS ANALYZE AND ANY AS ASC ATTACH ATTRIBUTE AUTHORIZATION AUTOINCREMENT
BEFORE BEGIN BETWEEN BY CALL CASCADE CASE CAST CHECK CLUSTER COLLATE COLUMN COMMENT COMMIT CONCURRENTLY
CONFLICT CONSTRAINT COPY CREATE CROSS CURRENT_DATE CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER DATABASE
DECLARE DEFAULT DEFERRABLE DEFERRED DELETE DESC DETACH DISABLE DISTINCT DO DOMAIN DROP EACH ELSE ENABLE END
ENUM ESCAPE EXCEPT EXCLUDE EXECUTE EXISTS EXPLAIN EXTENSION FALSE FETCH FOR FORCE FOREIGN FROM FULL FUNCTION
GENERATED GRANT GROUP HAVING IDENTITY IF IMMEDIATE IN INDEX INHERITS INITIALLY INNER INSERT INSTEAD INTERSECT
INTO IS ISNULL JOIN KEY LANGUAGE LATERAL LEFT LIKE ILIKE LIMIT LOCK MATCH MATERIALIZED MERGE NATURAL NO NOT
NOTHING NOTNULL NULL NULLS OF OFFSET ON ONLY OR ORDER OUTER OVER OWNED OWNER PARTITION POLICY PRAGMA PREPARE
PRIMARY PRIVILEGES PROCEDURE RAISE RECURSIVE REFERENCES REFRESH REINDEX RELEASE RENAME REPLACE RESTRICT
RETURNING RETURNS REVOKE RIGHT ROLE ROLLBACK ROW ROWID ROWS SAVEPOINT SCHEMA SECURITY SELECT SEQUENCE SET
START STORED STRICT TABLE TABLESPACE TEMP TEMPORARY THEN TO TRANSACTION TRIGGER TRUE TRUNCATE TYPE UNION
UNIQUE UNLOGGED UPDATE USING VACUUM VALIDATE VALUES VIEW VIRTUAL WHEN WHERE WINDOW WITH WITHOUT
"""
_KEYWORDS = frozenset(_WORDS.split())
