"""How an endpoint is declared: its URL, its methods, the permission it needs and the scope it is looked up in.

    @endpoint("databases/<slug:name>/health", name="health", permission="see", scope="database", about="...")
    def health(call, database): return {"status": ...}

It is like a page (`opsconsole.pages.base`), with the same scopes and permissions, and differs in who asks: the owner of
the token in `Authorization: Bearer`, and nobody by a cookie, so there is nothing for another site to forge. Answers
and refusals are JSON objects; a refusal is `{"refused": code, "why": ..., "next": ...}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils.cache import add_never_cache_headers
from django.views.decorators.csrf import csrf_exempt

from opsconsole import audit, tokens
from opsconsole.api.attempts import Attempts
from opsconsole.exceptions import OpsError, Refused, TargetProblem, Usage
from opsconsole.models import Account, Database, Operation, Token
from opsconsole.pages.base import SCOPES
from opsconsole.permissions import ACTIONS, Rights
from opsconsole.triggers import refusals

PREFIX = "api/"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request: whose token it carries, and what it asks for behind the `?`."""

    account: Account
    token: Token
    request: HttpRequest

    def flag(self, name: str) -> bool:
        """Whether `?name=1` was said. Raises Usage for anything but 0 and 1."""
        given = self.request.GET.get(name, "0")
        if given not in ("0", "1"):
            raise Usage("bad_value", f"{name} is 0 or 1, and not {given[:40]!r}.", f"Ask with {name}=1, or without it.")
        return given == "1"


View = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One row of the table of endpoints."""

    route: str
    name: str
    methods: tuple[str, ...]
    permission: str
    scope: str
    view: View
    about: str  # what it answers, in a sentence


ENDPOINTS: dict[str, Endpoint] = {}
_ROUTES: list[URLPattern] = []
_attempts = Attempts()


def endpoint(
    route: str, *, name: str, permission: str, scope: str, about: str, methods: tuple[str, ...] = ("GET",)
) -> Callable[[View], View]:
    """Declare an endpoint below `/api/`. Its view gets the call, the object of its scope (if any) and what else the URL
    holds, and gives a JSON object back.

    `permission` is a key of ACTIONS. Raises TypeError when the declaration makes no sense.
    """
    if permission not in ACTIONS or scope not in SCOPES or name in ENDPOINTS:
        raise TypeError(f"endpoint {name}: unknown permission {permission}, unknown scope {scope}, or declared twice")

    def declare(view: View) -> View:
        declared = Endpoint(
            route=PREFIX + route, name=name, methods=methods, permission=permission, scope=scope, view=view, about=about
        )

        @csrf_exempt
        @wraps(view)
        def served(request: HttpRequest, **arguments: Any) -> HttpResponse:
            response = _serve(declared, request, arguments)
            add_never_cache_headers(response)
            return response

        served.endpoint = declared  # type: ignore[attr-defined]
        ENDPOINTS[name] = declared
        _ROUTES.append(path(declared.route, served, name=f"api-{name}"))
        return view

    return declare


def routes() -> list[URLPattern]:
    """Every declared endpoint, for the URLconf."""
    return list(_ROUTES)


def _serve(declared: Endpoint, request: HttpRequest, arguments: dict[str, Any]) -> HttpResponse:
    method = "GET" if request.method == "HEAD" else request.method
    if method not in declared.methods:
        told = Usage("bad_method", f"This address does not take {method}.", f"Use {' or '.join(declared.methods)}.")
        return _refusal(told, 405, Allow=", ".join(declared.methods))
    address = audit.current().ip
    if wait := _attempts.wait(address):
        many = Refused("too_many", "Too many refused tokens came from this address.", f"Wait {wait} seconds.")
        return _refusal(many, 429, **{"Retry-After": str(wait)})
    try:
        account, token = tokens.owner_of(_bearer(request))
    except Refused as error:
        _attempts.failed(address)
        return _refusal(error, 401, **{"WWW-Authenticate": "Bearer"})
    owner = audit.actor_for(account, kind="api", auth="token")
    actor = replace(audit.current(), kind=owner.kind, account_id=owner.account_id, person_id=owner.person_id,
                    name=owner.name, auth=owner.auth)  # fmt: skip
    request.acting = actor  # type: ignore[attr-defined]
    with audit.acting_as(actor):
        return _answer(declared, Call(account=account, token=token, request=request), arguments)


def _answer(declared: Endpoint, call: Call, arguments: dict[str, Any]) -> HttpResponse:
    scope = SCOPES[declared.scope]
    try:
        found = scope.find(call.account, arguments) if scope.find else None
        database = _database(scope.subject(found))
        if database is not None and call.token.databases and database.name not in call.token.databases:
            raise Http404(f"There is no {declared.scope} of that name that you may see.")
        if not tokens.allows(call.token, declared.permission, database):
            return _refusal(_not_for_this(call.token, declared), 403)
        if not Rights(call.account).can(declared.permission, scope.subject(found)):
            return _refusal(_not_allowed(declared), 403)
        with refusals():
            return JsonResponse(declared.view(call, *((found,) if scope.find else ()), **arguments))
    except Http404 as error:
        return _refusal(Refused("not_found", str(error), "Look at the name, and at what the token's owner sees."), 404)
    except OpsError as error:
        return _refusal(error, _status(error))


def _bearer(request: HttpRequest) -> str:
    """The token of the header; raises Refused when there is none."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise Refused(
            "token_needed", "This is asked in a person's name, so it needs that person's token.",
            "Make one at /tokens/, and send it as Authorization: Bearer TOKEN.",
        )  # fmt: skip
    return text.strip()


def _database(subject: object) -> Database | None:
    return subject.database if isinstance(subject, Operation) else subject if isinstance(subject, Database) else None


def _not_for_this(token: Token, declared: Endpoint) -> Refused:
    return Refused(
        "token_scope", f"The token {token} is not for this ({declared.permission}).",
        "Use a token with that scope, or one that may do all that its owner may.",
    )  # fmt: skip


def _not_allowed(declared: Endpoint) -> Refused:
    roles = " or ".join(sorted(ACTIONS[declared.permission]))
    return Refused(
        "not_allowed", f"This is for {roles}, and the token's owner is none of them here.",
        "Ask an administrator to request that role; a second person confirms it.",
    )  # fmt: skip


def _status(error: OpsError) -> int:
    if isinstance(error, Usage):
        return 400
    return 502 if isinstance(error, TargetProblem) else 409


def _refusal(error: OpsError, status: int, **headers: str) -> JsonResponse:
    return JsonResponse(error.as_dict(), status=status, headers=headers)
