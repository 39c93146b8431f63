"""Settings that a production installation must not have. With any of these, no command and no server starts.

Each finding has a stable id and says the next step. Outside production only what can never work is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register, run_checks
from django.core.exceptions import ImproperlyConfigured

SHORTEST_KEY = 50
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1", ""})


@register("opsconsole")
def check_production(**_: Any) -> list[CheckMessage]:
    """Findings about a production installation; none elsewhere."""
    return list(_production_findings()) if settings.PRODUCTION else []


@register("opsconsole")
def check_timing(**_: Any) -> list[CheckMessage]:
    """A worker must beat before it silences itself, and be silent before its lease is given to another."""
    if settings.BEAT_SECONDS < settings.SELF_FENCE_SECONDS < settings.LEASE_SECONDS:
        return []
    return [
        Error(
            f"BEAT_SECONDS ({settings.BEAT_SECONDS:g}), SELF_FENCE_SECONDS ({settings.SELF_FENCE_SECONDS:g}) and "
            f"LEASE_SECONDS ({settings.LEASE_SECONDS:g}) must grow in this order.",
            hint="Leave them out of the environment, or set them to something like 5, 18 and 30.",
            id="opsconsole.E010",
        )
    ]


def refuse_insecure() -> None:
    """For servers that run no system checks of their own. Raises ImproperlyConfigured with every finding."""
    errors = [message for message in run_checks(tags=["opsconsole"]) if message.is_serious()]
    if errors:
        raise ImproperlyConfigured("\n".join(f"{message.id}: {message.msg} {message.hint}" for message in errors))


def _production_findings() -> Iterator[CheckMessage]:
    if settings.DEBUG:
        yield _error("E001", "DEBUG is on, which shows settings and source to everybody.", "Remove DEBUG.")
    if not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS:
        yield _error(
            "E002",
            "ALLOWED_HOSTS is empty or takes every name, so links in the console could be forged.",
            "Set ALLOWED_HOSTS to the console's host names, comma-separated.",
        )
    if len(settings.SECRET_KEY) < SHORTEST_KEY or settings.SECRET_KEY.startswith("django-insecure"):
        yield _error(
            "E003",
            f"SECRET_KEY is shorter than {SHORTEST_KEY} characters or a well-known one.",
            "Remove SECRET_KEY, and a random one is made and kept in OPSCONSOLE_HOME/keys.",
        )
    if not (settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE):
        yield _error(
            "E004", "Cookies would travel over plain HTTP.", "Remove SECURE_COOKIES, and serve the console over HTTPS."
        )
    if settings.ALLOW_FAILPOINTS:
        yield _error(
            "E005",
            "Failpoints are allowed: a variable of the environment could stop an operation half-way.",
            "Remove OPSCONSOLE_ALLOW_FAILPOINTS.",
        )
    if settings.DEMO:
        yield _error("E006", "The demo is on.", "Remove OPSCONSOLE_DEMO; a production installation has no demo in it.")
    if any(urlsplit(origin).scheme != "https" for origin in settings.CSRF_TRUSTED_ORIGINS):
        yield _error(
            "E007",
            "CSRF_TRUSTED_ORIGINS names an origin without HTTPS.",
            "Begin each origin in CSRF_TRUSTED_ORIGINS with https://.",
        )
    if not settings.SECURE_HSTS_SECONDS:
        yield _warning("W001", "Browsers are not told to insist on HTTPS.", "Set SECURE_HSTS_SECONDS=31536000.")
    broker = urlsplit(settings.BROKER_URL)
    if broker.scheme == "redis" and (broker.hostname or "") not in _LOCAL:
        yield _warning("W002", "The broker is reached without TLS.", "Use a rediss:// address in BROKER_URL.")


def _error(number: str, message: str, hint: str) -> Error:
    return Error(message, hint=hint, id=f"opsconsole.{number}")


def _warning(number: str, message: str, hint: str) -> Warning:
    return Warning(message, hint=hint, id=f"opsconsole.{number}")
