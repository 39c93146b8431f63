"""What is recorded of logins, and the end of the setting up when the first approver comes in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from opsconsole import audit, bootstrap
from opsconsole.models import Account


def connect() -> None:
    """Called once when Django starts."""
    for signal, receiver in (
        (user_logged_in, logged_in), (user_logged_out, logged_out), (user_login_failed, failed),
        (user_locked_out, locked_out),
    ):  # fmt: skip
        signal.connect(receiver, dispatch_uid=f"opsconsole.logins.{receiver.__name__}")


def logged_in(user: Account, **_: Any) -> None:
    with audit.acting_as(_as(user)):
        audit.record("auth.login", subject=user.username, data={"must_change": user.must_change_password})
        bootstrap.close_if_ready(user)


def logged_out(user: Account | None, **_: Any) -> None:
    if user is not None:
        audit.record("auth.logout", subject=user.username)


def failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """A wrong password: at the login page, or where one who is logged in was asked for it again."""
    again = request is not None and getattr(request, "user", None) is not None and request.user.is_authenticated
    event = "auth.reauth_failed" if again else "auth.login_failed"
    audit.record(event, outcome="denied", subject=_known(credentials.get("username")))


def locked_out(username: str | None = None, **_: Any) -> None:
    minutes = round(settings.AXES_COOLOFF_TIME * 60)
    audit.record("auth.locked", outcome="denied", subject=_known(username), data={"minutes": minutes})


def _as(user: Account) -> audit.Actor:
    """The actor of this request, now that it is known who it is."""
    return replace(
        audit.current(),
        kind="human",
        account_id=user.pk,
        person_id=user.person_id,
        name=user.person.name,
        auth="session",
    )


def _known(login: str | None) -> str:
    """A login that there is. Whatever else was typed may be a password in the wrong field, so it is not kept."""
    found = Account.objects.filter(username=login).first() if login else None
    return found.username if found else "an unknown login"
