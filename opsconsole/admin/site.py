"""The admin site is for looking at rows; signing in, passwords and everything that changes something are our pages."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite

# What every URL of the admin asks, by the end of its name: (methods that may do something, permission, scope).
# The admin's forms are for looking: adding, changing and deleting are refused to everybody by RoleBackend.
URLS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "index": (("GET",), "see", "console"),
    "app_list": (("GET",), "see", "console"),
    "search": (("GET",), "see", "console"),
    "jsi18n": (("GET",), "see", "console"),
    "autocomplete": (("GET",), "see", "model"),
    "view_on_site": (("GET",), "see", "object"),
    "login": (("GET",), "anyone", "console"),
    "logout": (("POST",), "signed_in", "console"),
    "password_change": (("GET",), "signed_in", "console"),
    "password_change_done": (("GET",), "signed_in", "console"),
    "_changelist": (("GET",), "see", "model"),
    "_history": (("GET",), "see", "object"),
    "_change": (("GET",), "see", "object"),
    "_process_import": (("POST",), "administer", "model"),
    "_import": (("GET", "POST"), "administer", "model"),
    "_export": (("GET", "POST"), "administer", "model"),
    "_add": ((), "nobody", "model"),
    "_delete": ((), "nobody", "object"),
}


class ConsoleSite(UnfoldAdminSite):
    site_header = site_title = "Ops Console"
    index_title = "Everything, row by row"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Whoever is signed in; what they see follows from their roles (`is_staff` means nothing here)."""
        return bool(request.user.is_active)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Made when a template looks at it: most pages have a navigation of our own, and every page asks for it."""
        return SimpleLazyObject(lambda: super(ConsoleSite, self).get_app_list(request, app_label))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return redirect(f"/login/?{request.GET.urlencode()}")

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        from opsconsole.pages.account import log_out

        return log_out(request)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return redirect("password")

    def password_change_done(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return redirect("password")
