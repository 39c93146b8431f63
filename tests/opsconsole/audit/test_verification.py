"""Every kind of tampering, done with the guards switched off, is found."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction

from opsconsole import audit, triggers
from opsconsole.audit import checkpoints
from opsconsole.audit.stamps import moment
from opsconsole.exceptions import Usage
from opsconsole.keys import SigningKey
from opsconsole.models import AuditCheckpoint, AuditEvent, AuditPending, AuditSeal
from opsconsole.plans import canonical_json
from opsconsole.verify_audit import Checkpoint, Report, split
from tests.support.console import Console
from tests.support.rows import only_on_sqlite, sql
from tests.support.tampering import forge_chain, guards_off

RECORD = sys.modules["opsconsole.audit.record"]


def codes(report: Report) -> set[str]:
    return {finding.code for finding in report.findings}


def test_an_untouched_history_is_sound(history: list[AuditEvent]) -> None:
    report = audit.verify()
    assert (report.verdict, report.exit_code, report.findings, report.unproven) == ("sound", 0, [], [])
    assert (report.events, report.to_seq, report.last_checkpoint) == (30, 30, 30)


def edit_payload() -> None:
    event = AuditEvent.objects.get(pk=AuditSeal.objects.get(seq=12).event_id)
    AuditEvent.objects.filter(pk=event.pk).update(payload=bytes(event.payload).replace(b"login 12", b"login 13"))


def edit_index_column() -> None:
    AuditEvent.objects.filter(pk=AuditSeal.objects.get(seq=12).event_id).update(actor="person:99")


def edit_time_column() -> None:
    event = AuditEvent.objects.get(pk=AuditSeal.objects.get(seq=12).event_id)
    AuditEvent.objects.filter(pk=event.pk).update(at=event.at - timedelta(hours=1))


def delete_event() -> None:
    sql("DELETE FROM opsconsole_auditevent WHERE id = %s", AuditSeal.objects.get(seq=12).event_id)


def delete_event_with_its_seal() -> None:
    seal = AuditSeal.objects.get(seq=12)
    sql("DELETE FROM opsconsole_auditseal WHERE seq = 12")
    sql("DELETE FROM opsconsole_auditevent WHERE id = %s", seal.event_id)


def delete_seal() -> None:
    sql("DELETE FROM opsconsole_auditseal WHERE seq = 12")


def cut_the_tail() -> None:
    gone = list(AuditSeal.objects.filter(seq__gt=15).values_list("event_id", flat=True))
    sql("DELETE FROM opsconsole_auditcheckpoint WHERE seq > 15")
    sql("DELETE FROM opsconsole_auditseal WHERE seq > 15")
    sql(f"DELETE FROM opsconsole_auditevent WHERE id IN ({','.join(map(str, gone))})")


def swap_two() -> None:
    first, second = AuditSeal.objects.filter(seq__in=(12, 13)).order_by("seq").values_list("event_id", flat=True)
    for seq, event_id in ((12, 900000), (13, first), (12, second)):
        sql("UPDATE opsconsole_auditseal SET event_id = %s WHERE seq = %s", event_id, seq)


def insert_in_the_middle() -> None:
    sql("UPDATE opsconsole_auditseal SET seq = seq + 1000 WHERE seq > 12")
    copy_event(AuditSeal.objects.get(seq=12).event_id)
    sql("UPDATE opsconsole_auditseal SET seq = seq - 999 WHERE seq > 1000")
    AuditSeal.objects.create(seq=13, event=AuditEvent.objects.latest("id"), previous=b"", hash=b"")
    forge_chain(13)


def insert_unsealed() -> None:
    copy_event(AuditSeal.objects.get(seq=12).event_id)


def rewrite_history_consistently() -> None:
    edit_payload()
    forge_chain(12)


def copy_event(event_id: int) -> None:
    event = AuditEvent.objects.get(pk=event_id)
    event.pk, event.uid = None, "another"
    event.save(force_insert=True)


TAMPERINGS: dict[Callable[[], None], set[str]] = {
    edit_payload: {"payload"},
    edit_index_column: {"index"},
    edit_time_column: {"index"},
    delete_event: {"gap"},
    delete_event_with_its_seal: {"gap"},
    delete_seal: {"gap", "unsealed"},
    cut_the_tail: {"cut"},
    swap_two: {"payload"},
    insert_in_the_middle: {"fork"},
    insert_unsealed: {"unsealed"},
    rewrite_history_consistently: {"fork"},
}


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_tampering_is_found(history: list[AuditEvent], tamper: Callable[[], None]) -> None:
    with guards_off():
        tamper()
    report = audit.verify()
    assert report.exit_code == 1
    assert TAMPERINGS[tamper] <= codes(report), report.findings


def test_a_rewritten_tail_after_the_last_checkpoint_is_the_limit_that_the_docs_state(history: list[AuditEvent]) -> None:
    audit.record("auth.login", subject="login 31")
    with guards_off():
        event = AuditEvent.objects.latest("id")
        AuditEvent.objects.filter(pk=event.pk).update(payload=bytes(event.payload).replace(b"login 31", b"login 99"))
        forge_chain(31)
    assert codes(audit.verify()) == set()


@only_on_sqlite
def test_an_old_copy_of_the_database_is_found(history: list[AuditEvent], console: Console) -> None:
    live = Path(connection.settings_dict["NAME"])
    copy = live.with_suffix(".copy")
    connection.close()
    shutil.copyfile(live, copy)
    audit.record("op.armed")
    audit.checkpoint(force=True)
    connection.close()
    for stray in live.parent.glob(live.name + "-*"):
        stray.unlink()
    shutil.copyfile(copy, live)
    report = audit.verify()
    assert (report.exit_code, codes(report)) == (1, {"cut"})


def test_a_history_that_went_on_from_an_old_copy_is_found(history: list[AuditEvent]) -> None:
    with guards_off():
        cut_the_tail()
    for number in range(20):
        audit.record("auth.login", subject=f"another {number}")
    assert "fork" in codes(audit.verify())


def forged_note(console: Console, seq: int, link: bytes, key: SigningKey | None = None) -> str:
    real = SigningKey.load(console.home, "audit")
    filed = AuditCheckpoint.objects.filter(seq=seq).first()
    at = filed.at if filed else checkpoints.now()
    note = Checkpoint(origin="opsconsole/x", seq=seq, hash=link, at=moment(at), guards="g")
    return note.signed(key or real).replace(key.key_id, real.key_id) if key else note.signed(real)


def test_a_checkpoint_signed_by_another_key_is_found(
    history: list[AuditEvent], console: Console, tmp_path: Path
) -> None:
    another = SigningKey.load(tmp_path / "another", "audit")
    note = forged_note(console, 25, bytes(AuditSeal.objects.get(seq=25).hash), another)
    with guards_off():
        AuditCheckpoint.objects.filter(seq=20).update(note=note)
    assert codes(audit.verify()) == {"forged", "removed"}


def test_a_checkpoint_whose_text_was_changed_is_found(history: list[AuditEvent]) -> None:
    path = checkpoints.anchors_path()
    path.write_text(path.read_text().replace("\n20\n", "\n21\n"))
    report = audit.verify()
    assert codes(report) == {"forged"}
    assert "checkpoint 21" in report.findings[0].where


def test_a_checkpoint_that_cannot_be_read_is_found(history: list[AuditEvent]) -> None:
    with checkpoints.anchors_path().open("a") as file:
        file.write("half a no")
    assert codes(audit.verify()) == {"forged"}


def test_without_the_file_nothing_is_proven(history: list[AuditEvent]) -> None:
    checkpoints.anchors_path().unlink()
    report = audit.verify()
    assert (report.exit_code, report.verdict) == (2, "unproven")


def test_a_file_that_lost_its_tail_proves_too_little(history: list[AuditEvent]) -> None:
    path = checkpoints.anchors_path()
    kept = list(split(path.open()))[:2]
    path.write_text("".join(kept))
    assert audit.verify().exit_code == 2


def test_without_the_public_key_nothing_is_proven(history: list[AuditEvent], console: Console) -> None:
    (console.home / "keys" / "audit.pub").unlink()
    report = audit.verify()
    assert report.exit_code == 2
    assert "is missing from the public keys" in report.unproven[0]


def test_a_copy_of_the_file_kept_elsewhere_proves_the_same(history: list[AuditEvent], tmp_path: Path) -> None:
    kept = tmp_path / "kept.log"
    shutil.copyfile(checkpoints.anchors_path(), kept)
    checkpoints.anchors_path().unlink()
    assert audit.verify(anchors=kept).exit_code == 0


def test_both_checkpoints_and_rows_rewritten_is_found_by_the_kept_copy(
    history: list[AuditEvent], console: Console, tmp_path: Path
) -> None:
    """Even with the console's signing key, what was kept elsewhere still tells."""
    kept = tmp_path / "kept.log"
    shutil.copyfile(checkpoints.anchors_path(), kept)
    with guards_off():
        rewrite_history_consistently()
        for seq in (20, 30):
            note = forged_note(console, seq, bytes(AuditSeal.objects.get(seq=seq).hash))
            AuditCheckpoint.objects.filter(seq=seq).update(note=note)
        table = AuditCheckpoint.objects.order_by("seq").values_list("note", flat=True)
        checkpoints.anchors_path().write_text("\n".join(table))
    assert audit.verify().exit_code == 0
    assert codes(audit.verify(anchors=kept)) == {"fork"}


