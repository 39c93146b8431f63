"""A plain dump is read as psql would take it apart, and nothing in it is ever obeyed."""

from __future__ import annotations

import gzip

import pytest

from lifecycle.documents.readers.postgresql.dump import Dump
from lifecycle.documents.reading import Findings
from opsconsole.exceptions import OperationFailed
from tests.lifecycle.documents.reading_files import FIXTURES, read

HEAD = b"--\n-- PostgreSQL database dump\n--\n\n\\restrict tOkEn\n\nSET client_encoding = 'UTF8';\n"
TAIL = b"--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict tOkEn\n\n"
TABLE = b"CREATE TABLE public.t (\n    id integer NOT NULL,\n    word text\n);\n"
COPY = b"COPY public.t (id, word) FROM stdin;\n"


def dump(*parts: bytes) -> bytes:
    return HEAD + b"".join(parts) + TAIL


def test_the_dump_of_avdaily_is_read_with_types_and_escapes() -> None:
    packed = FIXTURES / "avdaily" / "avdaily_backup_2026-01-05_12-00-00-123Z.sql.gz"
    found = read(gzip.decompress(packed.read_bytes()))
    assert found.format == "pg-dump-sql" and found.findings.heading.engine == "postgresql"
    ids = ("22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333")
    assert found.tables == {
        "public.user": [
            {"id": ids[0], "email": "tab\tand\\backslash", "kyc_tier": "2", "m": "ok"},
            {"id": ids[1], "email": None, "kyc_tier": "7", "m": None},
        ],
        "public.wallets": [
            {"id": "1", "user_id": ids[0], "balance": "-5.00"},
            {"id": "2", "user_id": ids[1], "balance": "10.00"},
        ],
    }
    assert found.findings.types["public.wallets"] == {"id": "integer", "user_id": "uuid", "balance": "numeric(15,2)"}
    assert found.findings.types["public.user"]["m"] == "public.mood"
    assert found.codes == {"definitions"} and "functions (1)" in found.told("definitions")


def test_every_escape_of_copy_means_what_the_server_takes_it_for() -> None:
    lines = (
        rb"1	\b\f\n\r\t\v\\ \101\x42\x4a \q\! \N\N"
        + b"\n2\t\\N\n3\t\n4\ta\\\tb\n5\ta\\\nb\n6\t\\303\\251\xc3\xa9\n\\.\n"
    )
    rows = read(dump(TABLE, COPY, lines)).tables["public.t"]
    meant = ["\b\f\n\r\t\v\\ ABJ q! NN", None, "", "a\tb", "a\nb", "éé"]
    assert [row["word"] for row in rows] == meant


def test_data_that_looks_like_statements_is_data() -> None:
    lines = [b"DROP TABLE t;", b"\\\\! touch /tmp/x", b"-- ; $$ '", b"COPY public.t FROM stdin;", b"\\\\."]
    found = read(dump(TABLE, COPY, *(b"1\t" + line + b"\n" for line in lines), b"\\.\n"))
    assert [row["word"] for row in found.tables["public.t"]] == [
        line.replace(b"\\\\", b"\\").decode() for line in lines
    ]
    assert not found.errors


def test_inserts_of_every_shape_are_rows() -> None:
    statements = rb"""
INSERT INTO public.t VALUES (1, 'it''s; -- no comment');
INSERT INTO public.t (word, id) VALUES (E'a\nb\\\'\u00e9', -2), (NULL, +3);
INSERT INTO public.t OVERRIDING SYSTEM VALUE VALUES (DEFAULT, 'x'::public.mood) ON CONFLICT DO NOTHING;
INSERT INTO public.t VALUES (true, B'101'); INSERT INTO public.t VALUES (1.5e-10, '\x00ff');
INSERT INTO public.t DEFAULT VALUES;
""".replace(b" +3", b" 3")
    assert read(dump(TABLE, statements)).tables["public.t"] == [
        {"id": "1", "word": "it's; -- no comment"},
        {"word": "a\nb\\'é", "id": "-2"},
        {"word": None, "id": "3"},
        {"word": "x"},
        {"id": "true", "word": "101"},
        {"id": "1.5e-10", "word": "\\x00ff"},
        {},
    ]


