"""Whether texts stay within the one database they are run in: only then are they tried beside the live one.

A server holds more than databases: roles, settings, other databases, files, programs, sessions of others. A rehearsal
needs nobody's approval, so whatever might reach these runs on a server of the console's own, by a role without rights
there. This is an allow-list: what is not known to stay within is taken to reach beyond.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from opsconsole.review.lexing import Dialect, Kind
from opsconsole.review.splitting import Piece, pieces

_OBJECTS = frozenset(
    {"TABLE", "INDEX", "VIEW", "MATERIALIZED", "SEQUENCE", "TYPE", "SCHEMA", "DOMAIN", "STATISTICS", "POLICY"}
    | {"UNIQUE", "TRIGGER", "COLLATION"}
)
_WORDS = frozenset({"INSERT", "UPDATE", "DELETE", "SELECT", "TRUNCATE", "SET", "RESET", "LOCK", "ANALYZE", "VALUES"})
_MADE = frozenset({"CREATE", "ALTER", "DROP"})
_COMMENTS = _OBJECTS | {"COLUMN", "CONSTRAINT"}
_EXTENSIONS = frozenset(
    {"PGCRYPTO", "UUID-OSSP", "CITEXT", "PG_TRGM", "BTREE_GIN", "BTREE_GIST", "UNACCENT", "HSTORE", "LTREE"}
)
# Functions of the server's own that read or write files, end sessions, reach other servers, or run SQL given as text.
_REACHING = re.compile(
    r"\b(?:pg_(?!catalog\b|get_serial_sequence\b|sleep\b|typeof\b)\w+|lo_\w+|\w*_to_xml\w*|ts_stat|ts_rewrite|u&(?=['\"]))",
    re.IGNORECASE,
)
# Extensions by which functions and triggers of a copy may reach other systems, whatever the migrations say.
OUTWARD = frozenset(
    {"dblink", "postgres_fdw", "mysql_fdw", "oracle_fdw", "tds_fdw", "mongo_fdw", "redis_fdw", "sqlite_fdw", "http"}
    | {"pg_net", "aws_s3", "aws_lambda", "pg_cron", "plpython3u", "plperlu", "pltclu", "plsh"}
)


def beyond(texts: Iterable[str]) -> str:
    """Why one of these texts may reach beyond its database, in words; "" when none does."""
    for text in texts:
        for piece in pieces(text, Dialect.POSTGRESQL):
            if why := _beyond(piece):
                return f"line {piece.statement.line} {why}"
    return ""


def _beyond(piece: Piece) -> str:
    if piece.trouble or piece.tokens[0].kind is Kind.META:
        return "cannot be taken apart"
    if found := _REACHING.search(piece.statement.text):
        return f"holds {found[0]}, which may reach beyond the database"
    words = [token.text.strip('"').upper() for token in piece.tokens if token.kind in (Kind.WORD, Kind.NAME)]
    first, second = [*words, "", ""][:2]
    within = (
        first in _WORDS
        or (first in _MADE and second in _OBJECTS)
        or (first == "COMMENT" and words[2:3] and words[2] in _COMMENTS)
        or (first == "CREATE" and second == "EXTENSION" and _extension(words) in _EXTENSIONS)
    )
    return "" if within else f"has {first} {second}".rstrip() + ", which is not known to stay within the database"


def _extension(words: list[str]) -> str:
    """The name behind CREATE EXTENSION IF NOT EXISTS; what follows may name a schema, or others by CASCADE."""
    name, *rest = [*(words[5:] if words[2:5] == ["IF", "NOT", "EXISTS"] else words[2:]), ""]
    return "" if "CASCADE" in rest else name
