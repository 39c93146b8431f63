"""Asking for the password again: a session that proved it lately may vote, download and change what is dangerous."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth import authenticate
from django.http import HttpRequest

from opsconsole import audit
from opsconsole.clock import now
from opsconsole.exceptions import Refused

PROVED_AT = "password_proved_at"


def note(request: HttpRequest) -> datetime:
    """Remember that the password was proved just now (at login, or by `prove`); gives back when that was."""
    moment = now()
    request.session[PROVED_AT] = moment.isoformat()
    return moment


def proved_at(request: HttpRequest) -> datetime | None:
    """When the password was proved, if that is less than REAUTH_MINUTES ago."""
    text = request.session.get(PROVED_AT)
    moment = datetime.fromisoformat(text) if text else None
    return moment if moment and now() - moment < timedelta(minutes=settings.REAUTH_MINUTES) else None


def prove(request: HttpRequest, password: str) -> datetime:
    """When the password was proved: lately, or now with `password`. The session gets a new key when it is asked for.

    Raises Refused: password_needed or password_wrong. Wrong ones count towards the same lock as failed logins.
    """
    lately = proved_at(request)
    if lately is not None and not password:
        return lately
    if not password:
        raise Refused(
            "password_needed", "Your password was not asked for lately.", "Type it in the field beside the decision."
        )
    found = authenticate(request, username=request.user.get_username(), password=password)
    if found is None or found.pk != request.user.pk:
        raise Refused(
            "password_wrong",
            "That is not your password.",
            "Type it again. Too many wrong ones lock the account for a while.",
        )
    request.session.cycle_key()
    moment = note(request)
    audit.record("auth.reauthenticated", subject=f"account:{found.pk}")
    return moment
