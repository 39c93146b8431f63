"""The admin: lists to look at, cheap at any size, with no act that changes a row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models import BooleanField
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from opsconsole import audit, tokens
from opsconsole.models import Operation
from tests.opsconsole.approvals.scenes import add_database
from tests.opsconsole.pages.conftest import Office
from tests.support.console import Console

HIDDEN = ("url_sealed", "password", "sha256", "credential", "fingerprint", "payload", "witness", "claim_nonce")


def every_admin() -> Iterator[ModelAdmin]:
    admin.autodiscover()
    yield from admin.site._registry.values()


def path_of(model_admin: ModelAdmin) -> str:
    meta = model_admin.model._meta
    return f"/admin/{meta.app_label}/{meta.model_name}/"


def test_nobody_adds_changes_or_deletes_here(office: Office) -> None:
    request = RequestFactory().get("/")
    for login in ("admin", "ada", "audrey"):
        request.user = getattr(office, login)
        for each in every_admin():
            asked = (each.has_add_permission, each.has_change_permission, each.has_delete_permission)
            assert not any(ask(request) for ask in asked), each


def test_every_registered_action_asks_for_a_permission(office: Office) -> None:
    request = RequestFactory().get("/")
    request.user = office.admin
    for each in every_admin():
        assert each.get_actions(request) == {}, each
        for name in ("actions_list", "actions_row", "actions_detail", "actions_submit_line"):
            for action in getattr(each, name, ()):
                assert getattr(getattr(each, action), "allowed_permissions", ()), (each, action)


def test_no_inline_and_no_editable_column_is_a_side_door() -> None:
    for each in every_admin():
        assert not each.inlines, each
        assert not each.list_editable, each


def test_lists_stay_narrow_and_filter_only_by_choices() -> None:
    for each in every_admin():
        assert len(each.list_display) <= 5, each
        for name in each.list_filter:
            field = each.model._meta.get_field(str(name))
            assert field.choices or isinstance(field, BooleanField), (each, name)


def test_no_secret_is_among_the_fields() -> None:
    for each in every_admin():
        assert not set(HIDDEN) & set(each.fields or ("password",)), each


def test_every_list_and_page_opens_for_who_may_look(office: Office) -> None:
    office.queued()
    client = office.at("admin")
    for each in every_admin():
        assert client.get(path_of(each)).status_code == 200, each
        row = each.model._default_manager.first()
        if row is not None:
            assert client.get(f"{path_of(each)}{row.pk}/change/").status_code == 200, each


def test_somebody_without_a_role_sees_no_list(office: Office) -> None:
    client = office.at("mallory")
    for each in every_admin():
        assert client.get(path_of(each)).status_code == 403, each


def test_the_history_is_for_auditors_only(office: Office) -> None:
    assert office.at("ada").get("/admin/opsconsole/auditevent/").status_code == 403
    assert office.at("audrey").get("/admin/opsconsole/auditevent/").status_code == 200


def test_rows_of_another_team_are_not_listed(founding: Office) -> None:
    add_database("elsewhere", "production", owner_group="another-team")
    assert "elsewhere" not in founding.at("ada").get("/admin/opsconsole/database/").content.decode()
    assert founding.at("ada").get(f"/admin/opsconsole/database/{founding.savings.pk}/change/").status_code == 200


@pytest.mark.parametrize("path", ["/admin/opsconsole/auditevent/", "/admin/opsconsole/operation/"])
def test_a_list_costs_the_same_at_any_size_and_counts_nothing(office: Office, path: str) -> None:
    def statements(client: Client) -> list[str]:
        client.get(path)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        return [query["sql"] for query in captured]

    client = office.at("admin")
    office.waiting()
    before = statements(client)
    for number in range(30):
        audit.record("database.noted", subject=str(number))
        office.waiting()
    after = statements(client)
    assert len(after) == len(before)
    counts = [sql for sql in after if "COUNT(" in sql or "DISTINCT" in sql]
    assert not [sql for sql in counts if "pending_approval" not in sql]  # the menu counts what waits, and only that


def test_an_upload_is_kept_privately_and_gone_once_it_is_confirmed(office: Office, console: Console) -> None:
    client = office.at("admin")
    preview = _upload(client, "name,environment\nsavings,development\n")
    (kept,) = (console.home / "imports").iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    client.post("/admin/opsconsole/database/process_import/", preview.context["confirm_form"].initial)
    assert list((console.home / "imports").iterdir()) == []
    assert Operation.objects.filter(kind="change").count() == 1


def test_an_upload_that_nobody_confirmed_is_removed_by_the_next_one(office: Office, console: Console) -> None:
    client = office.at("admin")
    _upload(client, "name,environment\nsavings,development\n")
    (forgotten,) = (console.home / "imports").iterdir()
    os.utime(forgotten, (0, 0))
    _upload(client, "name,environment\nsavings,staging\n")
    assert forgotten not in (console.home / "imports").iterdir()


@pytest.mark.parametrize("name", ["console.sqlite3", "../console.sqlite3", "0" * 32])
def test_an_import_opens_no_file_that_it_did_not_keep_itself(office: Office, name: str) -> None:
    given = {"import_file_name": name, "original_file_name": "x.csv", "format": "0", "resource": "", "reason": "x"}
    assert office.at("admin").post("/admin/opsconsole/database/process_import/", given).status_code == 400


def _upload(client: Client, content: str) -> Any:
    file = SimpleUploadedFile("databases.csv", content.encode(), content_type="text/csv")
    return client.post(
        "/admin/opsconsole/database/import/", {"format": "0", "resource": "", "import_file": file, "reason": "x"}
    )


def test_times_are_exact_and_in_utc(office: Office) -> None:
    operation = office.waiting()
    html = office.at("admin").get("/admin/opsconsole/operation/").content.decode()
    assert f"{operation.created_at:%Y-%m-%d %H:%M:%S} UTC" in html


def test_no_hidden_column_is_read_through_a_lookup(office: Office) -> None:
    for each in every_admin():
        for field in each.model._meta.concrete_fields:
            for ending in ("startswith", "regex", "gt", "in"):
                assert not each.lookup_allowed(f"{field.name}__{ending}", "x", None), (each, field)
            if field.name not in each.list_filter:
                assert not each.lookup_allowed(field.name, "x", None), (each, field)
                assert not each.lookup_allowed(f"{field.name}__exact", "x", None), (each, field)


@pytest.mark.parametrize(
    "path",
    ["account/?username=grace&password__startswith=p", "vote/?account__password__startswith=p", "token/?sha256__gt=0"],
)
def test_the_list_refuses_to_look_for_a_secret(office: Office, path: str) -> None:
    answer = office.at("ada").get(f"/admin/opsconsole/{path}")
    assert answer.status_code in (302, 400)
    assert "grace" not in answer.content.decode()


def test_the_filters_beside_a_list_still_work(office: Office) -> None:
    client = office.at("admin")
    office.waiting()
    for each in every_admin():
        for name in each.list_filter:
            field = each.model._meta.get_field(str(name))
            value = field.choices[0][0] if field.choices else 1
            assert client.get(f"{path_of(each)}?{name}__exact={value}").status_code == 200, (each, name)


def test_no_search_looks_into_a_secret() -> None:
    for each in every_admin():
        assert not [name for name in each.search_fields for secret in HIDDEN if secret in name], each


def test_no_page_of_a_row_shows_a_secret(office: Office) -> None:
    tokens.mint(office.admin, "deploy")
    office.queued()
    client = office.at("admin")
    for each in every_admin():
        for row in each.model._default_manager.all()[:5]:
            html = client.get(f"{path_of(each)}{row.pk}/change/").content.decode()
            kept = [getattr(row, name, "") for name in ("password", "sha256", "url_sealed", "credential")]
            assert not [secret for secret in kept if secret and str(secret) in html], each
