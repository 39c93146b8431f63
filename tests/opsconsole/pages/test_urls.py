"""Every URL is declared with its methods, permission and scope, and is served by that declaration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from opsconsole.admin.site import URLS
from opsconsole.api.base import ENDPOINTS
from opsconsole.models import AuditEvent, Database, Operation, Policy, Vote
from opsconsole.pages.base import PAGES, SCOPES, page
from opsconsole.permissions import ACTIONS
from tests.opsconsole.pages.conftest import Office
from tests.support.people import PASSWORD

SAMPLES = {
    "name": "savings", "pk": 1, "kind": "scrub", "tab": "overview", "table": "orders", "slug": "default",
    "login": "ada", "action": "policy.set", "policy": "default", "environment": "staging", "format": "csv",
    "schedule": "nightly-backup", "finding": "0123456789ab", "pack": "avdaily", "to": "off",
}  # fmt: skip


def every_pattern(resolver: URLResolver | None = None, where: str = "") -> Iterator[tuple[str, URLPattern, str]]:
    """(namespace, pattern, route) of the whole URLconf."""
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLResolver):
            yield from every_pattern(entry, where or str(entry.app_name or ""))
        else:
            yield where, entry, str(entry.pattern)


def address(route: str) -> str:
    """A URL of the route, with something in the place of its arguments."""
    for name, value in SAMPLES.items():
        for converter in ("slug", "int", "str", "path", "uuid"):
            route = route.replace(f"<{converter}:{name}>", str(value))
    assert "<" not in route, f"give SAMPLES a value for {route}"
    return f"/{route}"


def test_every_url_is_declared_with_its_methods_permission_and_scope() -> None:
    assert len(PAGES) > 20
    undeclared = []
    for namespace, pattern, route in every_pattern():
        declared = getattr(pattern.callback, "page", None)
        if endpoint := getattr(pattern.callback, "endpoint", None):
            assert ENDPOINTS[endpoint.name] is endpoint and route.startswith("api/") and endpoint.about
        elif namespace == "admin":
            known = any((pattern.name or "").endswith(end) for end in URLS) or "admin/r/" in route or not pattern.name
            if not known:
                undeclared.append(f"admin:{pattern.name}")
        elif declared is None or PAGES.get(pattern.name or "") is not declared:
            undeclared.append(route)
    assert undeclared == []


def test_every_declaration_names_a_known_permission_and_scope() -> None:
    for declared in PAGES.values():
        assert declared.permission in (*ACTIONS, "signed_in", "anyone")
        assert declared.scope in SCOPES
        assert set(declared.methods) <= {"GET", "POST"}


def test_only_the_login_and_the_logout_are_for_anyone() -> None:
    assert {name for name, declared in PAGES.items() if declared.permission == "anyone"} == {"login", "logout"}


def test_a_declaration_that_makes_no_sense_fails_at_import() -> None:
    with pytest.raises(TypeError):
        page("nowhere/", name="nowhere", permission="everything")
    with pytest.raises(TypeError):
        page("nowhere/", name="nowhere", permission="see", scope="universe")


def test_no_url_is_exempt_from_csrf_but_those_that_know_no_cookie() -> None:
    exempt = [pattern.callback for _, pattern, _ in every_pattern() if getattr(pattern.callback, "csrf_exempt", False)]
    assert [callback for callback in exempt if not hasattr(callback, "endpoint")] == []
    assert len(exempt) == len(ENDPOINTS)


def test_a_page_refuses_the_methods_that_it_does_not_declare(office: Office) -> None:
    client = office.at("ada")
    for declared in PAGES.values():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - set(declared.methods):
            assert client.generic(method, address(declared.route)).status_code == 405, (declared.name, method)


def test_somebody_who_is_not_signed_in_gets_no_page_but_the_login(office: Office) -> None:
    for declared in PAGES.values():
        if declared.permission != "anyone":
            answer = Client().generic(declared.methods[0], address(declared.route))
            assert answer.status_code == 302, declared.name
            assert answer.headers["Location"].startswith("/login/")


def test_looking_at_pages_changes_nothing(office: Office) -> None:
    office.waiting()
    client, counted = office.at("ada"), (Operation, Vote, Database, Policy)
    before = [model.objects.count() for model in counted]
    for declared in PAGES.values():
        if "GET" in declared.methods:
            client.get(address(declared.route))
    assert [model.objects.count() for model in counted] == before


def test_a_post_without_its_token_is_refused_and_recorded(office: Office) -> None:
    client = Client(enforce_csrf_checks=True)
    token = client.get("/login/").cookies["csrftoken"].value
    client.post("/login/", {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": token})
    changing = [declared for declared in PAGES.values() if "POST" in declared.methods]
    for declared in changing:
        assert client.post(address(declared.route), {}).status_code == 403, declared.name
    assert AuditEvent.objects.filter(type="denied.page", outcome="denied").count() == len(changing)


def test_a_person_without_a_role_sees_no_database_and_no_operation(office: Office) -> None:
    operation, client = office.waiting(), office.at("mallory")
    for declared in PAGES.values():
        if declared.scope in ("database", "operation"):
            url = address(declared.route).replace("/1/", f"/{operation.pk}/")
            assert client.generic(declared.methods[0], url).status_code == 404, declared.name


def test_nobody_adds_changes_or_deletes_rows_in_the_admin_not_even_a_superuser(office: Office) -> None:
    operation, client = office.waiting(), office.at("admin")
    for namespace, pattern, route in every_pattern():
        if namespace != "admin" or not (pattern.name or "").endswith(("_add", "_change", "_delete")):
            continue
        app, _, rest = (pattern.name or "").partition("_")
        url = f"/admin/{app}/{rest.rpartition('_')[0]}/" + route.replace("<path:object_id>", "1")
        assert client.post(url, {"_save": "1"}).status_code in (302, 403, 404), url
    operation.refresh_from_db()
    assert operation.state == "pending_approval"
