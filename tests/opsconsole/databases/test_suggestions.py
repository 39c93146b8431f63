"""Which environment a URL looks like."""

from __future__ import annotations

import pytest

from opsconsole.databases.suggestions import contradictions, suggest
from opsconsole.models import Environment

DEVELOPMENT = Environment(name="development", label="Development", protected=False)
STAGING = Environment(name="staging", label="Staging", protected=False)
PRODUCTION = Environment(name="production", label="Production", protected=True)


@pytest.mark.parametrize(
    ("display", "environment"),
    [
        ("postgresql://app@db.prod.example.test/savings", "production"),
        ("postgresql://app@10.1.2.3:5432/savings_production", "production"),
        ("postgresql://app@db.example.test/savings-staging?sslmode=require", "staging"),
        ("postgresql://app@ci-db.example.test/savings", "testing"),
        ("postgresql://app@localhost:5432/savings", "development"),
        ("postgresql://app@[::1]:5432/savings", "development"),
        ("sqlite:////srv/dev/tools/live/app.sqlite3", "production"),
    ],
)
def test_the_environment_is_suggested_from_the_url(display: str, environment: str) -> None:
    suggestion = suggest(display)
    assert suggestion is not None
    assert suggestion.environment == environment


def test_a_word_within_another_word_says_nothing() -> None:
    assert suggest("postgresql://app@products.example.org/delivery") is None


def test_the_name_of_the_role_says_nothing() -> None:
    assert suggest("postgresql://test@db.example.org/savings") is None


def test_the_name_given_in_the_console_counts_before_the_url() -> None:
    suggestion = suggest("postgresql://app@dev-db.example.test/savings", "savings-prod")
    assert suggestion is not None
    assert suggestion.environment == "production"


def test_production_in_an_unprotected_environment_is_warned_about_loudly() -> None:
    (warning,) = contradictions("postgresql://app@db.prod.example.test/savings", "savings", DEVELOPMENT)
    assert warning.startswith("THIS LOOKS LIKE PRODUCTION")


def test_another_contradiction_is_warned_about_plainly() -> None:
    (warning,) = contradictions("postgresql://app@db/savings_test", "savings", STAGING)
    assert "looks like testing" in warning


def test_a_local_address_contradicts_nothing() -> None:
    assert contradictions("postgresql://app@localhost/savings", "savings", PRODUCTION) == []