def test_an_event_that_waits_too_long_for_its_seal_is_found(
    history: list[AuditEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = checkpoints.now() - timedelta(minutes=2)
    with monkeypatch.context() as patch, transaction.atomic():
        patch.setattr(RECORD, "now", lambda: earlier)
        audit.record("auth.login")
        assert codes(audit.verify()) == {"unsealed"}
        AuditPending.objects.all().delete()
        assert codes(audit.verify()) == {"unsealed"}


def test_time_that_runs_backwards_is_found(history: list[AuditEvent], monkeypatch: pytest.MonkeyPatch) -> None:
    for step, expected in ((timedelta(seconds=2), set()), (timedelta(minutes=1), {"time"})):
        earlier = checkpoints.now() - step
        with monkeypatch.context() as patch:
            patch.setattr(RECORD, "now", lambda at=earlier: at)
            audit.record("auth.login")
        assert codes(audit.verify()) == expected


def test_what_a_slow_transaction_wrote_early_is_sealed_late_and_sound(history: list[AuditEvent]) -> None:
    """Its number and its time are both older than those of the events that are sealed before it."""
    with guards_off():
        first, second = history[-2].pk, history[-1].pk
        for seq, event_id in ((29, 900000), (30, first), (29, second)):
            sql("UPDATE opsconsole_auditseal SET event_id = %s WHERE seq = %s", event_id, seq)
        early = AuditEvent.objects.get(pk=first)
        told = json.loads(bytes(early.payload)) | {"at": moment(early.at - timedelta(minutes=1))}
        AuditEvent.objects.filter(pk=first).update(payload=canonical_json(told), at=told["at"])
        forge_chain(29)
    assert codes(audit.verify()) == {"fork"}


@pytest.mark.parametrize("payload", [b"", b"\xff", b"[]", b"{}", b'{"at":"2026-11-20"}', b"null"])
def test_a_payload_that_is_no_event_is_found(history: list[AuditEvent], payload: bytes) -> None:
    with guards_off():
        AuditEvent.objects.filter(pk=history[11].pk).update(payload=payload)
    assert "payload" in codes(audit.verify())


def test_a_time_without_its_zone_is_found(history: list[AuditEvent]) -> None:
    with guards_off():
        exact = bytes(history[11].payload)
        AuditEvent.objects.filter(pk=history[11].pk).update(payload=exact.replace(b'Z","before"', b'","before"'))
    assert "payload" in codes(audit.verify())


def test_a_payload_that_is_not_canonical_is_found(history: list[AuditEvent]) -> None:
    with guards_off():
        event = AuditEvent.objects.get(pk=AuditSeal.objects.get(seq=30).event_id)
        AuditEvent.objects.filter(pk=event.pk).update(payload=bytes(event.payload).replace(b'"v":1', b'"v": 1'))
        forge_chain(30)
    assert {"payload", "fork"} <= codes(audit.verify())


def test_a_guard_that_is_missing_is_found(history: list[AuditEvent]) -> None:
    on = " ON opsconsole_auditevent" if connection.vendor == "postgresql" else ""
    sql(f"DROP TRIGGER opsconsole_guard_auditevent_delete_never{on}")
    assert codes(audit.verify()) == {"guards"}
    triggers.install()
    assert audit.verify().exit_code == 0


def test_verifying_from_the_middle_takes_what_is_before_as_given(history: list[AuditEvent]) -> None:
    with guards_off():
        edit_payload()
    assert audit.verify(from_seq=13).exit_code == 0
    assert audit.verify(from_seq=12).exit_code == 1
    assert audit.verify(from_seq=13).events == 18


@pytest.mark.parametrize("seq", [0, -1, 31])
def test_a_link_that_is_not_there_is_a_wrong_call(history: list[AuditEvent], seq: int) -> None:
    with pytest.raises(Usage):
        audit.verify(from_seq=seq)


def test_an_empty_history_proves_nothing(console: Console) -> None:
    assert audit.verify().exit_code == 2


def test_a_verification_is_an_event_itself(history: list[AuditEvent]) -> None:
    audit.verify_and_record()
    told = AuditEvent.objects.latest("id")
    assert told.type == "audit.verified"
    assert canonical_json({"verdict": "sound"})[1:-1] in bytes(told.payload)
    assert audit.head().verdict == "sound"
