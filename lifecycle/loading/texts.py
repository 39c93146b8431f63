"""Values as the text that PostgreSQL's own input functions take, by the family of the column; and lines for COPY.

What a type cannot hold is refused here or by the server, never bent into shape: no `now`, no cut texts, no guessed
binary. Times without a zone are UTC; a time with one that goes where none is kept becomes UTC.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from lifecycle.documents.values import json_text
from lifecycle.loading.fitting import Unfit
from opsconsole.engines.structure import Field

Form = Callable[[Any], str]  # of a value that is not NULL; raises Unfit
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NULL = "\\N"
_TIME = re.compile(
    r"(?P<day>\d{4,7}-\d\d-\d\d)(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?"
    r"\s?(?P<zone>Z|[+-]\d\d(?::?\d\d(?::?\d\d)?)?)?(?P<bc> BC)?"
)
_EPOCH_TEXT = re.compile(r"-?\d{9,16}(?:\.\d+)?")
_INFINITE = frozenset({"infinity", "-infinity"})
_NO_ZONE = frozenset({None, "Z", "+00", "+00:00", "+0000", "-00:00"})
_QUICK = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def form_of(field: Field, *, is_json: bool) -> Form:
    """How values of a column are written. `is_json`: its texts are JSON strings, not the text of JSON."""
    return _form(field.family, field.element, is_json)


def line(texts: Sequence[str | None]) -> bytes:
    """One row for COPY in its text form. Raises Unfit for what is no text."""
    nulls = texts.count(None)
    joined = "\t".join([NULL if text is None else text for text in texts] if nulls else texts)  # type: ignore[arg-type]
    plain = joined.count("\\") == nulls and joined.count("\t") == max(0, len(texts) - 1)
    if not plain or "\n" in joined or "\r" in joined:
        joined = "\t".join(NULL if text is None else text.translate(_ESCAPES) for text in texts)
    if "\0" in joined:
        raise Unfit("a text of PostgreSQL cannot hold a zero byte")
    try:
        return joined.encode() + b"\n"
    except UnicodeEncodeError:
        raise Unfit("a text is not valid UTF-8") from None


def _form(family: str, element: str, is_json: bool) -> Form:
    if family == "json":
        return _json if is_json else _json_or_its_text
    if family == "array":
        inner = _form(element or "other", "", True)
        return lambda value: _array(value, inner, nested=element != "json")
    return _FORMS.get(family, _other)


def _boolean(value: Any) -> str:
    if isinstance(value, int | Decimal | float):
        return "t" if value else "f"
    return _text_only(value, "boolean")


def _integer(value: Any) -> str:
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, Decimal | float):
        if value != value or value in (float("inf"), float("-inf")) or value != int(value):
            raise Unfit("it is no whole number")
        return str(int(value))
    return _text_only(value, "number")


def _number(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return str(value) if isinstance(value, int | Decimal | float) else _text_only(value, "number")


def _bytes(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    if isinstance(value, dict) and value.get("type") == "Buffer" and isinstance(value.get("data"), list):
        return "\\x" + _of_buffer(value["data"])
    if isinstance(value, str) and value.startswith("\\x"):
        return value
    raise Unfit("nobody can tell how its bytes are written (\\x and hexadecimal digits would do)")


def _of_buffer(data: list[Any]) -> str:
    """The bytes of a Buffer as Node writes it into JSON."""
    try:
        return bytes(data).hex()
    except (TypeError, ValueError):
        raise Unfit("its list of bytes holds something else") from None


def _moment(value: Any) -> str:
    """For timestamptz. A text without a zone is UTC, as the session's time zone is."""
    if isinstance(value, str) and (_TIME.fullmatch(value) or value in _INFINITE):
        return value
    return _since_epoch(value).isoformat(sep=" ")


def _plain_moment(value: Any) -> str:
    """For timestamp, of which the server would ignore the zone."""
    text = _moment(value)
    match = _TIME.fullmatch(text)
    if match is None or match["zone"] in _NO_ZONE:
        return text
    return _in_utc(text).replace(tzinfo=None).isoformat(sep=" ")


def _date(value: Any) -> str:
    text = _moment(value)
    match = _TIME.fullmatch(text)
    if match is None:
        return text  # infinity
    return match["day"] + (match["bc"] or "") if match["zone"] in _NO_ZONE else str(_in_utc(text).date())


def _in_utc(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unfit("its time cannot be brought to UTC") from None


def _since_epoch(value: Any) -> datetime:
    """Seconds, milliseconds or microseconds since 1970: their size tells which (until the year 5138).

    Words like `now`, which the server would take, are no time.
    """
    plain = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    if not plain and not (isinstance(value, str) and _EPOCH_TEXT.fullmatch(value)):
        raise Unfit("it is no time (2026-01-05T12:00:00Z is one)")
    number = Decimal(str(value))
    if not number.is_finite():
        raise Unfit("it is no time")
    unit = 1_000_000 if abs(number) < 10**11 else 1000 if abs(number) < 10**14 else 1
    try:
        return EPOCH + timedelta(microseconds=int((number * unit).to_integral_value()))
    except OverflowError:
        raise Unfit("it is too far away for a time") from None


def _json(value: Any) -> str:
    if isinstance(value, bytes):
        raise Unfit("bytes are no JSON")
    if isinstance(value, float | Decimal) and not Decimal(value).is_finite():
        raise Unfit("JSON has no word for this number")
    try:
        return _QUICK.encode(value)
    except (TypeError, ValueError):  # decimal numbers, which keep their digits
        return json_text(value)


def _json_or_its_text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value)


def _array(value: Any, inner: Form, *, nested: bool) -> str:
    if isinstance(value, str) and value.startswith("[") and "]=" not in value:
        try:
            value = json.loads(value, parse_float=Decimal)
        except ValueError:
            raise Unfit("its text is no list") from None
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise Unfit("it is no list")
    return "{" + ",".join(_element(item, inner, nested) for item in value) + "}"


def _element(item: Any, inner: Form, nested: bool) -> str:
    if item is None:
        return "NULL"
    if nested and isinstance(item, list):
        return "{" + ",".join(_element(each, inner, nested) for each in item) + "}"
    return '"' + inner(item).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise Unfit("its bytes are no text") from None
    return _other(value)


def _other(value: Any) -> str:
    """Types whose text only the server understands: uuid, enumerations, intervals, ranges, addresses."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.hex() if len(value) == 16 else _refuse_bytes()
    return _json(value)


def _refuse_bytes() -> str:
    raise Unfit("bytes do not fit here")


def _text_only(value: Any, what: str) -> str:
    if isinstance(value, str):
        return value
    raise Unfit(f"it is no {what}")


_FORMS: dict[str, Form] = {
    "boolean": _boolean, "integer": _integer, "numeric": _number, "float": _number, "bytes": _bytes,
    "timestamp": _plain_moment, "timestamptz": _moment, "date": _date, "text": _text, "other": _other,
}  # fmt: skip
