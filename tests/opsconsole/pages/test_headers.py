"""What every answer carries, and what no page contains."""

from __future__ import annotations

import re

from opsconsole import audit
from opsconsole.models import DatabaseNote, Operation
from tests.opsconsole.pages.conftest import Office
from tests.opsconsole.pages.test_policies_pages import RULE

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
    text = "delete nothing \u202e;sredro EVERYTHING\u202c \u2067x"
    audit.record("database.noted", database=office.savings, subject="note:1", data={"note": 1, "text": text})
    answer = office.at("ada").get("/databases/savings/history/")
    html = answer.content.decode()
    assert "delete nothing \\u202e;sredro EVERYTHING\\u202c \\u2067x" in html
    assert not set(html) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert int(answer.headers["Content-Length"]) == len(answer.content)


def test_what_people_write_holds_no_such_sign_so_that_a_form_gives_back_what_is_saved(office: Office) -> None:
    """A page that wrote them out in a form's field would change what is saved when nobody touched it."""
    answer = office.at("ada").post("/databases/savings/notes/", {"text": "ward\u202e"})
    assert "The note holds U+202E" in answer.content.decode()
    answer = office.at("ada").post("/databases/savings/request/scrub/", {"reason": "\u2067x"})
    assert "The reason holds U+2067" in answer.content.decode()
    for given in ({**RULE, "title": "Scrubs\u202d"}, {**RULE, "reason": "\u202d"}):
        html = office.at("admin").post("/policy-form/", given).content.decode()
        assert "holds U+202D" in html and "Take that sign out; in SQL, write it by its number: char(8237)" in html
    assert not DatabaseNote.objects.exists() and not Operation.objects.exists()


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
