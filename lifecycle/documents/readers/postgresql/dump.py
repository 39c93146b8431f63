"""pg_dump's plain text, read statement by statement; nothing of it is ever given to a database or to psql."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from lifecycle.documents.base import Row
from lifecycle.documents.readers.postgresql.defining import Defined, defined
from lifecycle.documents.readers.postgresql.encodings import encoding_named
from lifecycle.documents.readers.postgresql.inserts import Inserts
from lifecycle.documents.readers.postgresql.lexer import Command, Comment, Script
from lifecycle.documents.readers.postgresql.rows import Target, copied, row_of
from lifecycle.documents.readers.postgresql.statements import Role, verdict_on
from lifecycle.documents.readers.postgresql.tokens import Speech
from lifecycle.documents.readers.refusals import unreadable
from lifecycle.documents.readers.text import Statement
from lifecycle.documents.reading import Findings, Heading, Reader, SourceFile

BEGINNING = 1 << 16  # bytes in which a dump shows what it is
_HEADER = b"-- PostgreSQL database dump"
_SIGNS = re.compile(
    rb"^(?:-- PostgreSQL database (?:cluster )?dump|SET (?:client_encoding|standard_conforming_strings) = |"
    rb"SELECT pg_catalog\.set_config\(|COPY \S+ (?:\(.*\) )?FROM stdin;|\\restrict \w+)",
    re.MULTILINE,
)
_OTHER = re.compile(rb"\s*(?:PRAGMA\b|PGDMP|[{\[]|SQLite format 3\0)")
_DATA_FOR = re.compile(rb"-- Data for Name: (.*); Type: TABLE DATA; Schema: (.*); Owner: ")
THROUGH_ITS_ROOT = b"-- load via partition root "  # the rows of a partition, put into its parent
_TOKEN = re.compile(rb"\\(restrict|unrestrict)\s+([A-Za-z0-9]+)\s*")
_SETTING = re.compile(rb"SET (\w+)\s*(?:=|TO)\s*(.*?);", re.DOTALL | re.IGNORECASE)
_OF_THE_SERVER = re.compile(rb"(?:CREATE|ALTER)\s+(?:DATABASE|ROLE|USER|TABLESPACE)\b")
_ONE_DATABASE = "Dump one database with pg_dump, and without --create."
_TAKE_OUT = "Dump again with pg_dump, or take the statement out when you know why it is there."
_NAMED = 5  # tables and columns that a sentence names before it says how many more

Found = Iterator[tuple[str, Row | None]]


class Dump:
    """A dump as it is read: one script (`rows`), or the parts that an archive keeps apart (`part`, then `end`)."""

    def __init__(self, findings: Findings) -> None:
        self.stopped = False  # by something that no dump holds; the findings tell what
        self._findings = findings
        self._place = ""  # which part of an archive a line belongs to
        self._script = Script(io.BytesIO())
        self._speech = Speech()
        self._path = ""  # the schema of names without one, where an old dump sets a search_path
        self._defined: dict[tuple[str, str], Defined] = {}
        self._inserts = Inserts(self._columns)
        self._covered: set[str] = set()
        self._announced: list[str] = []  # tables whose own heading has come, and nothing behind it yet
        self._counted: dict[Role, Counter[str]] = {Role.TOLD: Counter(), Role.LOST: Counter(), Role.REFUSED: Counter()}
        self._restricted = b""
        self._whole = True  # whether the end that the beginning promises has come
        findings.heading = Heading(engine="postgresql", texts=True)

    def rows(self, stream: BinaryIO) -> Found:
        """As `Reader.rows`. It stops at the first thing that no dump holds, with an error among the findings."""
        yield from self.part(stream)
        if not self.stopped:
            yield from self.end()

    def part(self, stream: BinaryIO, place: str = "") -> Found:
        """The rows of one script, or of one entry of an archive; what was said before still holds."""
        self._place = place
        self._script = Script(stream, standard_strings=self._speech.standard_strings)
        for piece in self._script.pieces():
            if isinstance(piece, Comment):
                self._comment(piece)
            elif isinstance(piece, Command):
                self._command(piece)
            elif isinstance(piece, Statement):
                yield from self._statement(piece)
            if self.stopped:
                return

    # -- what is no statement ------------------------------------------------------------------------------------

    def _comment(self, piece: Comment) -> None:
        """A table's own heading tells that its rows are here, also when there are none (--inserts)."""
        if piece.text.rstrip(b"\r") == _HEADER:
            self._whole = False
        elif piece.text.rstrip(b"\r") == _HEADER + b" complete":
            self._whole = True
        elif match := _DATA_FOR.match(piece.text):
            name, schema = (self._speech.encoding.text(part, piece.line) for part in match.groups())
            if not self._defined.keys().isdisjoint({(schema, name), ("", name)}):
                self.announce(schema, name)
        elif piece.text.startswith(THROUGH_ITS_ROOT):
            del self._announced[-1:]

    def _command(self, piece: Command) -> None:
        """Only the pair that pg_dump itself writes around its text is understood, with one token for both."""
        match = _TOKEN.fullmatch(piece.text)
        if match and match[1] == b"restrict" and not self._restricted:
            self._restricted = match[2]
            return
        if match and match[1] == b"unrestrict" and match[2] == self._restricted:
            self._restricted = b""
            return
        self.stopped = True
        shown = piece.text[:60].decode(errors="replace")
        self._findings.refuse(
            "meta_command",
            f"{self._place}Line {piece.line} is a command to psql: {shown}",
            "No backup needs one (pg_dump writes them with --create only). Find out who changed this file.",
        )

    # -- statements ----------------------------------------------------------------------------------------------

    def _statement(self, piece: Statement) -> Found:
        yield from self._begin_announced()
        verdict = verdict_on(piece)
        if verdict.role in self._counted:
            self.count(verdict.role, verdict.what)
        elif verdict.role is Role.COPY:
            yield from self._copied(piece)
        elif verdict.role is Role.INSERT:
            yield from self._inserted(piece)
        elif verdict.role is Role.TABLE:
            self._define(defined(piece, self._speech))
        elif verdict.role is Role.SETTING:
            self._set(piece)
        elif verdict.role is Role.UNKNOWN:
            self._refuse_unknown(piece)

    def _copied(self, piece: Statement) -> Found:
        target = copied(piece, self._speech)
        columns = target.columns
        if columns is None:  # so pg_dump writes a table that has none
            columns = self._columns(target.schema, target.table) or ()
        self._require_known(target, piece)
        name, encoding = self._full_name(target), self._speech.encoding
        yield from self._begun(name)
        for line, raw in self._script.data():
            yield name, row_of(raw, columns, line, encoding)

    def _require_known(self, target: Target, piece: Statement) -> None:
        """Where the dump creates the table as well, both must tell of the same columns."""
        known = self._columns(target.schema, target.table)
        strange = [name for name in target.columns or () if known is not None and name not in known]
        if strange:
            raise unreadable(
                f"The COPY on line {piece.line} names the column {strange[0]}, which its table does not have.",
                "The file was changed or damaged. Use another copy of it.",
            )

    def _inserted(self, piece: Statement) -> Found:
        for target, row in self._inserts.rows(piece, self._speech):
            name = self._full_name(target)
            yield from self._begun(name)
            yield name, row

    def announce(self, schema: str, table: str) -> None:
        """The rows of a table follow, even if there are none."""
        self._announced.append(f"{schema}.{table}" if schema else table)

    def count(self, role: Role, what: str) -> None:
        """Something to be told at the end."""
        self._counted[role][what] += 1

    def _begin_announced(self) -> Found:
        for name in self._announced:
            yield from self._begun(name)
        self._announced.clear()

    def _begun(self, name: str) -> Found:
        if name not in self._covered:
            self._covered.add(name)
            yield name, None

    def _define(self, table: Defined) -> None:
        self._defined[table.schema, table.table] = table
        name = self._full_name(table)
        self._findings.types[name] = dict(table.types)

    def _columns(self, schema: str, table: str) -> tuple[str, ...] | None:
        """In the order of an INSERT without names; None where the dump does not tell."""
        found = self._defined.get((schema, table))
        if found is None or not found.complete:
            return None
        columns: dict[str, None] = {}
        for parent in found.parents:
            inherited = self._columns(*parent)
            if inherited is None:
                return None
            columns |= dict.fromkeys(inherited)
        return tuple(columns | dict.fromkeys(found.types))

    def _full_name(self, target: Target | Defined) -> str:
        schema = target.schema or self._path
        return f"{schema}.{target.table}" if schema else target.table

    def _set(self, piece: Statement) -> None:
        match = _SETTING.fullmatch(piece.text)
        if not match:
            return
        name, value = match[1].lower(), match[2].decode(errors="replace").strip("'")
        if name == b"client_encoding":
            self._speech = Speech(encoding_named(value, piece.line), self._speech.standard_strings)
        elif name == b"standard_conforming_strings":
            self._script.standard_strings = value.lower() == "on"
            self._speech = Speech(self._speech.encoding, self._script.standard_strings)
        elif name == b"search_path":
            self._path = value.split(",")[0].strip(' "')

    def _refuse_unknown(self, piece: Statement) -> None:
        self.stopped = True
        shown = " ".join(piece.text[:80].decode(errors="replace").split())
        self._findings.refuse(
            "unexpected_statement",
            f"{self._place}Line {piece.line} holds a statement that no dump of one database needs: {shown}",
            _ONE_DATABASE if _OF_THE_SERVER.match(piece.text) else _TAKE_OUT,
        )

    # -- the end -------------------------------------------------------------------------------------------------

    def end(self) -> Found:
        """Tell what there is to tell once everything has been read."""
        yield from self._begin_announced()
        if self._restricted or not self._whole:
            self._findings.refuse("cut_off", "The dump ends before its own last line.", "Use a whole copy of it.")
        if refused := self._counted[Role.REFUSED]:
            listed = ", ".join(f"{what[:60]} ({number})" for what, number in refused.most_common(_NAMED))
            self._findings.refuse(
                "foreign_code",
                f"The dump defines {listed}: such things may run programs or reach other servers.",
                "Nothing of it was run. Have it looked at, and dump only the tables: pg_dump --table=...",
            )
        for what in sorted(self._counted[Role.LOST]):
            self._findings.warn("not_taken_over", f"The dump holds {what}, which are not read.")
        told = ", ".join(f"{what} ({number})" for what, number in sorted(self._counted[Role.TOLD].items()))
        if told:
            self._findings.note("definitions", f"Only rows are taken over. Left where they are: {told}.")
        self._tell_uncovered()

    def _tell_uncovered(self) -> None:
        names = [self._full_name(table) for table in self._defined.values() if table.holds_rows]
        without = [name for name in names if name not in self._covered]
        if without:
            more = f" and {len(without) - _NAMED} more" if len(without) > _NAMED else ""
            self._findings.note(
                "no_rows",
                f"The dump creates tables without saying what is in them: {', '.join(without[:_NAMED])}{more}."
                " They are not part of this document.",
            )


class PgDumpSql(Reader):
    """`pg_dump` and `pg_dump --inserts`, whatever they leave out."""

    name = "pg-dump-sql"
    label = "PostgreSQL dump (plain SQL)"

    def recognises(self, files: Sequence[SourceFile]) -> bool:
        if len(files) != 1:
            return False
        with files[0].open() as stream:
            beginning = stream.read(BEGINNING)
        return not _OTHER.match(beginning) and _SIGNS.search(beginning) is not None

    def rows(self, files: Sequence[SourceFile], findings: Findings) -> Found:
        with files[0].open() as stream:
            yield from Dump(findings).rows(stream)
