"""Custom archives are read without a tool, by the same list as plain dumps; what is damaged or hostile is refused."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator

import pytest
from backports import zstd

from lifecycle.documents.readers.postgresql.archive import Archive
from opsconsole.exceptions import OperationFailed
from tests.lifecycle.documents.reading_files import FIXTURES, Read, read
from tests.support.servers import PostgresServer

FOLDER = FIXTURES / "pg_dump"
ALGORITHM = 11  # where the head of an archive since 1.15 names its compression
GZIP, LZ4, ZSTD = 1, 2, 3


def content(name: str = "people-18.dump") -> bytes:
    return (FOLDER / name).read_bytes()


@pytest.mark.parametrize("name", ["people-15.dump", "people-18.dump", "people-18-piped.dump"])
def test_archives_of_every_layout_are_read(name: str) -> None:
    found = read(FOLDER / name)
    assert found.format == "pg-dump-custom" and not found.errors
    assert list(found.tables) == ["public.empty", "public.people"] and found.tables["public.empty"] == []
    people = found.tables["public.people"]
    assert len(people) == 301 and people[300] == {
        "id": "301", "name": "nobody", "mood": None, "at": None, "photo": None,
    }  # fmt: skip
    assert people[0]["name"] == "person 1\t\\ é" and people[0]["photo"] == "\\x" + "0001" * 10
    assert people[0]["at"].startswith("2026-01-05 1") and people[0]["mood"] == "ok"
    assert found.findings.types["public.people"]["at"] == "timestamp with time zone"
    assert "functions (1), views (1)" in found.told("definitions")


def test_rows_packed_with_zstd_are_read_and_those_of_lz4_are_refused() -> None:
    packed = repacked(content("people-18-piped.dump"), zstd.compress, ZSTD)
    assert read(packed).tables == read(FOLDER / "people-18.dump").tables
    with pytest.raises(OperationFailed, match="lz4"):
        read(repacked(packed, bytes, LZ4))


def repacked(archive: bytes, pack: object, algorithm: int) -> bytes:
    """An archive that was written into a pipe, with its rows packed in another way."""
    opened = Archive(io.BytesIO(archive), len(archive))
    start = opened._first_block
    head = archive[:ALGORITHM] + bytes([algorithm]) + archive[ALGORITHM + 1 : start]
    blocks = b""
    for entry in opened.entries:
        if entry.has_rows and algorithm != LZ4:
            data = pack(opened.rows(entry).read())  # type: ignore[operator]
            blocks += b"\x01" + number(entry.number) + number(len(data)) + data + number(0)
    return head + (blocks or archive[start:])


def number(value: int) -> bytes:
    return b"\0" + value.to_bytes(4, "little")


def outcome(archive: bytes) -> Read | str:
    """What is read, or the code of the refusal."""
    try:
        found = read(archive)
    except OperationFailed as error:
        return error.code
    return next(iter(found.errors), found)


def flipped(original: bytes, parts: int = 20) -> Iterator[tuple[int, bytes]]:
    """The bytes with one of them inverted, at so many places from the first to the last."""
    for part in range(parts):
        place = part * (len(original) - 1) // (parts - 1)
        yield place, original[:place] + bytes([original[place] ^ 0xFF]) + original[place + 1 :]


def test_bytes_that_changed_are_caught_or_change_nothing() -> None:
    original = content()
    whole = read(original)
    refused = 0
    for place, broken in flipped(original):
        found = outcome(broken)
        if isinstance(found, Read):
            assert (found.tables, found.findings.types) == (whole.tables, whole.findings.types), place
        refused += isinstance(found, str)
    assert refused >= 12


@pytest.mark.parametrize("length", [3, 9, 40, 900, 3000, 5000, 7387])
def test_an_archive_that_is_cut_off_is_unreadable(length: int) -> None:
    assert outcome(content()[:length]) in {"unreadable", "unknown_format"}


def test_a_place_of_rows_behind_the_end_is_refused() -> None:
    original = content()
    (entry,) = (it for it in Archive(io.BytesIO(original), len(original)).entries if it.copy and it.name == "people")
    assert original.count(entry.position.to_bytes(8, "little")) == 1
    for far in (len(original), 2**63):
        moved = original.replace(entry.position.to_bytes(8, "little"), far.to_bytes(8, "little"))
        assert outcome(moved) == "unreadable"


def test_rows_that_unpack_without_end_are_refused() -> None:
    bomb = zlib.compress(b"1" * (64 << 20), 9)
    made = repacked(content("people-18-piped.dump"), lambda data: bomb, GZIP)
    with pytest.raises(OperationFailed, match="more than 200 times"):
        read(made)


def test_a_hostile_definition_is_refused_by_what_it_says_not_by_what_it_is_called() -> None:
    """The entry calls itself a view."""
    view = b"CREATE VIEW public.names AS\n SELECT name\n   FROM public.people;"
    assert content().count(view) == 1
    for evil, code in {
        b"CREATE EVENT TRIGGER n ON sql_drop EXECUTE FUNCTION f();": "foreign_code",
        b"\\! touch /tmp/evil": "meta_command",
        b"COPY people FROM PROGRAM 'id';": "unreadable",
        b"DO $$ BEGIN END $$;": "unexpected_statement",
    }.items():
        assert outcome(content().replace(view, evil.ljust(len(view)))) == code
    kind = number(4) + b"VIEW"
    assert outcome(content().replace(kind, number(4) + b"EVIL")) == "unexpected_entry"


def test_other_formats_of_pg_dump_are_named() -> None:
    tar = content()[:10] + b"\x03" + content()[11:]
    with pytest.raises(OperationFailed, match=r"the format tar.*custom"):
        read(tar)


def test_a_real_archive_with_an_event_trigger_is_refused_before_its_rows(postgres: PostgresServer) -> None:
    from tests.lifecycle.documents.postgresql.test_real_dumps import dumped

    name = postgres.create_database()
    postgres.run(
        """CREATE TABLE t (a int); INSERT INTO t VALUES (1);
        CREATE FUNCTION evil() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN COPY t TO PROGRAM 'id'; END$$;
        CREATE EVENT TRIGGER run_me ON ddl_command_end EXECUTE FUNCTION evil()""",
        name,
    )
    custom, plain = (read(dumped(postgres, name, form)) for form in ("--format=custom", "--format=plain"))
    postgres.drop_database(name)
    assert custom.errors == plain.errors == {"foreign_code"} and "event triggers" in custom.told("foreign_code")
    assert custom.tables == {}
