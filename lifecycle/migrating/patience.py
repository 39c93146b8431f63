"""How long the statements of a migration may take, by what they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from opsconsole.exceptions import Usage

DEFAULT: Final = "schema=900 data=7200 build=43200"
_CLASSES = ("schema", "data", "build")
_BUILD = re.compile(
    r"\b(INDEX|REINDEX|VACUUM|CLUSTER|REFRESH|VALIDATE|PRIMARY\s+KEY|UNIQUE|FOREIGN\s+KEY|REFERENCES|TYPE|ANALYZE)\b",
    re.IGNORECASE,
)
_DATA = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE|REPLACE|COPY|SELECT|CALL|DO)\b", re.IGNORECASE)
# Whatever may have an effect that stays although the text failed.
_LASTING = re.compile(
    r"\b(BEGIN|START|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE|CONCURRENTLY|VACUUM|CALL|DO|nextval|dblink)",
    re.IGNORECASE,
)
_PAIR = re.compile(r"(\w+)=(\d+)")


@dataclass(frozen=True)
class Limits:
    """Seconds by class, 0 without limit. `build` reads or writes whole tables: indexes, keys, rewrites."""

    schema: int
    data: int
    build: int

    @classmethod
    def read(cls, text: str) -> Limits:
        """From `schema=900 data=7200 build=43200`, or one number for all. Raises Usage."""
        if text.isdecimal():
            return cls(*[int(text)] * 3)
        given = {}
        for word in re.split(r"[\s,;]+", text.strip()):
            pair = _PAIR.fullmatch(word)
            if not pair or pair[1] not in _CLASSES:
                raise Usage(
                    "bad_value",
                    f"{word!r} limits nothing.",
                    f"Write seconds a class, such as {DEFAULT!r}, or one number.",
                )
            given[pair[1]] = int(pair[2])
        usual = {name: int(seconds) for name, seconds in _PAIR.findall(DEFAULT)}
        return cls(**(usual | given))

    def of(self, text: str) -> int:
        """For a text: the most generous class that any of its words may be of."""
        known = [self.schema]
        if _DATA.search(text):
            known.append(self.data)
        if _BUILD.search(text):
            known.append(self.build)
        return 0 if 0 in known else max(known)


def leaves_nothing(text: str) -> bool:
    """Whether a text that failed as one simple query of PostgreSQL has certainly had no effect."""
    return not _LASTING.search(text)
