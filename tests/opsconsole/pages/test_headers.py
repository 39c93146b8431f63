"""What every answer carries, and what no page contains."""

from __future__ import annotations

import re

from tests.opsconsole.pages.conftest import Office

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
PATHS = ("/", "/operations/", "/approvals/", "/password/", "/databases/savings/request/scrub/", "/nowhere/", "/admin/")


def test_every_answer_carries_the_policy(office: Office) -> None:
    client = office.at("ada")
    for path in PATHS:
        answer = client.get(path)
        assert answer.headers["Content-Security-Policy"] == POLICY, path
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert len(answer.headers["X-Request-ID"]) == 16


def test_no_page_is_kept_by_a_cache(office: Office) -> None:
    client = office.at("ada")
    for path in ("/", "/operations/", "/approvals/", "/databases/savings/request/scrub/"):
        assert "no-store" in client.get(path).headers["Cache-Control"], path


def test_no_page_contains_signs_that_reorder_the_text_around_them(office: Office) -> None:
    client = office.at("ada")
    client.post("/databases/savings/notes/", {"text": "delete nothing \u202e;sredro EVERYTHING\u202c \u2067x"})
    answer = client.get("/databases/savings/history/")
    html = answer.content.decode()
    assert "delete nothing \\u202e;sredro EVERYTHING\\u202c \\u2067x" in html
    assert not set(html) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_no_page_contains_a_script_of_its_own(office: Office) -> None:
    client = office.at("ada")
    for path in PATHS:
        html = client.get(path).content.decode()
        assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", html) == [], path
        assert re.findall(r"<[a-z]+[^>]*\son[a-z]+=", html) == [], path
        assert "javascript:" not in html


def test_names_and_reasons_are_escaped(office: Office) -> None:
    from opsconsole import operations

    marked = "<script>alert(1)</script>"
    operation = operations.request("scrub", office.savings, {}, account=office.ada, reason=marked)
    html = office.at("grace").get(operation.get_absolute_url()).content.decode()
    assert marked not in html
    assert "&lt;script&gt;alert(1)" in html
