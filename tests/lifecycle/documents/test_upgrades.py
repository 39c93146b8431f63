"""Rules bring a document to the shape of its database, and say what they did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lifecycle.documents.base import Document, DocumentTable, Row, Summary
from lifecycle.documents.known_rules import IGNITION as IGNITION_DATA
from lifecycle.documents.known_rules import TASKLETS as TASKLETS_DATA
from lifecycle.documents.upgrades import UpgradedDocument, rules_from, upgraded
from opsconsole.exceptions import Refused, Usage
from tests.support.documents import IGNITION, TASKLETS, read


class Held(Document):
    """A document in memory."""

    def __init__(self, tables: dict[str, list[dict[str, Any]]], version: int | None = None) -> None:
        self._tables = tables
        described = (
            DocumentTable(name=name, columns=tuple(dict.fromkeys(key for row in rows for key in row)), rows=len(rows))
            for name, rows in tables.items()
        )
        self.summary = Summary(format="x", label="x", tables=tuple(described), version=version)

    def rows(self, table: str) -> Iterator[Row]:
        return iter(self._tables[table])


def all_of(document: UpgradedDocument) -> dict[str, list[Row]]:
    """Every row; the summary must tell the truth about them."""
    found = {table.name: list(document.rows(table.name)) for table in document.summary.tables}
    for table in document.summary.tables:
        assert table.rows == len(found[table.name])
        assert {key for row in found[table.name] for key in row} <= set(table.columns)
    return found


IGNITION_RULES = rules_from(IGNITION_DATA)


def ignition(name: str, version: int | None) -> UpgradedDocument:
    whole = read(IGNITION / name)
    return upgraded(Held(whole.tables, whole.heading.version), IGNITION_RULES, version=version)


def test_an_old_document_gets_what_later_versions_added() -> None:
    document = ignition("old-v3.json", 14)
    found = all_of(document)
    added = {
        "approved": 0, "denial_reason": None, "age_verified": 0, "age_verified_at": None, "role": "user",
        "tos_accepted": 0, "tos_accepted_at": None, "tos_version": None, "last_activity_at": None,
    }  # fmt: skip
    assert found["users"] == [{**row, **added} for row in read(IGNITION / "old-v3.json").tables["users"]]
    assert {"is_universal", "created_by"} <= found["quests"][0].keys()
    assert found["db_metadata"] == []
    assert "user_wallet" not in found
    assert document.summary.version == 14
    assert document.applied[0] == "below 4: users gets approved = 0, denial_reason = NULL where absent"


def test_values_that_are_there_stay_and_null_is_filled() -> None:
    rules = rules_from({"steps": [{"below": 4, "table": "t", "set": {"x": 0}}]})
    document = upgraded(Held({"t": [{"x": 5}, {"x": None}, {}, {"x": False}]}, 3), rules, version=4)
    assert all_of(document)["t"] == [{"x": 5}, {"x": 0}, {"x": 0}, {"x": False}]


def test_only_steps_between_the_two_versions_are_taken() -> None:
    assert ignition("passion-os-backup-v14-2026-01-05.json", 14).applied == ()
    assert ignition("documented-v20.json", 20).applied == ()


def test_wallets_are_derived_from_progress_below_version_20() -> None:
    progress = {"id": "p1", "user_id": "u1", "total_xp": 120, "current_level": 2, "level": 9, "coins": 7}
    document = upgraded(Held({"user_progress": [progress]}, 14), IGNITION_RULES, version=20)
    found = all_of(document)
    assert found["user_wallet"] == [{"id": "p1", "user_id": "u1", "xp": 120, "level": 2, "coins": 7}]
    assert found["user_progress"] == [progress]
    assert document.applied == ("below 20: user_wallet is derived from user_progress",)
    wallet = [{"id": "w"}]
    for given, expected in (([], 1), (wallet, 0)):
        both = upgraded(Held({"user_progress": [progress], "user_wallet": given}, 14), IGNITION_RULES, version=20)
        assert len(both.applied) == expected
        assert len(all_of(both)["user_wallet"]) == 1


def test_a_document_newer_than_its_database_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        ignition("documented-v20.json", 14)
    assert refused.value.code == "newer_document"
    assert "version 20" in refused.value.why
    assert "version 14" in refused.value.why


def test_without_a_declared_version_nothing_is_upgraded_and_that_is_told() -> None:
    document = ignition("old-v3.json", None)
    assert document.applied == ()
    assert [problem.code for problem in document.summary.problems] == ["version_undeclared"]


def test_camel_case_becomes_snake_case_by_rule() -> None:
    whole = read(TASKLETS / "backup-2026-01-08T14-30-45-123Z.json")
    document = upgraded(Held(whole.tables), rules_from(TASKLETS_DATA), version=None)
    found = all_of(document)
    assert {"client_products", "dev_tasks", "ai_configs", "api_keys", "mystery_table"} <= found.keys()
    assert found["users"][0]["password_hash"] == "$2a$10$synthetic"
    assert found["epics"][0]["metadata"] == {"k": [1, {"n": None}]}
    assert not any(letter.isupper() for rows in found.values() for row in rows for key in row for letter in key)


def test_names_by_a_map_go_before_the_rule_and_dropped_columns_are_gone() -> None:
    rules = rules_from(
        {
            "names": "camel_to_snake",
            "tables": {"oldName": "fresh"},
            "columns": {"oldName": {"userId": "owner"}},
            "drop": {"oldName": ["junk"]},
        }
    )
    document = upgraded(Held({"oldName": [{"userId": 1, "fooBar": 2, "junk": 3}]}), rules, version=None)
    assert all_of(document) == {"fresh": [{"owner": 1, "foo_bar": 2}]}


def test_two_names_that_become_one_are_refused() -> None:
    rules = rules_from({"names": "camel_to_snake"})
    for tables in ({"aB": [], "a_b": []}, {"t": [{"aB": 1, "a_b": 2}]}):
        with pytest.raises(Refused) as refused:
            all_of(upgraded(Held(tables), rules, version=None))
        assert refused.value.code == "names_collide"


@pytest.mark.parametrize(
    "raw",
    [
        {"step": []},
        {"names": "kebab"},
        {"steps": [{"below": 4, "table": "t"}]},
        {"steps": [{"table": "t", "empty": True}]},
        {"steps": [{"below": 4, "table": "t", "set": {"x": 1}, "empty": True}]},
        {"steps": [{"below": 4, "table": "t", "derive": {"columns": {}}}]},
        {"steps": "x"},
    ],
)
def test_rules_that_are_none_are_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(Usage) as refused:
        rules_from(raw)
    assert refused.value.code == "bad_rules"
