"""`manage.py backup inspect` tells what files hold, fails when they cannot be used, and keeps nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyrage
import pytest

from tests.support.commands import Say, speaker
from tests.support.documents import IGNITION, SOLANA, SOLANA_STAMP, TASKLETS

V14 = IGNITION / "passion-os-backup-v14-2026-01-05.json"


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Say:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return speaker(monkeypatch)


def test_a_file_is_told_of_for_programs_and_for_people(say: Say, tmp_path: Path) -> None:
    said = say("backup", "inspect", str(V14), "--json")
    assert said.code == 0
    facts = said.json
    assert (facts["format"], facts["version"], facts["version_name"]) == (
        "ignition-json", 14, "0014_add_performance_indexes"
    )  # fmt: skip
    assert {each["name"]: each["rows"] for each in facts["tables"]}["sessions"] == 3
    assert facts["rows"] == sum(each["rows"] for each in facts["tables"])
    assert [each["level"] for each in facts["problems"]] == ["note"]
    text = say("backup", "inspect", str(V14)).out
    assert "Ignition JSON, version 14 0014_add_performance_indexes" in text
    assert "sessionToken" in text
    assert list(tmp_path.iterdir()) == []


def test_folders_and_several_files_are_one_backup(say: Say) -> None:
    folder = say("backup", "inspect", str(TASKLETS / "backup-2025-12-20T00-00-00-000Z"), "--json").json
    assert (folder["format"], folder["rows"]) == ("tasklets-folder", 2)
    files = [str(path) for path in SOLANA.glob(f"*{SOLANA_STAMP}.json")]
    assert say("backup", "inspect", *files, "--json").json["format"] == "solana-set"


def test_what_cannot_be_used_ends_in_failure(say: Say, tmp_path: Path) -> None:
    said = say("backup", "inspect", str(IGNITION / "broken-no-tables.json"), "--json")
    assert (said.code, said.json["problems"][0]["code"]) == (1, "no_tables")
    (tmp_path / "odd").write_bytes(b"\x00\x01")
    said = say("backup", "inspect", str(tmp_path / "odd"), "--json")
    assert (said.code, said.json["refused"]) == (1, "unknown_format")
    (tmp_path / "link").symlink_to(V14)
    assert say("backup", "inspect", str(tmp_path / "link"), "--json").code == 4
    assert say("backup", "inspect", str(tmp_path / "gone"), "--json").code == 2


def test_an_encrypted_file_is_read_with_its_identity(say: Say, tmp_path: Path) -> None:
    key = pyrage.x25519.Identity.generate()
    path = tmp_path / "backup.json.age"
    path.write_bytes(pyrage.encrypt(V14.read_bytes(), [key.to_public()]))
    assert say("backup", "inspect", str(path), "--json").json["refused"] == "identity_needed"
    said = say("backup", "inspect", str(path), "--identity", "-", "--json", stdin=f"# key\n{key}\n")
    assert (said.code, said.json["files"][0]["wrappings"]) == (0, ["age"])
