"""The page of a migration that waits: its SQL, what was found beside its lines, and all of it as a download."""

from __future__ import annotations

from typing import Any

from tests.lifecycle.migrating.conftest import Scene
from tests.lifecycle.pages.test_migrations_page import at
from tests.support.console import Console
from tests.support.people import Cast

DROPS = "-- <script>alert(1)</script>\nCREATE TABLE tags (id INTEGER PRIMARY KEY);\n\nDROP TABLE orders;\n"


def test_dangerous_lines_are_marked_and_the_download_is_the_sealed_text(
    console: Console, cast: Cast, sqlite_shop: Any
) -> None:
    scene = Scene(console, cast, *sqlite_shop)
    scene.bring({"0001_drops.sql": DROPS})
    operation, ada = scene.ask(), at("ada")
    html = ada.get(f"/operations/{operation.pk}/").content.decode()
    page = " ".join(html.split())
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page
    assert '<a href="#sql-1-1-4">0001_drops.sql line 4</a>' in page and page.count('id="sql-1-1-4"') == 1
    assert '<span class="oc-sql-margin">destructive</span> <span class="oc-sql-no">4</span>' in page
    assert '<span class="oc-sql-keyword">DROP</span>' in page
    assert "SQL that is run</summary>" not in page  # it is not shown twice
    answer = ada.get(f"/operations/{operation.pk}/plan.sql")
    sql = answer.content.decode()
    assert answer.headers["Content-Type"].startswith("text/plain") and sql.startswith("-- Apply 0001_drops.sql\n")
    assert DROPS in sql and "INSERT INTO d1_migrations (name) VALUES (?);  -- '0001_drops.sql'" in sql
    rehearsal = scene.ask("rehearse", backup="")
    assert '<a href="#sql-1-1-4">' in ada.get(f"/operations/{rehearsal.pk}/").content.decode()


def test_a_page_stands_whatever_the_number_of_statements(console: Console, cast: Cast, sqlite_shop: Any) -> None:
    scene = Scene(console, cast, *sqlite_shop)
    scene.bring({"0001_much.sql": "".join(f"INSERT INTO orders (id) VALUES ({n});\n" for n in range(1990))})
    operation, ada = scene.ask(), at("ada")
    page = ada.get(f"/operations/{operation.pk}/").content
    assert len(page) < 2_000_000 and b"are too much for a page" in page
    assert ada.get(f"/operations/{operation.pk}/plan.sql").content.count(b"INSERT INTO orders") == 1990
