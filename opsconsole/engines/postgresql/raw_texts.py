"""Texts of a database whose encoding is SQL_ASCII: the server keeps any bytes and knows of no characters.

It sends none of them to a session that wants UTF-8 unless they are that. So a session that only looks takes them as
they are; what is no UTF-8 is written as `\\xe9`, which people can read, and which no text is taken for by mistake.
"""

from __future__ import annotations

import codecs
from typing import Any

from psycopg import sql
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader

from opsconsole.engines.postgresql.connect import Connection

_TYPES = ("text", "varchar", "bpchar", "name", '"char"', "json", "jsonb", "xml")
_IN_JSON = "opsconsole.in_json"


class _Legible(Loader):
    """A text, with what is no UTF-8 as `\\xe9`."""

    errors = "backslashreplace"

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", self.errors)


class _LegibleInJson(_Legible):
    """The text of a JSON value, in which such a backslash is escaped itself."""

    errors = _IN_JSON


class Words(sql.Composable):
    """SQL that somebody wrote, in UTF-8 whatever the session's encoding."""

    def as_bytes(self, context: AdaptContext | None = None) -> bytes:
        return str(self._obj).encode()


def take_raw(session: Connection, *, as_json: bool = False) -> None:
    """Have a session of such a database take its texts as they are; `as_json` where they are the texts of JSON values.

    Any other session is left as it is. Not for a session that is in a transaction.
    """
    if session.info.parameter_status("server_encoding") != "SQL_ASCII":
        return
    session.execute("SET client_encoding = 'SQL_ASCII'")
    for name in _TYPES:
        session.adapters.register_loader(name, _LegibleInJson if as_json else _Legible)


def _in_json(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    broken: Any = error.object[error.start : error.end]
    return "".join(f"\\\\x{byte:02x}" for byte in broken), error.end


codecs.register_error(_IN_JSON, _in_json)
