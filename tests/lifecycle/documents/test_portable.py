"""A portable document is read by any JSON reader, and by ours row by row with every value as it was."""

from __future__ import annotations

import io
import json
import math
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import pytest

from lifecycle.documents.base import JSON_NULL, DocumentTable, Problem, Summary, summary_from
from lifecycle.documents.portable import DocumentWriter, counts_of, rows_of
from lifecycle.documents.values import decode, encode
from opsconsole.exceptions import OperationFailed

SUMMARY = Summary(format="portable", label="ours", tables=(), version=14, version_name="0014_ü", exported_at="")
ROW: dict[str, Any] = {
    "none": None,
    "yes": True,
    "big": 2**80,
    "exact": Decimal("12.3400000000000000000001"),
    "huge": Decimal("1E+400"),
    "float": 0.1,
    "text": 'a "quoted"\nline, ü, \u2028, $',
    "bytes": b"\x00\xff",
    "odd": b"not \xff utf-8".decode("utf-8", "surrogateescape"),
    "json": {"a": [1, {"$bytes": "inner ones are left alone"}, Decimal("2.50")]},
    "special": {"$bytes": "AA=="},
    "json null": JSON_NULL,
    "infinite": -math.inf,
}


def written(tables: dict[str, list[dict[str, Any]]]) -> bytes:
    out = io.BytesIO()
    writer = DocumentWriter(out.write, SUMMARY)
    for name, rows in tables.items():
        writer.table(name)
        for row in rows:
            writer.row(row)
    writer.finish()
    return out.getvalue()


def test_every_value_comes_back_as_it_was() -> None:
    back = decode(encode(ROW))
    assert back == ROW | {"float": Decimal("0.1")}
    assert math.isnan(decode(encode({"x": math.nan}))["x"])  # type: ignore[arg-type]
    assert decode('{"j": {"$bytes": "AA=="}}', plain=["j"]) == {"j": {"$bytes": "AA=="}}


@pytest.mark.parametrize("bad", ['{"x": {"$bytes": 1}}', '{"x": {"$float": "1"}}', "[1]", '{"x": NaN}', "{"])
def test_what_we_do_not_write_is_no_row(bad: str) -> None:
    with pytest.raises(ValueError):
        decode(bad)


@pytest.mark.parametrize("tables", [{}, {"a": []}, {"a": [], 'odd "name"': [ROW, {"x": 1}], "z": [{}]}])
def test_a_document_is_json_and_streams_row_by_row(tables: dict[str, list[dict[str, Any]]]) -> None:
    data = written(tables)
    whole = json.loads(data)
    assert (whole["version"], whole["versionName"], whole["exportedAt"]) == (14, "0014_ü", "")
    assert {name: len(rows) for name, rows in whole["tables"].items()} == {n: len(rows) for n, rows in tables.items()}
    found: dict[str, list[Any]] = {}
    for name, row in rows_of(io.BytesIO(data)):
        found.setdefault(name, []).extend([] if row is None else [row])
    assert found == {n: [r | {"float": Decimal("0.1")} if r is ROW else r for r in rows] for n, rows in tables.items()}


@pytest.mark.parametrize("odd", [{}, {"n": Decimal("7" * 9000)}, {"x": {"$bytes": "AA=="}}, {"x": b"\xff"}])
def test_rows_are_counted_as_they_are_read(odd: dict[str, Any]) -> None:
    data = written({"a": [{"x": number} for number in range(30_000)], "empty": [], "b": [{"x": 1}, odd]})
    assert counts_of(io.BytesIO(data)) == {"a": 30_000, "empty": 0, "b": 2}
    for wrong in (
        b'{"x":7}}',
        b'{"x":7},{"x":8}',
        b'[{"x":7}]',
        b'{"x":[7}',
        b'{"x":NaN}',
        b'{"x":{"$bytes":7}}',
        b"7",
    ):
        with pytest.raises(OperationFailed) as refused:
            counts_of(io.BytesIO(data.replace(b'{"x":7}', wrong, 1)))
        assert refused.value.code == "document_damaged", wrong


def test_a_document_that_was_cut_or_changed_is_refused() -> None:
    data = written({"a": [{"x": 1}, {"x": 2}]})
    for bad in (data[:-4], data[: len(data) // 2], data + b"x", data + b"x\n", data.replace(b'"x"', b'"x', 1), b""):
        with pytest.raises(OperationFailed) as refused:
            list(rows_of(io.BytesIO(bad)))
        assert refused.value.code == "document_damaged"


def test_a_summary_survives_json() -> None:
    summary = Summary(
        format="x",
        label="y",
        tables=(DocumentTable(name="t", columns=("a",), rows=3, types={"a": "int"}),),
        problems=(Problem(level="note", code="c", text="t"),),
    )
    assert summary_from(json.loads(json.dumps(asdict(summary)))) == summary
    assert (summary.rows, summary.table("t").rows) == (3, 3)


def test_a_zero_keeps_its_sign_and_a_long_number_all_its_digits() -> None:
    found = decode('{"a": -0, "b":-0,"c":[-0],"d":-0.0,"n":' + "7" * 9000 + "}")
    assert [str(found[name]) for name in "bd"] == ["-0", "-0.0"]
    assert str(found["c"]) == "[Decimal('-0')]"
    assert found["n"] == Decimal("7" * 9000)
    assert isinstance(decode('{"x": 10}')["x"], int)
