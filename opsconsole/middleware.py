"""What surrounds every request: the content security policy, the rules of sessions, and who the audit says it was."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from axes.helpers import get_client_ip_address
from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from opsconsole import audit
from opsconsole.clock import now
from opsconsole.pages.base import to_login
from opsconsole.wording import REORDERING

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
STARTED, SEEN = "started_at", "seen_at"
_REORDERING = re.compile("|".join(REORDERING).encode())
GRAIN = timedelta(seconds=60)  # how often a session's last use is written down
OPEN_WHILE_PASSWORD_MUST_CHANGE = frozenset({"password", "logout", "login"})

GetResponse = Callable[[HttpRequest], HttpResponse]


class ContentSecurityPolicy:
    """No script but our own files; nobody frames us. ('unsafe-eval' is Alpine's, which unfold stands on.)"""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
        return response


class LegibleOrder:
    """Signs that reorder the text around them are written out on every page.

    Whoever approves reads SQL, reasons and names of others: what they see must be in the order in which it runs.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_page = not response.streaming and response.headers.get("Content-Type", "").startswith("text/html")
        if is_page and _REORDERING.search(response.content):
            response.content = _REORDERING.sub(_written_out, response.content)
        return response


def _written_out(found: re.Match[bytes]) -> bytes:
    return found[0].decode().encode("unicode_escape")


class SessionRules:
    """Idle and absolute ends of a session, its end when the account is closed, and passwords that must be changed."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request._was_signed_in = SESSION_KEY in request.session  # type: ignore[attr-defined] # before Django forgets it
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., Any], *_: Any) -> HttpResponse | None:
        """Ends the session, or sends to the password page, before the view runs."""
        if not request._was_signed_in or hasattr(view, "endpoint"):  # type: ignore[attr-defined]
            return None  # an endpoint knows no session
        if not request.user.is_authenticated:  # the account is no longer active, or its password changed elsewhere
            return self._end(request, "closed")
        page = getattr(view, "page", None)
        over = self._over(request.session, background=bool(page and page.background))
        if over:
            return self._end(request, over)
        if request.user.must_change_password and (page is None or page.name not in OPEN_WHILE_PASSWORD_MUST_CHANGE):
            return redirect("password")
        return None

    @staticmethod
    def _over(session: Any, *, background: bool) -> str:
        """Why the session is over (`idle`, `old`), or nothing; notes its use otherwise, unless a script did it."""
        moment = now()
        started = datetime.fromisoformat(session.setdefault(STARTED, moment.isoformat()))
        seen = datetime.fromisoformat(session.setdefault(SEEN, moment.isoformat()))
        if moment - started > timedelta(hours=settings.SESSION_ABSOLUTE_HOURS):
            return "old"
        if moment - seen > timedelta(minutes=settings.SESSION_IDLE_MINUTES):
            return "idle"
        if not background and moment - seen > GRAIN:
            session[SEEN] = moment.isoformat()
        return ""

    @staticmethod
    def _end(request: HttpRequest, why: str) -> HttpResponse:
        logout(request)
        return to_login(request, ended=why)


class AuditContext:
    """Everything recorded while a request is served names its person, its address and its number."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        number = secrets.token_hex(8)
        with audit.acting_as(_actor(request, number)) as actor:
            response = self.get_response(request)
            if response.status_code == 403:
                with audit.acting_as(getattr(request, "acting", actor)):  # an endpoint's caller, by the token
                    audit.record(
                        "denied.page",
                        outcome="denied",
                        subject=request.path[:200],
                        reason=f"{request.method} {request.path[:200]} was not allowed",
                    )
        response.headers["X-Request-ID"] = number
        return response


def client_address(request: HttpRequest) -> str | None:
    """The client's address, with as many proxies trusted as TRUSTED_PROXIES says."""
    found = get_client_ip_address(request)
    return str(found) if found else None


def _actor(request: HttpRequest, number: str) -> audit.Actor:
    source: dict[str, Any] = {
        "ip": client_address(request) or "",
        "user_agent_hash": _hash(request.headers.get("User-Agent", "")),
        "request_id": number,
        "host": request.META.get("HTTP_HOST", "")[:200],
    }
    if not request.user.is_authenticated:
        return audit.Actor(
            kind="human", account_id=None, person_id=None, name="nobody (not signed in)", auth="none", **source
        )
    session = _hash(request.session.session_key or "")
    return audit.actor_for(request.user, kind="human", auth="session", session_hash=session, **source)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32] if text else ""