def test_old_strings_and_other_encodings_are_understood() -> None:
    head = b"SET client_encoding = 'LATIN1';\nSET standard_conforming_strings = off;\n"
    rows = read(dump(TABLE, head, b"INSERT INTO public.t VALUES (1, 'a\\'b\\\\ \xe9');\n")).tables["public.t"]
    assert rows == [{"id": "1", "word": "a'b\\ é"}]
    path = b"SET search_path = public, pg_catalog;\nCREATE TABLE t (id integer);\nCOPY t (id) FROM stdin;\n1\n\\.\n"
    assert read(HEAD + path + TAIL).tables == {"public.t": [{"id": "1"}]}


def test_a_file_that_went_through_an_editor_of_windows_is_the_same() -> None:
    plain = dump(TABLE, COPY, rb"1	a\nb\r" + b"\n2\t\\N\n\\.\n", b"INSERT INTO public.t VALUES (3, 'x');\n")
    edited = b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n")
    assert read(edited).tables == read(plain).tables and read(edited).findings == read(plain).findings
    assert read(edited.partition(b"-- PostgreSQL database dump complete")[0]).errors == {"cut_off"}


def test_statements_end_where_psql_ends_them() -> None:
    odd = b"""
CREATE FUNCTION public.f(language text DEFAULT ';') RETURNS int LANGUAGE sql
    BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;
CREATE FUNCTION public.g() RETURNS int LANGUAGE plpgsql AS $b$ BEGIN; $$ ' $$ COPY x FROM stdin; END $b$;
CREATE RULE r AS ON UPDATE TO public.t DO INSTEAD (DELETE FROM public.t; DELETE FROM public.t);
/* a /* nested ; */ comment ' */ COMMENT ON TABLE public.t IS E'it\\'s; "';
CREATE VIEW public."a;b" AS SELECT 1 AS "x;y";
"""
    found = read(dump(TABLE, odd, COPY, b"1\tx\n\\.\n"))
    assert found.tables["public.t"] == [{"id": "1", "word": "x"}] and not found.errors
    assert "functions (2), rules (1), views (1)" in found.told("definitions")


def test_what_a_dump_does_not_hold_is_told_and_not_taken_for_empty() -> None:
    comment = b"-- Data for Name: empty; Type: TABLE DATA; Schema: public; Owner: -\n"
    tables = TABLE + b"CREATE TABLE public.empty (a int);\nCREATE TABLE public.left_out (a int);\n"
    parted = b"CREATE TABLE public.parted (a int) PARTITION BY RANGE (a);\n"
    through_root = comment.replace(b"empty", b"left_out") + b"-- load via partition root public.parted\n"
    found = read(dump(tables, parted, comment, through_root, COPY, b"\\.\n"))
    assert found.tables == {"public.empty": [], "public.t": []}
    assert "public.left_out." in found.told("no_rows")


