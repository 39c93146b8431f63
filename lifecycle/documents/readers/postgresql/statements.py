"""Which statements of a dump we understand, and what those mean for somebody who only wants its rows.

The list says what is allowed; everything else is refused. Nothing of it is ever run, so that a definition can do no
harm here: those are refused that would run foreign code or reach other servers where the dump is restored by its own
tools (event triggers, functions in other languages, foreign servers), because such a file is not what it seems.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from lifecycle.documents.readers.postgresql.encodings import Encoding
from lifecycle.documents.readers.postgresql.tokens import END, Speech, Tokens
from lifecycle.documents.readers.text import Piece

SAFE_LANGUAGES = {"sql", "plpgsql"}
# The extensions that PostgreSQL itself calls trusted, and well-known ones of data types and statistics.
KNOWN_EXTENSIONS = {
    "btree_gin", "btree_gist", "citext", "cube", "dict_int", "earthdistance", "fuzzystrmatch", "hstore", "intarray",
    "isn", "lo", "ltree", "pg_stat_statements", "pg_trgm", "pgcrypto", "plpgsql", "postgis", "seg", "tablefunc", "tcn",
    "tsm_system_rows", "tsm_system_time", "unaccent", "uuid-ossp", "vector",
}  # fmt: skip


class Role(Enum):
    """What is done with a statement."""

    COPY = "copy"
    INSERT = "insert"
    TABLE = "table"
    SETTING = "setting"
    SEQUENCE = "sequence"
    PASSED = "passed over"
    TOLD = "told"  # passed over, and said so
    LOST = "lost"  # data that is not taken over
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    """`what` names the kind of object in the plural, for the roles that are told to people."""

    role: Role
    what: str = ""


PASSED, UNKNOWN = Verdict(Role.PASSED), Verdict(Role.UNKNOWN)
_HEAD = re.compile(rb"\s*((?:[A-Za-z_]+(?:\s+|(?=[;(*\"'])|$)){1,6})")
_ADJECTIVES = re.compile(
    r"\b(?:OR REPLACE|UNIQUE|UNLOGGED|CONSTRAINT(?= TRIGGER)|TRUSTED|PROCEDURAL|DEFAULT(?= CONVERSION)|RECURSIVE) "
)
_SELECTS: tuple[tuple[re.Pattern[bytes], Verdict], ...] = tuple(
    (re.compile(pattern, re.DOTALL), verdict)
    for pattern, verdict in (
        (rb"SELECT pg_catalog\.set_config\('search_path', '[^']*', false\);", Verdict(Role.SETTING)),
        (rb"SELECT pg_catalog\.setval\('(?:[^']|'')+', -?\d+, (?:true|false)\);", Verdict(Role.SEQUENCE)),
        (rb"SELECT pg_catalog\.(?:lo_\w+|lowrite)\([^;]*;", Verdict(Role.LOST, "large objects")),
        (rb"SELECT \* FROM pg_catalog\.pg_restore_\w+_stats\(.*\);", PASSED),
    )
)
_REFUSED = {
    "EVENT TRIGGER": "event triggers",
    "FOREIGN": "foreign tables or wrappers",
    "SERVER": "foreign servers",
    "USER MAPPING": "foreign servers",
    "SUBSCRIPTION": "subscriptions",
    "ACCESS METHOD": "access methods",
    "TRANSFORM": "transforms",
}
_TOLD = {
    "VIEW": "views",
    "MATERIALIZED VIEW": "materialized views",
    "RULE": "rules",
    "POLICY": "row security policies",
    "TRIGGER": "triggers",
    "PUBLICATION": "publications",
}
_DEFINITIONS = {
    "TYPE", "DOMAIN", "SEQUENCE", "INDEX", "SCHEMA", "COLLATION", "CONVERSION", "CAST", "OPERATOR", "AGGREGATE",
    "TEXT SEARCH", "STATISTICS",
}  # fmt: skip
_ALTERED = _DEFINITIONS | set(_TOLD) | {"TABLE", "FUNCTION", "PROCEDURE", "LANGUAGE", "EXTENSION", "DEFAULT PRIVILEGES"}
_FIRST = {
    "COPY": Verdict(Role.COPY),
    "INSERT INTO": Verdict(Role.INSERT),
    "SET": Verdict(Role.SETTING),
    "RESET": PASSED,
    "BEGIN": PASSED,
    "COMMIT": PASSED,
    "COMMENT ON": PASSED,
    "DROP": PASSED,
    "REFRESH MATERIALIZED VIEW": PASSED,
    "GRANT": Verdict(Role.TOLD, "grants"),
    "REVOKE": Verdict(Role.TOLD, "grants"),
    "SECURITY LABEL": Verdict(Role.TOLD, "security labels"),
}


def verdict_on(statement: Piece) -> Verdict:
    """What a statement of a dump is to us."""
    if statement.text.startswith(b"INSERT INTO "):  # the many
        return _FIRST["INSERT INTO"]
    words = _words(statement)
    if words.startswith("CREATE "):
        return _created(statement, _ADJECTIVES.sub("", words.removeprefix("CREATE ")))
    if words.startswith("ALTER "):
        return _altered(statement, words.removeprefix("ALTER "))
    if words.startswith("SELECT"):
        return next((verdict for pattern, verdict in _SELECTS if pattern.fullmatch(statement.text)), UNKNOWN)
    return _looked_up(words, _FIRST) or UNKNOWN


def _words(statement: Piece) -> str:
    """The first words in capitals, with single spaces."""
    match = _HEAD.match(statement.text[:400])
    return " ".join(match[1].decode().upper().split()) if match else ""


def _looked_up(words: str, table: dict[str, Verdict]) -> Verdict | None:
    return next((verdict for head, verdict in table.items() if f"{words} ".startswith(f"{head} ")), None)


def _noun(words: str, nouns: set[str] | dict[str, str]) -> str:
    return next((noun for noun in nouns if f"{words} ".startswith(f"{noun} ")), "")


def _created(statement: Piece, words: str) -> Verdict:
    if noun := _noun(words, _REFUSED):
        return Verdict(Role.REFUSED, _REFUSED[noun])
    if noun := _noun(words, _TOLD):
        return Verdict(Role.TOLD, _TOLD[noun])
    if _noun(words, {"TABLE"}):
        return Verdict(Role.TABLE)
    if _noun(words, {"FUNCTION", "PROCEDURE"}):
        return _routine(statement)
    if _noun(words, {"EXTENSION"}):
        name = _named_after(words.split()[0], statement)
        known = name in KNOWN_EXTENSIONS
        return Verdict(Role.TOLD, "extensions") if known else Verdict(Role.REFUSED, f"the extension {name}")
    if _noun(words, {"LANGUAGE"}):
        name = _named_after(words.split()[0], statement)
        return PASSED if name in SAFE_LANGUAGES else Verdict(Role.REFUSED, f"the language {name}")
    return PASSED if _noun(words, _DEFINITIONS) else UNKNOWN


def _altered(statement: Piece, words: str) -> Verdict:
    if noun := _noun(words, _REFUSED):
        return Verdict(Role.REFUSED, _REFUSED[noun])
    if _noun(words, {"LARGE OBJECT"}):
        return Verdict(Role.LOST, "large objects")
    if not _noun(words, _ALTERED):
        return UNKNOWN
    owner = re.search(rb"\bOWNER TO\s+\S+;$", statement.text)
    return Verdict(Role.TOLD, "owners") if owner else PASSED


def _routine(statement: Piece) -> Verdict:
    """A function or procedure, by the language that stands outside of its arguments and its body."""
    language = _named_after("LANGUAGE", statement) or "sql"
    if language in SAFE_LANGUAGES:
        return Verdict(Role.TOLD, "functions")
    return Verdict(Role.REFUSED, f"functions in {language}")


def _named_after(word: str, statement: Piece) -> str:
    """The name behind a word that stands outside of parentheses; "" where there is none."""
    tokens, depth = Tokens(statement, Speech(Encoding("utf-8", "replace"))), 0
    while tokens.peek() != END:
        if not depth and tokens.skip(word):
            if tokens.skip("IF"):
                tokens.expect("NOT", "EXISTS")
            return tokens.take()[1].strip("'\"").lower()
        kind, part = tokens.take()
        depth += (kind == "sign") * ((part == "(") - (part == ")"))
    return ""
