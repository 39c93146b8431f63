"""Only the copy of the checkpoints is honest: table, local file and signing key are in the intruder's hands."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from opsconsole import audit
from opsconsole.audit import checkpoints
from opsconsole.keys import SigningKey
from opsconsole.models import AuditCheckpoint, AuditEvent, AuditSeal
from opsconsole.verify_audit import Checkpoint, parse
from tests.opsconsole.audit.test_verification import codes, cut_the_tail, edit_payload
from tests.support.console import Console, close_connections
from tests.support.tampering import forge_chain, guards_off


@pytest.fixture
def kept(history: list[AuditEvent], tmp_path: Path) -> Path:
    copy = tmp_path / "kept.log"
    shutil.copyfile(checkpoints.anchors_path(), copy)
    return copy


def make_the_rest_fit(console: Console) -> None:
    """Compute every link anew, sign every checkpoint that is left anew, and write the local file from the table."""
    forge_chain()
    key = SigningKey.load(console.home, "audit")
    for row in AuditCheckpoint.objects.order_by("seq"):
        old, link = parse(row.note), bytes(AuditSeal.objects.get(seq=row.seq).hash)
        new = Checkpoint(origin=old.origin, seq=old.seq, hash=link, at=old.at, guards=old.guards)
        AuditCheckpoint.objects.filter(pk=row.pk).update(note=new.signed(key))
    table = AuditCheckpoint.objects.order_by("seq").values_list("note", flat=True)
    checkpoints.anchors_path().write_text("".join(note + "\n" for note in table))


def cut_at_a_checkpoint() -> None:
    cut_the_tail()
    gone = AuditSeal.objects.filter(seq__gt=10)
    events = list(gone.values_list("event_id", flat=True))
    gone._raw_delete("default")
    AuditEvent.objects.filter(pk__in=events)._raw_delete("default")


@pytest.mark.parametrize(("tamper", "expected"), [(edit_payload, {"fork"}), (cut_at_a_checkpoint, {"cut"})])
def test_the_copy_finds_what_everything_else_denies(
    kept: Path, console: Console, tamper: Callable[[], None], expected: set[str]
) -> None:
    with guards_off():
        tamper()
        make_the_rest_fit(console)
    assert audit.verify().exit_code == 0  # the console itself sees nothing
    assert codes(audit.verify(anchors=kept)) == expected


def test_a_database_set_back_to_yesterday_is_found_even_after_it_went_on(
    history: list[AuditEvent], console: Console, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    yesterday = checkpoints.anchors_path().read_bytes()
    set_back = remember(request)
    audit.record("op.armed")
    audit.checkpoint(force=True)
    kept = tmp_path / "kept.log"
    shutil.copyfile(checkpoints.anchors_path(), kept)
    set_back()
    checkpoints.anchors_path().write_bytes(yesterday)
    assert audit.verify().exit_code == 0
    assert codes(audit.verify(anchors=kept)) == {"cut"}
    audit.record("auth.login", subject="as if nothing had happened")
    audit.checkpoint(force=True)
    assert audit.verify().exit_code == 0
    assert codes(audit.verify(anchors=kept)) == {"fork"}


def remember(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Copy the console's database as it is; gives back what puts the copy in its place."""
    name = str(connection.settings_dict["NAME"])
    close_connections()
    if connection.vendor == "sqlite":
        copy = f"{name}.yesterday"
        shutil.copyfile(name, copy)

        def put_back() -> None:
            close_connections()
            for stray in Path(name).parent.glob(Path(name).name + "-*"):
                stray.unlink()
            shutil.copyfile(copy, name)
    else:
        server: Any = request.getfixturevalue("postgres")
        copy = server.create_database(server.fresh_name("yesterday"), template=name)

        def put_back() -> None:
            close_connections()
            server.drop_database(name)
            server.create_database(name, template=copy)
            server.drop_database(copy)

    return put_back
