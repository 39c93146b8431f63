"""JSON is read value by value wherever the pieces are cut, in constant memory, and refused where it is not sound."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, BinaryIO, cast

import pytest

from lifecycle.documents.readers.json_stream import JsonStream
from opsconsole.exceptions import OperationFailed

ROWS: list[Any] = [
    {"text": 'ü 🎯 "x" \\ \n', "n": [1, -2.50, 1e5, 0, True, False, None], "o": {"a": {}, "b": []}},
    123456789012345678901234567890,
    Decimal("7" * 5000),
    Decimal("-0.10"),
    "",
    [],
    {},
    None,
    "\u2028",
]
TEXT = (
    '\ufeff {"a" : [ {"text":"ü \\ud83c\\udfaf \\"x\\" \\\\ \\n","n":[1,-2.50,1e5,0,true,false,null],'
    '"o":{"a":{},"b":[]}} , 123456789012345678901234567890,'
    + "7" * 5000
    + ',-0.10,"",[],{},null,"\u2028"] ,\n"b":7 }\n '
).encode()


class Dripping(io.RawIOBase):
    """Gives so many bytes at a time, whatever is asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        self._inner, self._size = io.BytesIO(data), size

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(self._size)


def stream(data: bytes | str, size: int = 1 << 20, **more: Any) -> JsonStream:
    return JsonStream(cast(BinaryIO, Dripping(data.encode() if isinstance(data, str) else data, size)), **more)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 4096])
def test_values_are_the_same_wherever_the_pieces_are_cut(size: int) -> None:
    text = stream(TEXT, size)
    found = {key: list(text.elements()) if key == "a" else text.value() for key in text.fields()}
    text.finish()
    assert found == {"a": ROWS, "b": 7}
    assert str(found["a"][0]["n"][1]) == "-2.50"


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize(
    "bad",
    [
        "", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,}', '{"a" 1}', "{1:2}", '{"a":1}x', '{"a":1,"a":2}', '{"a":tru}',
        '{"a":1.}', '{"a":01}', '{"a":-}', '{"a":"\\x"}', '{"a":"\n"}', '{"a":Infinity}', '{"a":"\\udc00"}',
        '{"a":{"b":1,"b":2}}', '{"a":1e99999999999999999999}',
    ],
)  # fmt: skip
def test_what_is_not_json_is_refused(bad: str, size: int) -> None:
    text = stream(bad, size)
    with pytest.raises(OperationFailed) as refused:
        for _ in text.fields():
            text.value()
        text.finish()
    assert refused.value.code == "unreadable"


def test_bytes_that_are_not_utf8_are_refused_wherever_they_stand() -> None:
    for data in (b'{"a":"\xff"}', b'{"a":"\xc3', b'{"a":"\xed\xa0\x80"}', '{"a":1}'.encode("utf-16")):
        text = stream(data)
        with pytest.raises(OperationFailed):
            for _ in text.fields():
                text.value()


def test_endless_and_bottomless_values_are_refused_soon() -> None:
    with pytest.raises(OperationFailed) as refused:
        stream('"' + "a" * 100_000, longest=10_000).value()
    assert refused.value.code == "bad_row"
    with pytest.raises(OperationFailed) as refused:
        stream("[" * 100_000).value()
    assert refused.value.code == "too_deep"


def test_passing_over_a_value_leaves_what_follows() -> None:
    text = stream('{"a":{"b":[1,{"c":[]}],"d":"x"},"e":[[1],2],"f":5}')
    assert [text.value() if key == "f" else text.skip() for key in text.fields()] == [None, None, 5]


def test_memory_does_not_grow_with_the_number_of_rows() -> None:
    assert _peak(15_000) < _peak(5_000) + (1 << 19)


def _peak(count: int) -> int:
    row = json.dumps({"id": 1, "name": "x" * 80}).encode()
    tracemalloc.start()
    try:
        text = JsonStream(cast(BinaryIO, io.BufferedReader(_Endless(row, count))))
        assert sum(1 for _ in text.elements()) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class _Endless(io.RawIOBase):
    """A list of so many equal rows that nobody holds in memory."""

    def __init__(self, row: bytes, count: int) -> None:
        self._parts = self._made(row, count)
        self._left = b""

    @staticmethod
    def _made(row: bytes, count: int) -> Iterator[bytes]:
        yield b"[" + row
        for _ in range(count - 1):
            yield b"," + row
        yield b"]"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._left or next(self._parts, b"")
        taken, self._left = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)