COMMANDS = [
    b"\\! touch /tmp/x",
    b"\\connect other",
    b"\\copy t from x",
    b"\\i /etc/passwd",
    b"\\o |sh",
    b"\\restrict two",
]
PLACES = {
    "before everything": lambda command: command + b"\n" + dump(TABLE),
    "between statements": lambda command: dump(TABLE, command + b"\n"),
    "inside a statement": lambda command: dump(b"CREATE TABLE public.t (\n" + command + b"\n);\n"),
    "behind a statement": lambda command: dump(b"SET a = b; " + command + b"\n"),
    "behind the end of data": lambda command: dump(TABLE, COPY, b"1\ta\n\\.\n", command + b"\n"),
    "behind a name with a line break": lambda command: dump(b"-- Name: t\n" + command + b"; Type: TABLE\n", TABLE),
    "behind the last line": lambda command: dump(TABLE) + command,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_command_to_psql_is_refused_wherever_it_stands(place: str) -> None:
    for command in COMMANDS if place == "between statements" else COMMANDS[:1]:
        found = read(PLACES[place](command))
        assert found.errors == {"meta_command"}
        assert command[:6].decode() in found.told("meta_command") and "Line " in found.told("meta_command")


def test_a_command_behind_data_names_its_line() -> None:
    content = dump(TABLE, COPY, b"1\ta\n\\.\n", b"\\! id\n")
    line = content[: content.index(b"\\! id")].count(b"\n") + 1
    assert f"Line {line} is a command to psql: \\! id" in read(content).told("meta_command")


def test_the_end_of_the_restriction_needs_its_token() -> None:
    assert read(HEAD + TABLE + TAIL.replace(b"tOkEn", b"other")).errors == {"meta_command"}
    assert read(HEAD + TABLE + TAIL.partition(b"\\unrestrict")[0]).errors == {"cut_off"}


FOREIGN = {
    b"CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.f();": "event triggers",
    b"CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/tmp/x.so', 'f';": "functions in c",
    b"CREATE FUNCTION f() RETURNS int AS $$import os$$ LANGUAGE plpython3u;": "functions in plpython3u",
    b"CREATE EXTENSION IF NOT EXISTS file_fdw WITH SCHEMA public;": "the extension file_fdw",
    b"CREATE SERVER s FOREIGN DATA WRAPPER w;": "foreign servers",
    b"CREATE FOREIGN TABLE public.x (a int) SERVER s;": "foreign tables",
    b"CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p;": "subscriptions",
    b"CREATE LANGUAGE plperlu;": "the language plperlu",
}


@pytest.mark.parametrize("statement", FOREIGN, ids=FOREIGN.values())
def test_what_would_run_foreign_code_makes_a_dump_unusable(statement: bytes) -> None:
    found = read(dump(TABLE, statement + b"\n"))
    assert found.errors == {"foreign_code"} and FOREIGN[statement] in found.told("foreign_code")


@pytest.mark.parametrize(
    "statement",
    [
        b"DO $$ BEGIN PERFORM 1; END $$;",
        b"SELECT pg_read_file('/etc/passwd');",
        b"SELECT pg_catalog.set_config('search_path', '', false), lo_import('/x');",
        b"ALTER SYSTEM SET a = 1;",
        b"TRUNCATE public.t;",
        b"CREATE DATABASE x;",
    ],
)
def test_statements_that_no_dump_holds_end_the_reading(statement: bytes) -> None:
    found = read(dump(TABLE, statement + b"\n", COPY, b"1\ta\n\\.\n"))
    assert found.errors == {"unexpected_statement"} and found.tables == {}


@pytest.mark.parametrize(
    "broken",
    [
        b"COPY public.t FROM PROGRAM 'id';\n",
        b"COPY public.t FROM '/etc/passwd';\n",
        b"COPY public.t (id, word) FROM stdin WITH (FORMAT csv);\n1,a\n\\.\n",
        b"COPY public.unknown FROM stdin;\n1\n\\.\n",  # without columns nothing fits but rows of none
        COPY + b"1\n\\.\n",
        COPY + b"1\ta\tb\n\\.\n",
        COPY + b"1\t\xff\n\\.\n",
        COPY + b"1\ta\rb\n\\.\n",
        COPY + b"1\ta\0b\n\\.\n",
        COPY + b"1\ta\n",
        b"COPY public.t (id, word) FROM stdin; SELECT 1;\n\\.\n",
        b"INSERT INTO public.t VALUES (now(), 'a');\n",
        b"INSERT INTO public.t VALUES (1, pg_read_file('/etc/passwd'));\n",
        b"INSERT INTO public.t SELECT 1, 'a';\n",
        b"INSERT INTO public.t VALUES (1);\n",
        rb"INSERT INTO public.t VALUES (1, E'\UFFFFFFFF');",
        rb"INSERT INTO public.t VALUES (1, E'\377');",
        b"INSERT INTO public.unknown VALUES (1);\n",
        b"CREATE TABLE public.x AS SELECT 1;\n",
        b"INSERT INTO public.t VALUES (1, 'a",
        b'CREATE TABLE public."t (id int);\n',
        b"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $a$ SELECT 1; $b$;\n",
        b"/* no end",
        b"SET client_encoding = 'SJIS';\n",
    ],
)
def test_what_is_broken_or_would_have_to_be_run_is_unreadable(broken: bytes) -> None:
    with pytest.raises(OperationFailed) as refused:
        read(HEAD + TABLE + broken)
    assert refused.value.code == "unreadable" and refused.value.next_step


class Endless:
    """A beginning, and 100 MB of one filling behind it, made as they are read."""

    def __init__(self, beginning: bytes, filling: bytes) -> None:
        self._next, self._filling, self._left = beginning, filling, 100 << 20

    def read(self, count: int) -> bytes:
        data, self._next = self._next, b""
        count = min(count, self._left)
        self._left -= count
        return data or (self._filling * (count // len(self._filling) + 1))[:count]


@pytest.mark.parametrize("filling", [b"'", b" (1),\n", b"/*", b"$a$ "], ids=str)
def test_an_endless_statement_is_refused_before_it_fills_the_memory(filling: bytes) -> None:
    endless = Endless(HEAD + b"INSERT INTO public.t VALUES ", filling)
    with pytest.raises(OperationFailed, match=r"longer than|none that pg_dump writes"):
        list(Dump(Findings()).rows(endless))  # type: ignore[arg-type]
