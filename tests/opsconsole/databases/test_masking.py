"""What is sensitive, and what is shown instead."""

from __future__ import annotations

import json

import pytest

from opsconsole.masking import MASK, is_sensitive_name, mask, mask_text, mask_within, sensitive_columns


@pytest.mark.parametrize(
    "column",
    [
        "password", "password_hash", "passwordHash", "sessionToken", "refresh_token", "id_token", "client_secret",
        "email", "invited_email", "phone_number", "iban", "date_of_birth", "birthdate", "ip_address", "first_name",
        "government_id_number", "apiKey", "API_KEY", "private_key", "otp", "card_number", "tax_id",
        "solanaWalletAddress",
    ],
)  # fmt: skip
def test_a_column_whose_name_tells_of_a_secret_or_a_person_is_sensitive(column: str) -> None:
    assert is_sensitive_name(column)


@pytest.mark.parametrize(
    "column",
    [
        "id", "name", "title", "balance", "created_at", "email_verified", "emailVerified", "email_enabled",
        "token_type", "access_token_expires_at", "require_password_change", "api_key_id", "key", "issue_key",
        "content_hash", "points",
    ],
)  # fmt: skip
def test_a_column_that_only_tells_about_one_is_not(column: str) -> None:
    assert not is_sensitive_name(column)


@pytest.mark.parametrize("configured", ["nickname", "Users.Nickname", "public.users.nickname"])
def test_a_database_can_name_further_columns(configured: str) -> None:
    assert sensitive_columns("public.users", ["id", "nickname"], [configured]) == {"nickname"}


def test_a_column_configured_for_another_table_stays_visible() -> None:
    assert sensitive_columns("public.users", ["nickname"], ["accounts.nickname"]) == frozenset()


def test_a_masked_value_does_not_tell_its_length_and_null_stays_null() -> None:
    assert mask("a") == mask("a much longer secret") == MASK
    assert mask(None) is None


def test_sensitive_keys_within_json_are_masked_however_deep() -> None:
    value = {"plan": "gold", "contact": {"email": "a@example.test"}, "list": [{"token": "t"}]}
    expected = {"plan": "gold", "contact": {"email": MASK}, "list": [{"token": MASK}]}
    assert mask_within(value) == expected
    assert json.loads(mask_within(json.dumps(value))) == expected


def test_json_that_was_cut_off_is_masked_too() -> None:
    cut = '{"theme": "dark", "token": "abc\\"d", "pin": 1234, "note": "x", "password": "hun'
    assert (
        mask_within(cut) == f'{{"theme": "dark", "token": "{MASK}", "pin": "{MASK}", "note": "x", "password": "{MASK}"'
    )


def test_addresses_and_url_passwords_in_free_text_are_masked() -> None:
    shown = mask_within("ask mia@example.test about postgres://app:hunter2@db/x")
    assert "mia" not in shown and "hunter2" not in shown
    assert shown.startswith("ask ") and shown.endswith("@db/x")


def test_numbers_and_ordinary_text_are_shown_as_they_are() -> None:
    assert [mask_within(v) for v in (1, 2.5, True, None, "plain {text")] == [1, 2.5, True, None, "plain {text"]


def test_a_long_word_is_read_once_and_not_from_each_of_its_letters() -> None:
    """The square of these lengths would keep a page waiting for hours."""
    for text in ("a." * 300_000 + "@", "w" * 300_000, "a@" * 100_000):
        assert mask_text(text) == text
    assert mask_text("x a@b@c.de <ada.l+x@exa-mple.test>, ü@b.co") == f"x a@{MASK} <{MASK}>, {MASK}"
