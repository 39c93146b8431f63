"""Dumps of SQLite as SQL: Cloudflare's `d1 export` of both styles, and `.dump` of the sqlite3 shell."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lifecycle.documents.base import Row
from lifecycle.documents.readers.refusals import unreadable
from lifecycle.documents.readers.sqlite.content import Content
from lifecycle.documents.readers.sqlite.lexer import SqliteScript
from lifecycle.documents.readers.text import Statement
from lifecycle.documents.reading import Findings, Heading, Reader, SourceFile
from opsconsole.exceptions import OperationFailed

if TYPE_CHECKING:
    from opsconsole.engines.sqlite.untrusted import Imported

_NAME = rb"""(?:"(?:[^"]|"")+"|`(?:[^`]|``)+`|\[[^\]]+\]|'(?:[^']|'')+'|[A-Za-z_\x80-\xff][\w$\x80-\xff]*)"""
_PASSED = re.compile(
    rb"PRAGMA\s+(?:defer_foreign_keys|foreign_keys)\s*=\s*\w+\s*;|ANALYZE\s+sqlite_(?:master|schema)\s*;"
    rb"|DELETE\s+FROM\s+\"?sqlite_sequence\"?\s*;|CREATE\s+(?:UNIQUE\s+)?INDEX\b.*",
    re.IGNORECASE | re.DOTALL,
)
_BEGIN = re.compile(rb"BEGIN(?:\s+TRANSACTION)?\s*;", re.IGNORECASE)
_COMMIT = re.compile(rb"(?:COMMIT|END)(?:\s+TRANSACTION)?\s*;", re.IGNORECASE)
_BROKEN = re.compile(rb"ROLLBACK\b", re.IGNORECASE)
_TABLE = re.compile(rb"CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(" + _NAME + rb")\s*\(", re.IGNORECASE)
_TOLD = re.compile(rb"CREATE\s+(VIEW|TRIGGER)\b", re.IGNORECASE)
_DEFINED = re.compile(
    rb"CREATE\s+(?:UNIQUE\s+)?(INDEX|VIEW|TRIGGER)\s+(?:IF\s+NOT\s+EXISTS\s+)?(" + _NAME + rb")", re.IGNORECASE
)
_IF_NOT_EXISTS = re.compile(r"\A(CREATE\s+(?:UNIQUE\s+)?\w+\s+)IF\s+NOT\s+EXISTS\s+", re.IGNORECASE)
_VIRTUAL = re.compile(rb"CREATE\s+VIRTUAL\s+TABLE\b", re.IGNORECASE)
_INSERT = re.compile(
    rb"INSERT\s+INTO\s+("
    + _NAME
    + rb")\s*(\((?>(?:[^()'\"`\[]++|\"[^\"]*+\"|`[^`]*+`|\[[^\]]*+\])*)\))?\s*VALUES\s*\(",
    re.IGNORECASE,
)
_REPLACED = re.compile(
    rb"replace\('([^']*+(?:''[^']*+)*+)','\\[rn]',char\(1[03]\)\)"
    rb"|replace\(replace\('([^']*+(?:''[^']*+)*+)','\\r',char\(13\)\),'\\n',char\(10\)\)",
    re.IGNORECASE,
)
_INFINITY = re.compile(r"no such column: (?:inf(?:inity)?|nan)\b", re.IGNORECASE)
_MOST_LINES = 10
_MOST_NAMES = 5

Found = Iterator[tuple[str, Row | None]]


