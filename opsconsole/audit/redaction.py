"""No secret enters the history: texts are cleaned, shortened and searched for what looks like one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from opsconsole.plans import LARGEST_INTEGER

LONGEST_TEXT = 2000  # characters; of more, the event keeps the beginning and the digest
HIDDEN = "[hidden]"

_NAMED = r"password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|authorization|cookie"
_DATED = r"(?!\S*(?:\d{4}-\d\d-\d\d|\d{8}T\d{4}))"  # a name with a date in it is a name
_RANDOM = r"(?=[\w-]*[a-z])(?=[\w-]*[A-Z])(?=[\w-]*\d)[\w-]{32,}={0,2}"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S), HIDDEN),
    (re.compile(r"(://[^\s/@:]*):[^\s\"']*@"), rf"\1:{HIDDEN}@"),
    (re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}", re.I), rf"\1 {HIDDEN}"),
    (
        re.compile(
            rf"((?:{_NAMED})\w{{0,40}}[\"']?\s{{0,5}}[=:]\s{{0,5}})(\"[^\"]*\"|'[^']*'|[^\s,;&\"')\]}}}}]+)", re.I
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"\b(argon2|pbkdf2_\w+|bcrypt\w*|scrypt|sha1|md5)\$\S+"), HIDDEN),
    (re.compile(r"\bops_([0-9a-f]{8})_[\w-]+"), rf"ops_\1_{HIDDEN}"),  # a token of ours; its prefix is public
    (re.compile(r"\$2[aby]\$\d\d\$\S+"), HIDDEN),
    (re.compile(r"\b(?:[a-km-np-z2-9]{4}-){4}[a-km-np-z2-9]{4}\b"), HIDDEN),  # a one-time password
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"), HIDDEN),
    (re.compile(r"\bAGE-SECRET-KEY-[0-9A-Za-z-]+", re.I), HIDDEN),
    (re.compile(r"\bA(?:KIA|SIA)[A-Z0-9]{16}\b"), HIDDEN),
    (re.compile(rf"(?<![\w/+-]){_DATED}{_RANDOM}"), HIDDEN),
)


def clean(text: str) -> str:
    """The text without what looks like a secret, fit for every database, at most LONGEST_TEXT characters."""
    text = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    if len(text) <= LONGEST_TEXT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text[:LONGEST_TEXT]}… ({len(text)} characters, sha256:{digest})"


def allowed(data: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """The named fields of `data`, cleaned; the names (never the values) of all others under `left_out`."""
    named = frozenset(fields)
    kept = {clean(str(key)): plain(value) for key, value in data.items() if key in named}
    left_out = sorted(clean(str(key)) for key in data if key not in named)
    return kept | ({"left_out": left_out} if left_out else {})


def plain(value: Any) -> Any:
    """What canonical JSON can hold: texts cleaned, floats, times and huge integers as texts."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) <= LARGEST_INTEGER else str(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    return clean(str(value))
