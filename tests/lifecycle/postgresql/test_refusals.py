"""A restore that cannot work is refused before anything is written, with the reason and the next step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lifecycle.formats import format_of
from lifecycle.formats.base import Contents
from opsconsole.engines.postgresql import suitability
from tests.lifecycle.postgresql.conftest import Ledger
from tests.support import postgres_worker as worker

NATIVE = format_of("postgresql", "native")


@pytest.fixture
def contents(ledger: Ledger, base: Path) -> Contents:
    return worker.backup(ledger.url, base)


def codes(url: str, contents: Contents, *, method: str = "swap", overwrite: bool = False) -> list[str]:
    found = NATIVE.refusals(worker.engine(url), contents, method=method, overwrite=overwrite)
    assert all(why and step for _, why, step in found)
    return [code for code, _, _ in found]


def altered(contents: Contents, **source: Any) -> Contents:
    return replace(contents, source={**contents.source, **source})


@pytest.mark.parametrize("method", ["swap", "in_place"])
def test_its_own_database_is_fine(ledger: Ledger, contents: Contents, method: str) -> None:
    assert codes(ledger.url, contents, method=method) == []


def test_another_engine(ledger: Ledger, contents: Contents) -> None:
    assert codes(ledger.url, altered(contents, engine="sqlite")) == ["wrong_engine"]


def test_an_older_server(ledger: Ledger, contents: Contents) -> None:
    assert codes(ledger.url, altered(contents, version_number=170002)) == ["version_older"]


def test_an_archive_newer_than_every_client(ledger: Ledger, contents: Contents) -> None:
    assert codes(ledger.url, replace(contents, tool={"version": "99.1"})) == ["version"]


def test_a_missing_extension(ledger: Ledger, contents: Contents) -> None:
    assert codes(ledger.url, altered(contents, extensions={"no_such_thing": "1.0"})) == ["missing_extension"]


def test_a_foreign_database_that_is_not_empty(
    make_ledger: Callable[..., Ledger], contents: Contents, postgres: Any
) -> None:
    other = make_ledger()
    assert codes(other.url, contents) == ["not_empty"]
    assert codes(other.url, contents, overwrite=True) == []
    postgres.run("DROP TABLE entries, people", other.name)
    assert codes(other.url, contents) == []


def test_roles_that_are_gone_from_its_own_server(ledger: Ledger, contents: Contents) -> None:
    assert codes(ledger.url, altered(contents, roles=["postgres", "gone"])) == ["roles_missing"]


def test_roles_that_are_gone_do_not_matter_elsewhere(make_ledger: Callable[..., Ledger], contents: Contents) -> None:
    assert codes(make_ledger().url, altered(contents, roles=["gone"]), overwrite=True) == []


def test_too_little_space(ledger: Ledger, contents: Contents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suitability, "free_bytes", lambda connector, session: 1000)
    assert codes(ledger.url, contents) == ["no_space"]


def test_free_space_is_known_on_this_machine(ledger: Ledger) -> None:
    connector = worker.engine(ledger.url).connector
    with connector.session() as session:
        assert (suitability.free_bytes(connector, session) or 0) > 1 << 20


def test_a_prepared_transaction_would_be_left_behind(
    ledger: Ledger, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suitability, "left_behind", lambda session: ["prepared transaction x"])
    assert codes(ledger.url, contents) == ["left_behind"]
    assert codes(ledger.url, contents, method="in_place") == []


def test_questions_about_slots_and_subscriptions_are_answered(ledger: Ledger) -> None:
    with worker.engine(ledger.url).connector.session() as session:
        assert suitability.left_behind(session) == []


def test_a_role_without_the_rights_of_either_method(ledger: Ledger, contents: Contents) -> None:
    role = ledger.server.create_role()
    url = str(ledger.server.url(ledger.name, role=role))
    own = altered(contents, roles=[])
    assert codes(url, own) == ["may_not_swap"]
    assert codes(url, own, method="in_place") == ["not_owner"]
    assert NATIVE.methods(worker.engine(url)) == ("in_place",)


def test_a_role_that_owns_the_tables_but_may_not_create_any(ledger: Ledger, contents: Contents) -> None:
    role = ledger.server.create_role()
    ledger.server.run(
        f'ALTER TABLE people OWNER TO "{role.name}"; ALTER TABLE entries OWNER TO "{role.name}"', ledger.name
    )
    url = str(ledger.server.url(ledger.name, role=role))
    assert codes(url, altered(contents, roles=[]), method="in_place") == ["schema_rights"]


def test_a_destination_out_of_reach(ledger: Ledger, contents: Contents) -> None:
    assert codes(str(ledger.server.url("no_such_database")), contents) == ["missing"]
