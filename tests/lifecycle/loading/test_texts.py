"""Values as the texts that a column's type reads, without a database: what is exact, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from lifecycle.documents.base import JSON_NULL
from lifecycle.loading.cells import stored
from lifecycle.loading.fitting import Unfit
from lifecycle.loading.texts import form_of, line
from opsconsole.engines.structure import Field


def form(family: str, value: Any, *, element: str = "", is_json: bool = False) -> str:
    return form_of(Field(name="c", type="", family=family, element=element), is_json=is_json)(value)


@pytest.mark.parametrize(
    ("family", "value", "text"),
    [
        ("boolean", 1, "t"), ("boolean", False, "f"), ("boolean", "yes", "yes"), ("boolean", Decimal(0), "f"),
        ("integer", True, "1"), ("integer", Decimal("5.0"), "5"), ("integer", 1 << 70, str(1 << 70)),
        ("numeric", Decimal("1.10"), "1.10"), ("numeric", float("nan"), "nan"),
        ("bytes", b"\x01", "\\x01"), ("bytes", {"type": "Buffer", "data": [1, 255]}, "\\x01ff"),
        ("timestamptz", "2026-01-05T12:00:00", "2026-01-05T12:00:00"),
        ("timestamptz", 1767614400, "2026-01-05 12:00:00+00:00"),
        ("timestamptz", "1767614400123", "2026-01-05 12:00:00.123000+00:00"),
        ("timestamptz", Decimal("1767614400.000001"), "2026-01-05 12:00:00.000001+00:00"),
        ("timestamp", "2026-01-05T14:00:00.5+02:00", "2026-01-05 12:00:00.500000"),
        ("timestamp", "0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC"), ("timestamp", "infinity", "infinity"),
        ("date", "2026-01-05T23:30:00-05:00", "2026-01-06"), ("date", "5874897-12-31", "5874897-12-31"),
        ("date", "2026-01-05T12:00:00Z", "2026-01-05"),
        ("text", {"a": Decimal("1.0")}, '{"a":1.0}'), ("text", 5, "5"), ("text", b"abc", "abc"),
        ("json", '{"a": 1}', '{"a": 1}'), ("json", [Decimal("1.50"), None], "[1.50,null]"), ("json", JSON_NULL, "null"),
        ("other", b"\x00" * 16, "00" * 16),
    ],
)  # fmt: skip
def test_a_value_takes_the_form_of_its_column(family: str, value: Any, text: str) -> None:
    assert form(family, value) == text


def test_a_text_of_a_source_with_json_is_a_string_and_one_of_a_list_is_quoted() -> None:
    assert form("json", "1", is_json=True) == '"1"'
    assert form("array", ["a", None, 'b"\\', []], element="text") == '{"a",NULL,"b\\"\\\\",{}}'
    assert form("array", '["a,b"]', element="text") == '{"a,b"}'
    assert form("array", "[0:1]={1,2}", element="integer") == "[0:1]={1,2}"
    assert form("array", [[1, 2], [3, 4]], element="integer") == '{{"1","2"},{"3","4"}}'
    assert form("array", [[1], {"a": None}], element="json") == '{"[1]","{\\"a\\":null}"}'


@pytest.mark.parametrize(
    ("family", "value"),
    [
        ("integer", Decimal("1.5")), ("integer", float("inf")), ("bytes", "aGVsbG8="), ("timestamptz", "now"),
        ("timestamp", "tomorrow"), ("date", True), ("timestamptz", 10**18), ("text", b"\xff"), ("boolean", [1]),
        ("array", 5), ("array", "[1,"), ("json", b"x"),
    ],
)  # fmt: skip
def test_what_nobody_can_be_sure_of_is_refused(family: str, value: Any) -> None:
    with pytest.raises(Unfit):
        form(family, value, element="text")


def test_lines_escape_what_copy_would_misread() -> None:
    assert line(["a\tb", None, "c\\N\n", "\r"]) == b"a\\tb\t\\N\tc\\\\N\\n\t\\r\n"
    assert line([None]) == b"\\N\n"
    for bad in ("\0", "\udcff"):
        with pytest.raises(Unfit):
            line([bad])


def test_sqlite_keeps_numbers_only_in_a_form_that_holds_them_wholly() -> None:
    assert [stored(Decimal(text)) for text in ("0.1", "0.10000000000000001", "1e400", "0.12345678901234567890")] == [
        0.1, 0.1, "1E+400", "0.12345678901234567890",
    ]  # fmt: skip