@dataclass
class Lines:
    """Where something stands: how often, and the first few lines."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        self.count += 1
        if self.count <= _MOST_LINES:
            self.first.append(line)

    def __str__(self) -> str:
        more = f" and {self.count - _MOST_LINES} more" if self.count > _MOST_LINES else ""
        return ", ".join(map(str, self.first)) + more


@dataclass
class _Told:
    """What is told at the end."""

    inserts: bool = False
    named_only: bool = False  # some table was not created by the dump
    definitions: dict[str, int] = field(default_factory=dict)
    infinities: Lines = field(default_factory=Lines)
    ambiguous: Lines = field(default_factory=Lines)
    open_transaction: bool = False


class _Import:
    """Puts a dump into a private database, statement by statement, and knows what else it said."""

    def __init__(self, database: Imported, findings: Findings) -> None:
        self._database = database
        self._findings = findings
        self._created: set[str] = set()
        self.told = _Told()

    def read(self, stream: BinaryIO) -> bool:
        """Whether everything was understood; if not, the findings tell where it ended."""
        for statement in SqliteScript(stream).statements():
            if not self._take(statement):
                return False
        if self.told.open_transaction:
            self._findings.refuse("cut_off", "The dump ends without its COMMIT.", "Use a whole copy of it.")
        return not self.told.open_transaction

    def _take(self, statement: Statement) -> bool:
        text = statement.text
        if match := _DEFINED.match(text):
            self._define(statement, match[1].decode().lower(), _plain(match[2]))
        if match := _INSERT.match(text):
            self._insert(statement, _plain(match[1]), match[2])
        elif match := _TABLE.match(text):
            self._create(statement, _plain(match[1]))
        elif _BEGIN.fullmatch(text) or _COMMIT.fullmatch(text):
            self.told.open_transaction = _BEGIN.fullmatch(text) is not None
        elif match := _TOLD.match(text):
            kind = f"{match[1].decode().lower()}s"
            self.told.definitions[kind] = self.told.definitions.get(kind, 0) + 1
        elif not _PASSED.fullmatch(text):
            return self._refuse(statement)
        return True

    def _define(self, statement: Statement, kind: str, name: str) -> None:
        """Tell a definition that is not run. SQLite itself keeps it without IF NOT EXISTS."""
        text = statement.text.decode(errors="replace").rstrip().removesuffix(";")
        self._findings.define(kind, name, _IF_NOT_EXISTS.sub(r"\1", text))

    def _create(self, statement: Statement, name: str) -> None:
        if not name.lower().startswith("sqlite_"):
            self._created.add(name.lower())
            with _on_line(statement):
                self._database.create_table(_text(statement))

    def _insert(self, statement: Statement, name: str, columns: bytes | None) -> None:
        self.told.inserts = True
        if name.lower().startswith("sqlite_"):
            return
        if name.lower() not in self._created:
            self._create_as_named(statement, name, columns)
        self._look_for_ambiguity(statement)
        try:
            with _on_line(statement):
                self._database.insert(_text(statement))
        except OperationFailed as error:
            if not _INFINITY.search(error.why):
                raise
            self.told.infinities.add(statement.line)

    def _create_as_named(self, statement: Statement, name: str, columns: bytes | None) -> None:
        """A table of an export without schema: the INSERT's own names, and no types."""
        if columns is None:
            raise unreadable(
                f"The INSERT on line {statement.line} names no columns, and the dump does not create {name}.",
                "Export with the schema, or give the SQLite file itself.",
            )
        self.told.named_only = True
        quoted = name.replace('"', '""')
        made = Statement(statement.line, f'CREATE TABLE "{quoted}" '.encode() + columns)
        self._create(made, name)

    def _look_for_ambiguity(self, statement: Statement) -> None:
        """Values with several `\\n`: which of them were line breaks, and which a backslash and an n?"""
        if b"replace(" in statement.text:
            literals = ((match[1] or match[2] or b"") for match in _REPLACED.finditer(statement.text))
            if any(literal.count(b"\\n") > 1 or literal.count(b"\\r") > 1 for literal in literals):
                self.told.ambiguous.add(statement.line)

    def _refuse(self, statement: Statement) -> bool:
        shown = " ".join(statement.text[:80].decode(errors="replace").split())
        where = f"Line {statement.line}"
        if _BROKEN.match(statement.text):
            self._findings.refuse(
                "cut_off", f"{where} says that the dump was broken off.", "Mend the source, dump again."
            )
        elif _VIRTUAL.match(statement.text):
            self._findings.refuse(
                "virtual_table",
                f"{where} makes a virtual table: {shown}",
                "Leave it out of the dump: its rows are derived.",
            )
        else:
            self._findings.refuse(
                "unexpected_statement",
                f"{where} holds a statement that no dump needs: {shown}",
                "Nothing of it was run. Export again, or take it out when you know why it is there.",
            )
        return False


