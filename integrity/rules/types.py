"""Types of columns as people write them, compared with those of a database."""

from __future__ import annotations

import re

from opsconsole.engines.structure import Field

_SHORT = {
    "varchar": "character varying", "char": "character", "bpchar": "character", "int": "integer", "int4": "integer",
    "int8": "bigint", "int2": "smallint", "serial": "integer", "bigserial": "bigint", "bool": "boolean",
    "float8": "double precision", "float4": "real", "decimal": "numeric", "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone", "time": "time without time zone",
}  # fmt: skip
_TYPE = re.compile(r"([^(\[]*)(\([^)]*\))?(.*)")


def same_type(wanted: str, field: Field) -> bool:
    """Whether a column is of that type; one that is written without a length may be of any length."""
    name, length, rest = _spelled(wanted)
    if length:
        return (name, length, rest) == _spelled(field.type)
    return any((name, rest) == _spelled(words)[::2] for words in (field.type, field.bare or field.type))


def _spelled(words: str) -> tuple[str, str, str]:
    """Name, length and what makes it an array, in the catalogue's own spelling."""
    match = _TYPE.match(" ".join(words.lower().split()))
    assert match is not None  # every part of it may be empty
    name, length, rest = match[1].strip(), (match[2] or "").replace(" ", ""), match[3].strip()
    if rest and not rest.startswith("["):
        name, rest = f"{name} {rest}", ""  # timestamp(3) without time zone
    return _SHORT.get(name, name), length, rest
