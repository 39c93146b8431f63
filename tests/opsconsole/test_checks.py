"""Settings that a production installation must not have: one finding each, with an id and the next step."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from opsconsole import checks

SOUND = {
    "PRODUCTION": True, "DEBUG": False, "ALLOWED_HOSTS": ["console.example.test"], "SECRET_KEY": "k" * 64,
    "DEMO": False, "SESSION_COOKIE_SECURE": True, "CSRF_COOKIE_SECURE": True, "ALLOW_FAILPOINTS": False,
    "CSRF_TRUSTED_ORIGINS": [], "SECURE_HSTS_SECONDS": 31536000, "BROKER_URL": "redis://localhost/0",
    "BEAT_SECONDS": 5.0, "SELF_FENCE_SECONDS": 18.0, "LEASE_SECONDS": 30.0,
}  # fmt: skip
INSECURE = [
    ("DEBUG", True, "E001"),
    ("ALLOWED_HOSTS", [], "E002"),
    ("ALLOWED_HOSTS", ["*"], "E002"),
    ("SECRET_KEY", "short", "E003"),
    ("SECRET_KEY", "django-insecure-" + "k" * 64, "E003"),
    ("SESSION_COOKIE_SECURE", False, "E004"),
    ("CSRF_COOKIE_SECURE", False, "E004"),
    ("ALLOW_FAILPOINTS", True, "E005"),
    ("DEMO", True, "E006"),
    ("CSRF_TRUSTED_ORIGINS", ["http://console.example.test"], "E007"),
    ("SECURE_HSTS_SECONDS", 0, "W001"),
    ("BROKER_URL", "redis://queue.example.test/0", "W002"),
]


@pytest.fixture
def production(settings: Any) -> Any:
    for name, value in SOUND.items():
        setattr(settings, name, value)
    return settings


def found() -> list[str]:
    return [str(message.id) for message in (*checks.check_production(), *checks.check_timing())]


def test_a_sound_installation_has_no_finding(production: Any) -> None:
    assert found() == []


@pytest.mark.parametrize(("name", "value", "number"), INSECURE)
def test_each_is_found_and_says_what_to_do(production: Any, name: str, value: Any, number: str) -> None:
    setattr(production, name, value)
    assert found() == [f"opsconsole.{number}"]
    assert all(message.hint for message in checks.check_production())


def test_outside_production_they_are_allowed(production: Any) -> None:
    production.PRODUCTION, production.DEBUG, production.ALLOWED_HOSTS = False, True, ["*"]
    assert found() == []


def test_a_lease_shorter_than_the_silence_before_it_is_refused_everywhere(production: Any) -> None:
    production.PRODUCTION, production.LEASE_SECONDS = False, 10.0
    assert found() == ["opsconsole.E010"]


def test_a_server_without_system_checks_is_refused_with_every_error(production: Any) -> None:
    production.DEBUG, production.DEMO, production.SECURE_HSTS_SECONDS = True, True, 0
    with pytest.raises(ImproperlyConfigured) as refusal:
        checks.refuse_insecure()
    assert "E001" in str(refusal.value)
    assert "E006" in str(refusal.value)
    assert "W001" not in str(refusal.value)
