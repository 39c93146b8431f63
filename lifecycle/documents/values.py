"""Values of a document as JSON and back, exactly.

Texts, booleans, NULL, whole and decimal numbers, lists and objects are what JSON calls them; numbers keep every digit.
What JSON has no word for is an object with one key that begins with `$`, at the top of a column's value only:

    {"$bytes": BASE64}          bytes
    {"$text": BASE64}           a text whose bytes are not UTF-8 (SQLite stores such things)
    {"$float": "NaN"}           NaN, Infinity, -Infinity
    {"$json": {...}}            an object that would otherwise be taken for one of these
    {"$json": null}             the null of a column of JSON, which is not NULL
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from lifecycle.documents.base import JSON_NULL, JsonNull, Row, Value

_SPECIAL = {"$bytes", "$text", "$float", "$json"}
_MOST_DIGITS = 4000  # of a whole number that Python takes; longer ones are Decimal
_MINUS_ZERO = (b":-0", b",-0", b"[-0")  # what a zero of a float looks like that is less than nothing


def encode(row: Row) -> bytes:
    """One row as a line of JSON, without the newline."""
    return ("{" + ",".join([_name(name) + _encoded(value) for name, value in row.items()]) + "}").encode()


def decode(line: bytes | str, *, plain: Iterable[str] = ()) -> dict[str, Value]:
    """Inverse of `encode`. In the columns named by `plain` an object with a `$` key is just that object.

    Raises ValueError for anything that `encode` does not write. Decimal numbers come back as Decimal, and so do -0 and
    whole numbers of more than 4000 digits.
    """
    row = _parsed(line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line)
    if not isinstance(row, dict):
        raise ValueError("a row is an object")
    return revive(row, plain=frozenset(plain))


def revive(row: Row, *, plain: frozenset[str] = frozenset()) -> dict[str, Value]:
    """A row as JSON gave it, with its special values as what they stand for. Raises ValueError as `decode` does."""
    revived = dict(row)
    for name, value in row.items():
        if isinstance(value, dict) and len(value) == 1 and name not in plain and next(iter(value)) in _SPECIAL:
            revived[name] = _special(*next(iter(value.items())))
    return revived


def _parsed(line: bytes) -> Any:
    """JSON with every digit. Whole numbers are looked at one by one only where that can matter."""
    special = any(sign in line for sign in _MINUS_ZERO)
    text = line.decode("utf-8", "surrogatepass")
    try:
        return (_SLOW if special else _QUICK).decode(text)
    except InvalidOperation as error:
        raise ValueError("a number is beyond all bounds") from error
    except ValueError:
        if special or len(line) <= _MOST_DIGITS:
            raise
        return _SLOW.decode(text)


def whole_number(digits: str) -> int | Decimal:
    """A whole number as JSON writes it, also one of more digits than Python takes for an int."""
    return Decimal(digits) if digits == "-0" or len(digits) > _MOST_DIGITS else int(digits)


@lru_cache(maxsize=4096)
def _name(column: str) -> str:
    return json.dumps(column) + ":"


def _encoded(value: Value) -> str:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, int):
        return json_text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return json.dumps({"$bytes": base64.b64encode(bytes(value)).decode()})
    if isinstance(value, float | Decimal) and not _finite(value):
        return json.dumps({"$float": _constant(value)})
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in _SPECIAL:
        return '{"$json":' + json_text(value) + "}"
    if isinstance(value, JsonNull):
        return '{"$json":null}'
    return json_text(value)


def json_text(value: Any) -> str:
    """JSON of any depth in which decimal numbers keep every digit."""
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, JsonNull):
        return "null"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_name(str(name))}{json_text(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_text, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raw = value.encode("utf-8", "surrogateescape")
            return json.dumps({"$text": base64.b64encode(raw).decode()})
    return encode_basestring(value)


def _finite(value: float | Decimal) -> bool:
    return value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)


def _constant(value: float | Decimal) -> str:
    if value != value:
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _special(kind: str, inner: Any) -> Value:
    if kind == "$json":
        if inner is None:
            return JSON_NULL
        if not isinstance(inner, dict):
            raise ValueError("$json holds an object or null")
        return inner
    if not isinstance(inner, str):
        raise ValueError(f"{kind} holds a text")
    if kind == "$float":
        if inner not in {"NaN", "Infinity", "-Infinity"}:
            raise ValueError("$float holds NaN, Infinity or -Infinity")
        return float(inner)
    try:
        raw = base64.b64decode(inner, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{kind} holds base64") from error
    return raw if kind == "$bytes" else raw.decode("utf-8", "surrogateescape")


def no_constant(name: str) -> Any:
    """For json.loads, which would take NaN and the infinities. Raises ValueError."""
    raise ValueError(f"{name} is no JSON")


_QUICK = json.JSONDecoder(parse_float=Decimal, parse_constant=no_constant)
_SLOW = json.JSONDecoder(parse_float=Decimal, parse_constant=no_constant, parse_int=whole_number)
