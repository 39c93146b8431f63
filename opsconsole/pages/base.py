"""How a page is declared: its URL, its methods, the permission it needs and the scope it is looked up in.

    @page("operations/<int:pk>/", name="operation", permission="see", scope="operation")
    def operation_page(request, operation): ...

The declaration is the only way to get a URL. The object is found within what the account may see (a stranger gets
404, not 403), the permission is asked on that object, other methods are refused, and refusals become pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.cache import add_never_cache_headers

from opsconsole.exceptions import OpsError, TargetProblem, Usage
from opsconsole.models import Account, Database, Operation, OwnerGroup
from opsconsole.permissions import ACTIONS, Rights, visible_databases, visible_operations
from opsconsole.triggers import refusals

View = Callable[..., HttpResponseBase]
Subject = Database | Operation | OwnerGroup | None
ANYONE, SIGNED_IN = "anyone", "signed_in"  # beside the actions of opsconsole.permissions


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Where a page's object is looked up. `find` sees only what the account may see and raises Http404 otherwise."""

    name: str
    find: Callable[[Account, dict[str, Any]], Any] | None = None  # takes what it needs out of the URL's arguments
    subject: Callable[[Any], Subject] = lambda found: found


@dataclass(frozen=True, kw_only=True)
class Page:
    """One row of the table that tests/opsconsole/pages/test_urls.py compares with the URLconf."""

    route: str
    name: str
    methods: tuple[str, ...]
    permission: str
    scope: str
    view: View
    act: str = ""  # what it does, for the heading of a refusal: "approving"
    background: bool = False  # asked for by a script: does not keep a session alive
    file: bool = False  # its form brings a small file (see opsconsole.pages.small_files)


PAGES: dict[str, Page] = {}
SCOPES: dict[str, Scope] = {}


def register_scope(scope: Scope) -> None:
    """Add a scope. Raises TypeError for a duplicate."""
    if scope.name in SCOPES:
        raise TypeError(f"the scope {scope.name} is registered twice")
    SCOPES[scope.name] = scope


def page(
    route: str,
    *,
    name: str,
    permission: str,
    scope: str = "console",
    methods: tuple[str, ...] = ("GET",),
    act: str = "",
    background: bool = False,
    file: bool = False,
) -> Callable[[View], View]:
    """Declare a page. Its view gets the request, the object of its scope (if any) and what else the URL holds.

    `permission` is a key of ACTIONS, "signed_in" or "anyone". Raises TypeError when the declaration makes no sense.
    """
    if permission not in (*ACTIONS, ANYONE, SIGNED_IN) or scope not in SCOPES or name in PAGES:
        raise TypeError(f"page {name}: unknown permission {permission}, unknown scope {scope}, or declared twice")

    def declare(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, **arguments: Any) -> HttpResponseBase:
            return _serve(declared, request, arguments)

        guarded.page = declared = Page(  # type: ignore[attr-defined]
            route=route,
            name=name,
            methods=methods,
            permission=permission,
            scope=scope,
            view=view,
            act=act,
            background=background,
            file=file,
        )
        guarded.route = path(route, guarded, name=name)  # type: ignore[attr-defined]
        PAGES[name] = declared
        _ROUTES.append(guarded.route)  # type: ignore[attr-defined]
        return guarded

    return declare


def routes() -> list[URLPattern]:
    """Every declared page, for the URLconf."""
    return list(_ROUTES)


def account_of(request: HttpRequest) -> Account:
    """Who asks. Behind a declaration that needs a sign-in it is always an account."""
    return cast(Account, request.user)


def rights_of(request: HttpRequest) -> Rights:
    """What the request's account may do, read once a request."""
    found = getattr(request, "_rights", None)
    if found is None:
        found = request._rights = Rights(account_of(request))  # type: ignore[attr-defined]
    return found


