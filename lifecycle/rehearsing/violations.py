"""How many rows stand in the way of a statement that failed on them: doubled keys, NULLs, lost references."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lifecycle.loss.values import grouped
from lifecycle.rehearsing.values import Failure
from opsconsole.engines.scripting import Script, ScriptFailed

# Classes of errors that are about rows: PostgreSQL's SQLSTATE, SQLite's names.
_ABOUT_ROWS = re.compile(r"23\d{3}|SQLITE_CONSTRAINT\w*")
_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_TABLE = rf"({_NAME}(?:\.{_NAME})?)"
_LIST = r"\(([^()]+)\)"
_I = re.IGNORECASE | re.DOTALL
_UNIQUE_INDEX = re.compile(
    rf"CREATE\s+UNIQUE\s+INDEX\s.*?\sON\s+(?:ONLY\s+)?{_TABLE}\s*(?:USING\s+\w+\s*)?{_LIST}\s*(?:WHERE\s+(.+?))?;?\s*\Z",
    _I,
)
_ALTERED = re.compile(rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{_TABLE}\s+(.+?);?\s*\Z", _I)
_UNIQUE = re.compile(rf"\b(?:UNIQUE|PRIMARY\s+KEY)\s*{_LIST}", _I)
_NOT_NULL = re.compile(rf"ALTER\s+(?:COLUMN\s+)?({_NAME})\s+SET\s+NOT\s+NULL", _I)
_REFERENCES = re.compile(rf"FOREIGN\s+KEY\s*{_LIST}\s*REFERENCES\s+{_TABLE}\s*{_LIST}", _I)


def words(script: Script, failure: Failure) -> str:
    """How many rows are in the way, for statements that tell what they demand of rows; "" for others.

    It is asked after everything was rolled back: where an earlier statement of the same transaction made the rows,
    nothing is told.
    """
    if not _ABOUT_ROWS.fullmatch(failure.code):
        return ""
    told = (_asked(script, sql, sentence) for sql, sentence in _questions(failure.text))
    return "; ".join(sentence for sentence in told if sentence)


def _questions(text: str) -> Iterator[tuple[str, str]]:
    """(a SELECT of one number, a sentence with {} for it) of what a statement demands."""
    if index := _UNIQUE_INDEX.match(text):
        yield _doubled(index[1], index[2], index[3] or ""), f"{{}} rows of {index[1]} share their {index[2].strip()}"
    if altered := _ALTERED.match(text):
        table, rest = altered[1], altered[2]
        for unique in _UNIQUE.finditer(rest):
            yield _doubled(table, unique[1], ""), f"{{}} rows of {table} share their {unique[1].strip()}"
        for column in _NOT_NULL.finditer(rest):
            sql = f"SELECT count(*) FROM {table} WHERE {column[1]} IS NULL"  # noqa: S608
            yield sql, f"{{}} rows of {table} have no {column[1]}"
        for key in _REFERENCES.finditer(rest):
            yield _orphans(table, key[1], key[2], key[3]), f"{{}} rows of {table} refer to nothing in {key[2]}"


def _doubled(table: str, columns: str, condition: str) -> str:
    known = " AND ".join(f"{column.strip()} IS NOT NULL" for column in columns.split(","))
    where = f"{known} AND ({condition})" if condition else known
    groups = f"SELECT count(*) AS n FROM {table} WHERE {where} GROUP BY {columns} HAVING count(*) > 1"  # noqa: S608
    return f"SELECT coalesce(sum(n), 0) FROM ({groups}) AS doubled"  # noqa: S608


def _orphans(table: str, columns: str, parent: str, referenced: str) -> str:
    pairs = zip(columns.split(","), referenced.split(","), strict=False)
    matches = " AND ".join(f"p.{theirs.strip()} = f.{own.strip()}" for own, theirs in pairs)
    known = " AND ".join(f"f.{column.strip()} IS NOT NULL" for column in columns.split(","))
    return f"SELECT count(*) FROM {table} f WHERE {known} AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE {matches})"  # noqa: S608


def _asked(script: Script, sql: str, sentence: str) -> str:
    if "?" in sql or "%" in sql:  # placeholders of `ask`
        return ""
    try:
        ((rows,),) = script.ask(sql)
    except ScriptFailed:
        return ""
    return sentence.format(grouped(int(rows))) if rows else ""