class SqliteDump(Reader):
    """`.dump` of the sqlite3 shell, and of Python's `iterdump`."""

    name = "sqlite-dump"
    label = "SQLite dump (SQL)"
    beginning = re.compile(
        rb"(?:\xef\xbb\xbf)?\s*(?:--[^\n]*\n\s*)*(?:PRAGMA\s+foreign_keys\s*=\s*\w+\s*;\s*)?BEGIN(?:\s+TRANSACTION)?\s*;",
        re.IGNORECASE,
    )

    def recognises(self, files: Sequence[SourceFile]) -> bool:
        return len(files) == 1 and self.beginning.match(files[0].beginning()) is not None

    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Found:
        # Here, not above: this loads the engines, which only this format and the SQLite file need.
        from opsconsole.engines.sqlite.untrusted import imported

        findings.heading = Heading(engine="sqlite")
        with tempfile.TemporaryDirectory(dir=".") as folder, imported(str(Path(folder) / "dump")) as database:
            taking = _Import(database, findings)
            with files[0].open() as stream:
                whole = taking.read(stream)
            if whole and not taking.told.inserts:
                findings.note(
                    "no_rows",
                    "The dump creates tables and says nothing of what is in them (as with --no-data)."
                    " They are not part of this document.",
                )
            elif whole:
                content = Content(database, findings)
                yield from content.rows()
                if taking.told.named_only:
                    findings.define_nothing()
                self.tell(taking.told, content, findings)

    def tell(self, told: _Told, content: Content, findings: Findings) -> None:
        """What the format loses, or leaves where it is."""
        if told.infinities.count:
            findings.refuse(
                "bare_infinity",
                f"Infinity or NaN stands where SQL has no word for it, on line {told.infinities}.",
                "Write 9e999 (or -9e999) in the file, or NULL, as the row should have it.",
            )
        if told.definitions:
            listed = ", ".join(f"{kind} ({count})" for kind, count in sorted(told.definitions.items()))
            findings.note(
                "definitions", f"Only rows are taken over, and nothing is run. Left where they are: {listed}."
            )


class D1Export(SqliteDump):
    """Cloudflare's `wrangler d1 export`, with or without names of columns in its INSERTs."""

    name = "d1-export"
    label = "Cloudflare D1 export (SQL)"
    beginning = re.compile(rb"(?:\xef\xbb\xbf)?\s*PRAGMA\s+defer_foreign_keys\s*=\s*\w+\s*;", re.IGNORECASE)

    def tell(self, told: _Told, content: Content, findings: Findings) -> None:
        super().tell(told, content, findings)
        if told.ambiguous.count:
            findings.warn(
                "ambiguous_newlines",
                "D1 writes a line break, and a backslash followed by n, the same way once a text has one line break."
                f" {told.ambiguous.count} rows may hold either (line {told.ambiguous}); line breaks are assumed.",
                "Compare them with the source if they hold code or escaped text.",
            )
        if beyond := content.beyond_double:
            columns = ", ".join(
                f"{table}.{column} ({count})" for (table, column), count in beyond.most_common(_MOST_NAMES)
            )
            findings.warn(
                "rounded_integers",
                f"There are integers beyond 2^53, which D1 has rounded while it exported them: {columns}.",
                "Take such values from the source in another way (as text).",
            )


def _plain(name: bytes) -> str:
    """A name without its quotes."""
    text = name.decode(errors="replace")
    closing = {'"': '"', "`": "`", "'": "'", "[": "]"}.get(text[0])
    return text[1:-1].replace(closing * 2, closing) if closing else text


def _text(statement: Statement) -> str:
    try:
        return statement.text.decode()
    except UnicodeDecodeError:
        raise unreadable(
            f"The statement that begins on line {statement.line} holds bytes that are no UTF-8.",
            "Give the SQLite file itself, which keeps such texts as they are.",
        ) from None


@contextmanager
def _on_line(statement: Statement) -> Iterator[None]:
    """Errors of SQLite with the line of the statement."""
    try:
        yield
    except OperationFailed as error:
        raise OperationFailed(error.code, f"Line {statement.line}: {error.why}", error.next_step) from error
