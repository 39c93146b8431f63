"""Reports on the shell: listed, read, and written to a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from integrity.checks.base import Proposal
from tests.opsconsole.approvals.scenes import add_database
from tests.support.commands import speaker
from tests.support.console import Console
from tests.support.people import Cast
from tests.support.reports import found, held, list_report


def test_reports_are_listed_read_and_written(
    console: Console, cast: Cast, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    say, shop = speaker(monkeypatch), add_database("shop", "development")
    none = say("report", "show", "shop", "--json", account=cast.ada)
    assert (none.code, none.json["refused"], none.json["why"]) == (2, "unknown_report", "shop was never checked.")
    first = list_report(shop, cast.ada, [found("a"), found("b")])
    fixes = (Proposal(action="delete_rows", words="Delete them"), Proposal(action="set_null", words="Clear them"))
    last = list_report(shop, cast.ada, [found("a", proposals=fixes), held("b")])
    listed = say("report", "list", "shop", "--json", account=cast.ada).json["reports"]
    assert [(row["report"], row["critical"], row["stands"]) for row in listed] == [
        (last.pk, 1, True), (first.pk, 2, True)
    ]  # fmt: skip
    text = say("report", "show", "shop", account=cast.audrey).out
    assert "CRITICAL (Orphaned Records, since " in text and "FIXED: b is wrong." in text
    asked = f"operate fix shop --set report={last.pk} --set finding={last.findings.get().slug} --set action=set_null"
    assert f"Clear them: manage.py {asked}" in text
    assert say("report", "show", "shop", str(first.pk), "--json").json["findings"][1]["subject"] == "b"
    file = tmp_path / "report.json"
    words: list[Any] = ["report", "export", "shop", "--output", str(file), "--json"]
    assert say(*words, account=cast.ada).code == 0
    assert json.loads(file.read_text())["sha256"] == last.content_sha256
    again = say(*words, account=cast.ada)
    assert (again.code, again.json["refused"]) == (1, "cannot_write")
    assert say("report", "list", "shop", "--json", account=cast.mallory).json["refused"] == "unknown_database"
