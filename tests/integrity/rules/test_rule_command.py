"""`manage.py rule` lists, sets, removes, imports and exports what must hold in a database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integrity.rules import in_force
from opsconsole.models import Operation
from tests.lifecycle.conftest import sqlite_shop as sqlite_shop
from tests.opsconsole.approvals.scenes import approve
from tests.support.commands import Say, speaker


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> Say:
    return speaker(monkeypatch)


def test_a_rule_is_set_listed_taken_to_a_file_brought_and_removed(
    say: Say, cast: Any, sqlite_shop: Any, tmp_path: Path
) -> None:
    _, row = sqlite_shop

    def asked(*words: str) -> None:
        said = say("rule", *words, "--reason", "Until Friday.", "--json", account=cast.ada)
        assert said.code == 3, said
        assert approve(cast.grace, Operation.objects.get(pk=said.json["id"])).state == "succeeded"

    asked("set", row.name, "ids", "--kind", "row", "--set", "table=orders", "--set", "violates=t.id = 3",
          "--severity", "critical", "--fix", "delete_rows", "--health", "oldIds")  # fmt: skip
    (rule,) = say("rule", "list", row.name, "--json").json["rules"]
    assert (rule["name"], rule["spec"]["violates"], rule["fix"]) == ("ids", "t.id = 3", {"action": "delete_rows"})
    path = tmp_path / "rules.json"
    path.write_text(say("rule", "export", row.name).out)
    brought = [{**json.loads(path.read_text())[0], "name": "others"}]
    brought[0]["health"] = ""
    path.write_text(json.dumps(brought))
    asked("import", row.name, str(path), "--only")
    assert [each.name for each in in_force.rules_of(row)] == ["others"]
    silent = say("rule", "off", row.name, "others", "--json", account=cast.ada)
    assert (silent.code, silent.json["refused"]) == (2, "missing_reason")
    asked("off", row.name, "others")
    assert [each["off"] for each in say("rule", "list", row.name, "--json").json["rules"]] == [True]
    asked("on", row.name, "others")
    assert [each["off"] for each in say("rule", "list", row.name, "--json").json["rules"]] == [False]
    asked("remove", row.name, "others")
    assert in_force.rules_of(row) == []
    odd = say("rule", "set", row.name, "odd", "--kind", "row", "--set", "table=orders", "--set", "violates=t.no > 1",
              "--reason", "odd", account=cast.ada)  # fmt: skip
    assert (odd.code, "odd cannot be asked as it is: no such column: t.no" in odd.err) == (3, True)
    path.write_text('[{"name": "a", "kind": "row"}, 5]')
    refused = say("rule", "import", row.name, str(path), "--json", account=cast.ada)
    assert (refused.code, "Rule 1: Rule a" in refused.json["why"], "Rule 2:" in refused.json["why"]) == (2, True, True)
