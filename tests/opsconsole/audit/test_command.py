"""`manage.py audit` as a script sees it: exit codes, one JSON object, files."""

from __future__ import annotations

import json
import stat

import pytest

from opsconsole import audit
from opsconsole.audit import checkpoints
from opsconsole.models import AuditEvent
from opsconsole.tokens import mint
from tests.opsconsole.audit.test_verification import edit_payload
from tests.support.console import Console
from tests.support.people import Cast
from tests.support.tampering import guards_off


def test_verify_ends_with_0_when_all_is_sound(history: list[AuditEvent], console: Console) -> None:
    done = console.run("audit", "verify", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["verdict"], told["events"], told["findings"]) == (0, "sound", 30, [])


def test_verify_ends_with_1_and_says_where_it_was_tampered_with(history: list[AuditEvent], console: Console) -> None:
    with guards_off():
        edit_payload()
    done = console.run("audit", "verify")
    assert done.returncode == 1
    assert b"TAMPERED" in done.stdout
    assert b"seq 12: The stored bytes of event" in done.stdout


def test_verify_ends_with_2_when_it_cannot_be_proven(history: list[AuditEvent], console: Console) -> None:
    checkpoints.anchors_path().unlink()
    assert console.run("audit", "verify").returncode == 2


@pytest.mark.parametrize("words", [["--from", "99"], ["--from", "x"], ["--nonsense"], ["--from", "0", "--json"]])
def test_verify_ends_with_3_when_the_call_is_wrong(
    history: list[AuditEvent], console: Console, words: list[str]
) -> None:
    assert console.run("audit", "verify", *words).returncode == 3


def test_verify_takes_checkpoints_from_another_file(history: list[AuditEvent], console: Console) -> None:
    kept = console.home / "kept.log"
    checkpoints.anchors_path().rename(kept)
    assert console.run("audit", "verify", "--anchors", str(kept)).returncode == 0


def test_export_writes_lines_to_standard_output(history: list[AuditEvent], console: Console) -> None:
    done = console.run("audit", "export", "--type", "auth.", "--since", "2026-01-01")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, len([line for line in lines if "event" in line])) == (0, 30)
    done = console.run("audit", "export", "--type", "logins.")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"Families: " in done.stderr


def test_export_writes_a_new_private_file(history: list[AuditEvent], console: Console) -> None:
    target = console.home / "history.csv"
    done = console.run("audit", "export", "--format", "csv", "--output", str(target), "--json")
    assert json.loads(done.stdout)["bytes"] == target.stat().st_size
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert console.run("audit", "export", "--output", str(target)).returncode == 3


def test_a_token_without_the_right_reads_nothing(cast: Cast, console: Console) -> None:
    _, token = mint(cast.ada, "ci")
    done = console.run("audit", "export", env={"OPSCONSOLE_TOKEN": token})
    assert (done.returncode, done.stdout) == (4, b"")
    _, token = mint(cast.audrey, "ci")
    done = console.run("audit", "export", "--person", "audrey", env={"OPSCONSOLE_TOKEN": token})
    assert done.returncode == 0
    assert AuditEvent.objects.latest("id").actor == f"person:{cast.audrey.person_id}"


def test_a_verification_from_the_shell_names_the_systems_user(history: list[AuditEvent], console: Console) -> None:
    console.run("audit", "verify")
    assert audit.describe(AuditEvent.objects.latest("id")).endswith(
        "(on the server) verified the audit history: it is sound"
    )
