"""What a document is: rows by table, with what is known of where they come from, readable in constant memory.

Our portable backups are documents, and so is everything that others wrote once a reader has understood it. A document
says nothing about how it is stored; `lifecycle.documents.portable` is the one form in which we store them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class JsonNull:
    """The null that a column of JSON can hold, which is a value; None is that there is none."""


JSON_NULL = JsonNull()
Value = None | bool | int | float | Decimal | str | bytes | list[Any] | dict[str, Any] | JsonNull
Row = Mapping[str, Value]  # by column; a column that a row does not name is absent, which is not the same as NULL


@dataclass(frozen=True, kw_only=True)
class DocumentTable:
    """One table of a document. `name` is as the source writes it; `types` are the source's own, where it tells them."""

    name: str
    columns: tuple[str, ...]  # every column that at least one row names, in order of appearance
    rows: int
    types: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something about a document that its reader must tell. `error` means that it cannot be used at all."""

    level: str  # error, warning, note
    code: str
    text: str
    next_step: str = ""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What is known of a document without reading its rows. It is JSON through and through (`summary_json`)."""

    format: str  # portable, ignition-json, tasklets-json, tasklets-folder, solana-set, pg-dump-sql, d1-export, ...
    label: str  # the same for people
    tables: tuple[DocumentTable, ...]
    version: int | None = None  # of the source's schema, where the format tells one
    version_name: str = ""
    exported_at: str = ""  # RFC 3339, or "" where nobody says
    engine: str = ""  # postgresql, sqlite, or "" where the format does not tell
    texts: bool = False  # every value is the text that its database writes for it, that of JSON included (pg_dump)
    problems: tuple[Problem, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)  # SQLite's, "table users" -> its text; never run
    ledger: tuple[str, ...] = ()  # what D1's own record of migrations names, in its order

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    def table(self, name: str) -> DocumentTable:
        """The table of that name. Raises KeyError."""
        return {table.name: table for table in self.tables}[name]


class Document(ABC):
    """Rows by table. What `rows` gives may be asked for again and again, and is never held in memory as a whole."""

    summary: Summary

    @abstractmethod
    def rows(self, table: str) -> Iterator[Row]:
        """The rows of one table, in the order in which they were written.

        Raises OperationFailed("document_damaged") when the bytes are not those that were stored.
        """


def summary_json(summary: Summary) -> dict[str, Any]:
    """As JSON. What only dumps of SQLite tell is left out where there is none of it, so manifests stay as they are."""
    whole = asdict(summary)
    return {name: value for name, value in whole.items() if value or name not in ("definitions", "ledger")}


def summary_from(raw: Mapping[str, Any]) -> Summary:
    """Inverse of `summary_json` after a journey through JSON. Raises TypeError or KeyError when it does not fit."""
    values = dict(raw)
    values["tables"] = tuple(DocumentTable(**{**item, "columns": tuple(item["columns"])}) for item in raw["tables"])
    values["problems"] = tuple(Problem(**item) for item in raw.get("problems", ()))
    values["definitions"] = {str(name): str(text) for name, text in dict(raw.get("definitions", {})).items()}
    values["ledger"] = tuple(map(str, raw.get("ledger", ())))
    return Summary(**values)


def refusing(problems: Sequence[Problem]) -> list[Problem]:
    """Those that keep a document from being used."""
    return [problem for problem in problems if problem.level == "error"]
