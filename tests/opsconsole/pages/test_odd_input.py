"""Addresses and small forms that make no sense are answered with a page, never with a crash."""

from __future__ import annotations

import pytest

from opsconsole.models import DatabaseNote
from tests.opsconsole.pages.conftest import Office

ODD = ("\x00", "9" * 30, "9" * 5000, "-1", "' OR 1=1 --", "<script>", "é" * 300, "2026-13-45", "1e9")
PARAMETERS = {
    "/audit/": ("person", "database", "kind", "type", "outcome", "operation", "since", "until", "before"),
    "/databases/": ("environment",),
    "/databases/savings/history/": ("before", "only"),
    "/databases/savings/data/": ("table", "after"),
    "/databases/savings/backups/": ("before",),
    "/policy-form/": ("policy",),
}  # fmt: skip


@pytest.mark.parametrize("path", PARAMETERS)
def test_an_odd_parameter_is_no_crash(office: Office, path: str) -> None:
    client = office.at("admin")
    for name in PARAMETERS[path]:
        for value in ODD:
            assert client.get(path, {name: value}).status_code < 500, (name, value)


@pytest.mark.parametrize("path", ["/backups/{}/", "/audit/{}/", "/people/{}/", "/operations/{}/"])
def test_a_number_beyond_every_database_is_not_found(office: Office, path: str) -> None:
    client = office.at("admin")
    for number in ("0", str(2**63), "9" * 30):
        assert client.get(path.format(number)).status_code == 404


def test_what_no_database_keeps_is_refused(office: Office) -> None:
    answer = office.at("ada").post("/databases/savings/notes/", {"text": "before\x00after"})
    assert answer.status_code == 400
    assert not DatabaseNote.objects.exists()


def test_a_page_shows_markup_of_others_as_text(office: Office) -> None:
    client = office.at("ada")
    client.post("/databases/savings/notes/", {"text": "<img src=x onerror=alert(1)>"})
    html = client.get("/databases/savings/history/").content.decode()
    assert "<img src=x" not in html
    assert "&lt;img src=x" in html
