"""Rows taken out of COPY streams are the rows that the server put in, however the stream is cut into blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from opsconsole.engines.postgresql.copy_rows import NotACopyStream, fields_of, raw_rows

QUERY = (
    "SELECT i, CASE WHEN i % 3 > 0 THEN repeat(E'a\\tb\\\\c\\nd\\r\\b', i) END,"
    " CASE WHEN i % 2 = 0 THEN '' END FROM generate_series(1, 40) i"
)


@pytest.fixture(scope="module")
def streams(postgres: Any) -> dict[bool, bytes]:
    """The same rows in either form: by `binary`."""
    found = {}
    with psycopg.connect(postgres.url("postgres")) as session:
        for binary in (True, False):
            form = "binary" if binary else "text"
            with session.cursor().copy(f"COPY ({QUERY}) TO STDOUT (FORMAT {form})") as copy:
                found[binary] = b"".join(bytes(block) for block in copy)
    return found


def pieces(stream: bytes, size: int) -> Iterator[bytes]:
    return (stream[at : at + size] for at in range(0, len(stream), size))


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("binary", [True, False])
def test_every_row_comes_out_as_it_went_in(streams, binary, size):
    rows = [fields_of(row, binary=binary) for row in raw_rows(pieces(streams[binary], size), binary=binary)]
    numbers = [int.from_bytes(row[0], "big") if binary else int(row[0]) for row in rows]
    assert numbers == list(range(1, 41))
    assert [row[1] for row in rows] == [b"a\tb\\c\nd\r\b" * i if i % 3 else None for i in range(1, 41)]
    assert [row[2] for row in rows] == [b"" if i % 2 == 0 else None for i in range(1, 41)]


@pytest.mark.parametrize("binary", [True, False])
def test_a_stream_that_is_cut_off_is_refused(streams, binary):
    for lost in (1, 3, 20):
        with pytest.raises(NotACopyStream):
            list(raw_rows([streams[binary][:-lost]], binary=binary))


def test_a_binary_stream_with_something_else_in_it_is_refused(streams):
    for wrong in (b"x" + streams[True], streams[True] + b"x", b""):
        with pytest.raises(NotACopyStream):
            list(raw_rows([wrong], binary=True))


def test_the_letters_and_numbers_of_the_text_form_are_read():
    assert fields_of(rb"\\N" + b"\t" + rb"\N" + b"\t" + rb"\x41\101\v", binary=False) == [b"\\N", None, b"AA\v"]
