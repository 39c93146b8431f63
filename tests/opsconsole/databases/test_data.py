"""The data tab: masked, scoped and recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsconsole import databases
from opsconsole.exceptions import Refused, Usage
from opsconsole.masking import MASK
from opsconsole.models import AuditEvent, Database
from tests.opsconsole.databases.conftest import Shop
from tests.support.people import Cast


def view(database: Any, account: Any, table: str = "public.users", after: str = "") -> databases.DataPage:
    return databases.data_page(database, table, after, account)


def test_sensitive_values_are_masked_and_null_is_not(savings: Any, team: Cast) -> None:
    page = view(savings, team.ada)
    assert page.masked == {"email"}
    assert [row[page.columns.index("email")] for row in page.rows] == [MASK, None]
    assert [row[page.columns.index("name")] for row in page.rows] == ["Mia", "Noa"]


def test_a_secret_within_json_is_masked(savings: Any, team: Cast) -> None:
    page = view(savings, team.ada)
    shown = json.loads(page.rows[0][page.columns.index("settings")])
    assert shown == {"token": MASK, "theme": "dark"}


def test_a_database_may_name_further_columns_to_mask(savings: Any, team: Cast) -> None:
    Database.objects.filter(pk=savings.pk).update(masked_columns=["users.name"])
    savings.refresh_from_db()
    assert view(savings, team.ada).masked == {"email", "name"}


def test_each_view_is_an_event_that_holds_no_values(savings: Any, team: Cast) -> None:
    view(savings, team.ada)
    event = AuditEvent.objects.filter(type="data.viewed").get()
    payload = json.loads(bytes(event.payload))
    assert payload["data"] == {"table": "public.users", "page": "first", "rows": 2, "masked": ["email"]}
    assert "Mia" not in bytes(event.payload).decode()


def test_looking_at_the_list_of_tables_is_an_event_too(ignition: Any, team: Cast) -> None:
    assert [table.name for table in databases.data_tables(ignition, team.grace)] == ["users"]
    assert AuditEvent.objects.filter(type="data.viewed", database_id=ignition.pk).count() == 1


@pytest.mark.parametrize("login", ["audrey", "mallory"])
def test_who_may_not_see_data_is_refused_and_the_refusal_is_recorded(savings: Any, team: Cast, login: str) -> None:
    with pytest.raises(Refused) as caught:
        view(savings, getattr(team, login))
    assert caught.value.code == "not_allowed"
    assert AuditEvent.objects.filter(type="denied.data", outcome="denied", database_id=savings.pk).count() == 1


def test_an_unknown_table_is_refused_with_the_list_of_what_there_is(savings: Any, team: Cast) -> None:
    with pytest.raises(Usage) as caught:
        view(savings, team.ada, "public.nope")
    assert "public.users" in caught.value.next_step


def test_pages_follow_each_other_by_a_cursor_that_tells_nothing(savings: Any, shop: Shop, team: Cast) -> None:
    shop.server.run("INSERT INTO users SELECT n, NULL, 'u' || n FROM generate_series(3, 120) n", shop.name)
    first = view(savings, team.ada)
    assert first.next_after is not None and "50" not in first.next_after[:10]
    second = view(savings, team.ada, after=first.next_after)
    third = view(savings, team.ada, after=second.next_after or "")
    ids = [int(row[0]) for page in (first, second, third) for row in page.rows]
    assert ids == list(range(1, 121))
    assert third.next_after is None


def test_a_cursor_that_is_not_ours_is_refused(savings: Any, team: Cast) -> None:
    with pytest.raises(Usage) as caught:
        view(savings, team.ada, after="50")
    assert caught.value.code == "bad_cursor"


def test_the_data_of_sqlite_reads_alike(ignition: Any, team: Cast) -> None:
    page = view(ignition, team.ada, "users")
    assert page.masked == {"email"}
    assert page.rows[1][:3] == (2, None, "Noa")
