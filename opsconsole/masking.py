"""Which values are sensitive, and what is shown in their place.

A column is sensitive when its name says so (`password_hash`, `sessionToken`, `date_of_birth`) or when the database's
`masked_columns` name it. Values of other columns are searched: sensitive keys within JSON, e-mail addresses and
passwords in URLs are masked wherever they stand. NULL is shown as NULL, for it tells nothing about anybody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

MASK = "••••••"


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SENSITIVE_WORDS = _listed(
    """
    address addr bic biometric birth birthdate birthday cookie credential credentials cvc cvv dob email emails fax
    government iban kyc lat latitude lng longitude mail mobile otp passcode passphrase passport passwd password
    passwords phone phones pin pwd salt secret secrets selfie signature ssn surname token tokens totp
    """
)
_SENSITIVE_PAIRS = _listed(
    """
    access_key account_number api_key app_key backup_code backup_codes bank_account card_number credit_card
    encryption_key family_name first_name full_name given_name invite_code ip_addr key_hash last_name
    national_id private_key recovery_code recovery_codes routing_number secret_key session_key signing_key
    social_security tax_id tax_number verification_code verification_data
    """
)
_SENSITIVE_COLUMNS = frozenset({"apikey", "ip", "privatekey"})
# `email_verified`, `token_type` and `password_changed_at` tell of a secret without holding it
_HARMLESS_ENDINGS = _listed(
    """
    activity at attempts change changed count enabled expires expiry id milestones reminders report required sent
    status type types up updates verified version
    """
)
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PAIR = re.compile(r'"([^"\\]+)"(\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s",}\]]+)')
# What is before the @ begins where a word begins: tried from each of its letters, a long word would take for ever.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s/@]+@")


def words_of(name: str) -> list[str]:
    """`refreshTokenID` and `refresh_token_id` alike give refresh, token, id."""
    return [piece.lower() for piece in _PIECES.findall(name)]


def is_sensitive_name(column: str) -> bool:
    """Whether a column (or a JSON key) of that name holds what must not be shown."""
    words = words_of(column)
    if column.lower() in _SENSITIVE_COLUMNS:
        return True
    if not words or words[-1] in _HARMLESS_ENDINGS:
        return "_".join(words[-2:]) in _SENSITIVE_PAIRS
    pairs = {f"{left}_{right}" for left, right in pairwise(words)}
    return bool(_SENSITIVE_WORDS.intersection(words) or _SENSITIVE_PAIRS & pairs)


def sensitive_columns(table: str, columns: Collection[str], configured: Collection[str] = ()) -> frozenset[str]:
    """The columns of `table` (its full name) to mask; `configured` holds columns, alone or as `table.column`."""
    wanted = {name.lower() for name in configured}
    tables = (table.lower(), table.lower().rpartition(".")[2])

    def is_configured(column: str) -> bool:
        return bool(wanted & {column.lower(), *(f"{name}.{column.lower()}" for name in tables)})

    return frozenset(column for column in columns if is_sensitive_name(column) or is_configured(column))


def mask(value: Any) -> Any:
    """What is shown for a value of a sensitive column."""
    return None if value is None else MASK


def mask_within(value: Any) -> Any:
    """A value of an ordinary column, with sensitive JSON keys, e-mail addresses and URL passwords masked within it."""
    if isinstance(value, Mapping):
        return {key: mask(item) if is_sensitive_name(str(key)) else mask_within(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_within(item) for item in value]
    if not isinstance(value, str):
        return value
    if value[:1] not in ("{", "["):
        return mask_text(value)
    parsed = _parsed(value)
    return (
        mask_text(_PAIR.sub(_mask_pair, value))
        if parsed is None
        else json.dumps(mask_within(parsed), ensure_ascii=False)
    )


def mask_text(text: str) -> str:
    """Free text without e-mail addresses and without the passwords of URLs."""
    return _EMAIL.sub(MASK, _URL_PASSWORD.sub(rf"\1{MASK}@", text))


def _mask_pair(found: re.Match[str]) -> str:
    """A `"key": value` of JSON that was cut off, or is none after all."""
    return f'"{found[1]}"{found[2]}"{MASK}"' if is_sensitive_name(found[1]) else found[0]


def _parsed(text: str) -> Any:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict | list) else None
