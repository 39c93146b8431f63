"""The list of databases and the page of one: overview, data, history, notes, the connection test."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from opsconsole.models import AuditEvent, Database, DatabaseNote
from opsconsole.pages import tabs
from tests.opsconsole.approvals.scenes import add_database
from tests.opsconsole.pages.conftest import Office
from tests.support.console import Console
from tests.support.people import close_bootstrap
from tests.support.registering import register


def read(client: Client, path: str) -> str:
    return client.get(path).content.decode()


@pytest.fixture
def shop(console: Console, founding: Office) -> Office:
    """The office with one real database, the SQLite file shop in staging, that holds people and their addresses."""
    path = Path(console.files / "shop.sqlite")
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, email TEXT, note TEXT)")
        db.executemany(
            "INSERT INTO people (name, email, note) VALUES (?, ?, ?)",
            [(f"person {n}", f"p{n}@example.test", None) for n in range(120)],
        )
    db.close()
    register("shop", f"sqlite:///{path}", environment="staging")
    close_bootstrap()
    return founding


def test_the_list_shows_the_strictest_environment_first(office: Office) -> None:
    html = read(office.at("ada"), "/databases/")
    assert html.index(">savings<") < html.index(">sandbox<")


def test_the_list_can_be_narrowed_to_one_environment(office: Office) -> None:
    html = read(office.at("ada"), "/databases/?environment=production")
    assert ">savings<" in html
    assert ">sandbox<" not in html


def test_an_empty_list_says_what_would_fill_it(office: Office) -> None:
    assert office.at("mallory").get("/databases/").status_code == 403
    html = read(office.at("admin"), "/databases/?environment=testing")
    assert "Add the first database" in html


def test_the_list_costs_the_same_for_ten_databases_as_for_two(
    founding: Office, queries: Callable[[Client, str], int]
) -> None:
    client = founding.at("ada")
    before = queries(client, "/databases/")
    for number in range(8):
        add_database(f"more-{number}", "production")
    assert queries(client, "/databases/") == before


def test_a_protected_database_frames_its_page(office: Office) -> None:
    assert "environment-frame" in read(office.at("ada"), "/databases/savings/")
    assert "environment-frame" not in read(office.at("ada"), "/databases/sandbox/")


def test_a_second_name_of_the_same_target_takes_the_strictest_frame(founding: Office) -> None:
    add_database("savings-copy", "development", identity=founding.savings.identity)
    html = read(founding.at("ada"), "/databases/savings-copy/")
    assert "environment-frame" in html
    assert "also registered as" in html


def test_the_overview_says_who_must_agree_and_who_may(office: Office) -> None:
    html = read(office.at("ada"), "/databases/savings/")
    assert "needs 1 other person of approvers" in html
    assert "Grace, Linus" in html
    assert "needs 1 other person of approvers" in read(office.at("audrey"), "/databases/savings/")


def test_verbs_are_offered_to_those_who_may_ask(office: Office) -> None:
    assert "/databases/savings/request/scrub/" in read(office.at("ada"), "/databases/savings/")
    assert "/request/" in read(office.at("ada"), "/databases/")
    for path in ("/databases/savings/", "/databases/", "/"):
        assert "/request/" not in read(office.at("audrey"), path)


def test_a_url_with_a_password_is_shown_on_no_page(founding: Office) -> None:
    from opsconsole.databases.addresses import cipher

    url = cipher().seal("postgresql://app:hunter2hunter2@127.0.0.1:1/app")
    Database.objects.filter(pk=founding.savings.pk).update(url_env="", url_sealed=url, engine="postgresql")
    client = founding.at("admin")
    for path in ("", "edit/", "backups/", "history/", "data/", "sizes/"):
        html = read(client, f"/databases/savings/{path}")
        assert "hunter2" not in html
        assert url not in html


def test_the_connection_test_says_in_words_what_is_wrong(office: Office) -> None:
    html = office.at("ada").post("/databases/savings/test/", headers={"HX-Request": "true"}).content.decode()
    assert "NOWHERE_URL" in html
    assert "Set NOWHERE_URL" in html
    assert AuditEvent.objects.filter(type="database.checked", outcome="failed").exists()
    assert "NOWHERE_URL" in read(office.at("ada"), "/databases/")


def test_the_connection_test_works_without_a_script(shop: Office) -> None:
    html = shop.at("ada").post("/databases/shop/test/").content.decode()
    assert "What it is" in html
    assert "Result of the test" in html


def test_the_sizes_come_in_after_the_page(shop: Office) -> None:
    assert "/databases/shop/sizes/" in read(shop.at("ada"), "/databases/shop/")
    html = read(shop.at("ada"), "/databases/shop/sizes/")
    assert "people" in html
    assert re.search(r"<p>(\S+ KiB) in all, (\S+ KiB) of it in \d+ tables?\. Row counts", html.replace("\u202f", " "))
    assert "NOWHERE_URL" in read(shop.at("ada"), "/databases/savings/sizes/")


def test_the_data_tab_lists_tables_and_masks_rows(shop: Office) -> None:
    client = shop.at("ada")
    assert "?table=people" in read(client, "/databases/shop/data/")
    html = read(client, "/databases/shop/data/?table=people")
    assert "person 7" in html
    assert "p7@example.test" not in html
    assert "••••••" in html
    assert "NULL" in html


def test_rows_are_paged_by_a_key_that_the_address_does_not_show(shop: Office) -> None:
    client = shop.at("ada")
    first = client.get("/databases/shop/data/?table=people")
    cursor = first.context["rows"].next_after
    second = client.get("/databases/shop/data/", {"table": "people", "after": cursor})
    assert "person 50" in second.content.decode()
    assert "First rows of people" in second.content.decode()
    assert client.get("/databases/shop/data/?table=people&after=50").context["error"].code == "bad_cursor"


def test_each_look_at_rows_is_an_event(shop: Office) -> None:
    read(shop.at("ada"), "/databases/shop/data/?table=people")
    event = AuditEvent.objects.filter(type="data.viewed").latest("id")
    assert (event.actor_name, event.database_name) == ("Ada", "shop")


def test_an_auditor_has_no_data_tab(shop: Office) -> None:
    client = shop.at("audrey")
    assert "/databases/shop/data/" not in read(client, "/databases/shop/")
    assert client.get("/databases/shop/data/").status_code == 403


def test_a_target_that_cannot_be_read_is_told_within_the_tab(office: Office) -> None:
    answer = office.at("ada").get("/databases/savings/data/")
    assert answer.status_code == 200
    assert "NOWHERE_URL" in answer.content.decode()


def test_a_note_stands_in_the_history_with_its_author(office: Office) -> None:
    client = office.at("ada")
    client.post("/databases/savings/notes/", {"text": "Moved the disk by hand <b>at night</b>"})
    html = read(client, "/databases/savings/history/")
    assert "Moved the disk by hand &lt;b&gt;at night&lt;/b&gt;" in html
    assert DatabaseNote.objects.get().author == office.ada


def test_an_empty_note_is_refused_with_what_to_do(office: Office) -> None:
    answer = office.at("ada").post("/databases/savings/notes/", {"text": "  "})
    assert answer.status_code == 400
    assert "Say what was changed" in answer.content.decode()


def test_an_auditor_reads_the_history_and_writes_no_note(office: Office) -> None:
    client = office.at("audrey")
    assert "Write a note" not in read(client, "/databases/savings/history/")
    assert client.post("/databases/savings/notes/", {"text": "I was here"}).status_code == 403


def test_the_history_is_of_this_database_alone_and_can_be_narrowed(office: Office) -> None:
    office.waiting()
    client = office.at("ada")
    client.post("/databases/sandbox/notes/", {"text": "elsewhere"})
    assert "asked for the scrub of savings" in read(client, "/databases/savings/history/")
    assert "elsewhere" not in read(client, "/databases/savings/history/")
    assert "asked for the scrub" not in read(client, "/databases/savings/history/?only=settings")


def test_the_history_is_paged_by_key(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from opsconsole.pages import history

    monkeypatch.setattr(history, "EVENTS_A_PAGE", 1)
    office.waiting()
    client = office.at("ada")
    first = client.get("/databases/savings/history/")
    second = client.get(f"/databases/savings/history/?before={first.context['older']}")
    types = [[entry.told.type for entry in page.context["entries"]] for page in (first, second)]
    assert types == [["op.submitted"], ["op.planned"]]


def test_a_tab_is_registered_once_and_is_a_tab() -> None:
    with pytest.raises(TypeError):
        tabs.register_tab(tabs.find_tab("overview"))
    with pytest.raises(TypeError):
        tabs.register_tab("backups")  # type: ignore[arg-type]
