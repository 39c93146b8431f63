"""Where the URL of a managed database is kept, and how it is opened."""

from __future__ import annotations

from typing import Any

import pytest

from opsconsole.databases import engine_for, url_of
from opsconsole.databases.addresses import parse
from opsconsole.exceptions import TargetProblem, Usage
from opsconsole.models import Database
from tests.opsconsole.databases.conftest import Shop


def test_a_stored_url_is_encrypted_and_can_be_opened_again(savings: Any, shop: Shop) -> None:
    assert shop.role.password not in savings.url_sealed
    assert shop.role.password not in savings.display
    assert url_of(savings) == shop.url


def test_an_engine_reaches_the_database_behind_a_row(savings: Any, shop: Shop) -> None:
    assert engine_for(savings).identity().key.endswith(f":{shop.name}")


def test_a_url_may_live_in_a_variable_that_is_only_named_here(
    savings: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAVINGS_URL", shop.url)
    row = Database(name="other", engine="postgresql", url_env="SAVINGS_URL")
    assert engine_for(row).identity().key == savings.identity


def test_a_variable_that_is_not_set_is_told_by_its_name() -> None:
    row = Database(name="other", engine="postgresql", url_env="NOWHERE_URL")
    with pytest.raises(TargetProblem, match="NOWHERE_URL") as caught:
        url_of(row)
    assert caught.value.code == "missing"


def test_a_variable_that_now_names_another_vendor_is_refused(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> None:
    monkeypatch.setenv("SAVINGS_URL", shop.url)
    row = Database(name="other", engine="sqlite", url_env="SAVINGS_URL")
    with pytest.raises(TargetProblem, match="registered as sqlite"):
        engine_for(row)


def test_a_url_of_an_unknown_kind_is_refused_without_repeating_it() -> None:
    with pytest.raises(Usage) as caught:
        parse("mysql://root:hunter2@db/shop")
    assert "hunter2" not in str(caught.value)
    assert "postgresql://" in caught.value.next_step