def show(request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> TemplateResponse:
    """A page in the console's frame. `title` and `crumbs` [(text, url)] name it; `frame` is its Environment."""
    everything = {**admin.site.each_context(request), "rights": rights_of(request), **context}
    return TemplateResponse(request, template, everything, status=status)


def fragment(request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
    """A piece of a page, without the frame."""
    return TemplateResponse(request, template, {"rights": rights_of(request), **context})


def refusal(request: HttpRequest, error: OpsError, *, what: str = "", back: str = "") -> HttpResponse:
    """The page of a refusal: what was refused, by which rule, what next."""
    title = f"Refused: {what}" if what else "Refused"
    return show(
        request,
        "console/refused.html",
        status=_status(error),
        title=title,
        crumbs=[],
        crumb="Refused",
        error=error,
        back=back,
    )


def _serve(declared: Page, request: HttpRequest, arguments: dict[str, Any]) -> HttpResponseBase:
    method = "GET" if request.method == "HEAD" else request.method
    if method not in declared.methods:
        return HttpResponseNotAllowed(declared.methods)
    if declared.permission != ANYONE and not request.user.is_authenticated:
        return to_login(request)
    try:
        _refuse_nul(request)
        with refusals():
            response = declared.view(request, *_found(declared, request, arguments), **arguments)
        if isinstance(response, TemplateResponse):
            response.render()
    except OpsError as error:
        response = refusal(request, error, what=declared.act, back=_came_from(request))
    add_never_cache_headers(response)
    return response


def _refuse_nul(request: HttpRequest) -> None:
    """No text of ours holds a NUL character, and PostgreSQL could not store one."""
    if any("\0" in text for given in (request.GET, request.POST) for _, texts in given.lists() for text in texts):
        raise Usage("bad_text", "What was sent holds a NUL character.", "Type the text again.")


def _found(declared: Page, request: HttpRequest, arguments: dict[str, Any]) -> tuple[Any, ...]:
    scope = SCOPES[declared.scope]
    found = scope.find(account_of(request), arguments) if scope.find else None
    if declared.permission in ACTIONS and not rights_of(request).can(declared.permission, scope.subject(found)):
        raise PermissionDenied(declared.permission)
    return (found,) if scope.find else ()


def _came_from(request: HttpRequest) -> str:
    """The page of ours that sent the request, as a path."""
    parts = urlsplit(request.headers.get("Referer", ""))
    return f"{parts.path}?{parts.query}".rstrip("?") if parts.netloc == request.get_host() else ""


def to_login(request: HttpRequest, **query: str) -> HttpResponse:
    """To the login page, and from there back to the page that was looked at (never to a URL that only takes a POST)."""
    script = bool(request.headers.get("HX-Request"))
    back = request.get_full_path() if request.method == "GET" else _came_from(request)
    back = request.headers.get("HX-Current-URL", "/") if script else back
    where = f"{reverse('login')}?{urlencode({**query, 'next': back or '/'})}"
    return HttpResponse(status=204, headers={"HX-Redirect": where}) if script else redirect(where)


def _status(error: OpsError) -> int:
    if isinstance(error, Usage):
        return 400
    return 502 if isinstance(error, TargetProblem) else 409


def _database(account: Account, arguments: dict[str, Any]) -> Database:
    found = visible_databases(account).filter(name=arguments.pop("name")).first()
    if found is None:
        raise Http404("There is no database of that name that you may see.")
    return found


def _operation(account: Account, arguments: dict[str, Any]) -> Operation:
    rows = visible_operations(account).select_related(
        "database__environment", "database__owner_group", "requester__person"
    )
    found = rows.filter(pk=arguments.pop("pk")).first()
    if found is None:
        raise Http404("There is no operation of that number that you may see.")
    return found


_ROUTES: list[URLPattern] = []
register_scope(Scope(name="console", subject=lambda _: None))
register_scope(Scope(name="database", find=_database))
register_scope(Scope(name="operation", find=_operation))

__all__ = [
    "PAGES",
    "SCOPES",
    "Page",
    "Scope",
    "account_of",
    "fragment",
    "page",
    "refusal",
    "register_scope",
    "rights_of",
    "routes",
    "show",
]
