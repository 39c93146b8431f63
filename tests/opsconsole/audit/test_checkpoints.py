from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from opsconsole import audit, triggers
from opsconsole.audit import checkpoints
from opsconsole.keys import SigningKey, public_keys
from opsconsole.models import AuditCheckpoint, AuditEvent, AuditSeal
from opsconsole.verify_audit import Checkpoint, parse, split
from tests.opsconsole.audit.test_sealing import in_thread
from tests.support.console import Console


def in_file() -> list[Checkpoint]:
    with checkpoints.anchors_path().open() as lines:
        return [parse(note) for note in split(lines)]


def test_the_first_events_get_a_checkpoint_at_once(console: Console) -> None:
    audit.record("auth.login")
    assert list(AuditCheckpoint.objects.values_list("seq", flat=True)) == [1]


def test_nothing_new_needs_no_checkpoint(history: list[AuditEvent]) -> None:
    assert audit.checkpoint(force=True) is None
    assert audit.checkpoint() is None


def test_a_checkpoint_is_due_after_five_minutes(history: list[AuditEvent], monkeypatch: pytest.MonkeyPatch) -> None:
    audit.record("auth.login")
    assert audit.checkpoint() is None
    later = checkpoints.now() + timedelta(minutes=5)
    monkeypatch.setattr(checkpoints, "now", lambda: later)
    made = audit.checkpoint()
    assert made is not None
    assert made.seq == 31


def test_a_checkpoint_is_due_after_many_events(history: list[AuditEvent], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "EVERY_EVENTS", 3)
    for _ in range(7):
        audit.record("auth.login")
    assert list(AuditCheckpoint.objects.filter(seq__gt=30).values_list("seq", flat=True)) == [33, 36]


def test_a_forced_checkpoint_covers_what_was_just_committed(history: list[AuditEvent]) -> None:
    event = audit.record("op.armed")
    made = audit.checkpoint(force=True)
    assert made is not None
    assert made.seq == AuditSeal.objects.get(event=event).seq == 31


def test_file_and_table_hold_the_same_notes(history: list[AuditEvent]) -> None:
    in_table = [parse(note) for note in AuditCheckpoint.objects.order_by("seq").values_list("note", flat=True)]
    assert in_file() == in_table
    assert [note.seq for note in in_table] == [1, 10, 20, 30]


def test_a_note_states_the_chain_and_the_guards_under_the_consoles_key(
    history: list[AuditEvent], console: Console
) -> None:
    note = in_file()[-1]
    keys = public_keys(console.home, "audit")
    assert note.hash == bytes(AuditSeal.objects.get(seq=30).hash)
    assert note.guards == triggers.fingerprint() == triggers.expected_fingerprint()
    assert note.is_signed_by(keys)
    assert not Checkpoint(**vars(note) | {"seq": 31}).is_signed_by(keys)


def test_the_file_is_only_ever_appended_to_and_is_private(history: list[AuditEvent]) -> None:
    path = checkpoints.anchors_path()
    before = path.read_bytes()
    audit.record("auth.login")
    audit.checkpoint(force=True)
    assert path.read_bytes().startswith(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_file_can_lie_elsewhere(console: Console, tmp_path: Path, settings: Any) -> None:
    settings.AUDIT_CHECKPOINT_FILE = str(tmp_path / "elsewhere.log")
    audit.record("auth.login")
    assert (tmp_path / "elsewhere.log").read_text().startswith("opsconsole/")


def test_a_file_that_cannot_be_written_stops_nobody(console: Console, tmp_path: Path, settings: Any) -> None:
    settings.AUDIT_CHECKPOINT_FILE = str(tmp_path / "no such folder" / "checkpoints.log")
    audit.record("auth.login")
    assert audit.checkpoint(force=True) is None
    assert AuditCheckpoint.objects.count() == 0
    os.mkdir(tmp_path / "no such folder")
    assert audit.checkpoint() is not None


def test_two_processes_make_one_checkpoint(history: list[AuditEvent]) -> None:
    audit.record("auth.login")
    audit.seal_all()
    assert in_thread(lambda: audit.checkpoint(force=True)) is not None
    assert audit.checkpoint(force=True) is None
    assert [note.seq for note in in_file()][-2:] == [30, 31]


def test_a_note_reads_back_as_it_was_written(tmp_path: Path) -> None:
    key = SigningKey.load(tmp_path, "audit")
    stated = Checkpoint(
        origin="opsconsole/x", seq=7, hash=bytes(range(32)), at="2026-11-20T00:00:00.000000Z", guards="g"
    )
    back = parse(stated.signed(key))
    assert (back.signed_part, back.key_id) == (stated.signed_part, key.key_id)
    assert back.is_signed_by({key.key_id: key.public})


@pytest.mark.parametrize(
    "text", ["", "a note", "o\nx\naGk=\nt\ng\n\n— k cw==", "o\n1\naGk=\nt\ng\n\n— k cw==", "o\n1\n*\nt\ng\n\n— k c"]
)
def test_what_is_no_note_is_told(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)
