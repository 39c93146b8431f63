"""Checkpoints: signed statements of the chain's head, kept in a table and in a file outside the database."""

from __future__ import annotations

import logging
import os
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, transaction

from opsconsole import triggers
from opsconsole.audit.sealing import CHECKPOINT_LOCK, seal, seal_all, take_turn
from opsconsole.audit.sentences import told_by
from opsconsole.audit.stamps import moment
from opsconsole.clock import now
from opsconsole.instance import instance_id
from opsconsole.keys import SigningKey, public_keys
from opsconsole.models import AuditCheckpoint, AuditEvent, AuditSeal
from opsconsole.verify_audit import ROTATED, Checkpoint, parse

log = logging.getLogger(__name__)
KEY = "audit"
EVERY = timedelta(minutes=5)
EVERY_EVENTS = 1000
LONGEST_NOTE = 4096  # bytes


def anchors_path() -> Path:
    """The file outside the database: AUDIT_CHECKPOINT_FILE, or `audit-checkpoints.log` in the console's home."""
    return Path(settings.AUDIT_CHECKPOINT_FILE or settings.OPSCONSOLE_HOME / "audit-checkpoints.log")


def checkpoint(force: bool = False) -> AuditCheckpoint | None:
    """Sign the chain's head when that is due: after five minutes, after a thousand events, or now with `force`.

    With `force`, everything committed so far is sealed first. Gives back None when nothing was due or nothing is new,
    and when the file could not be written (which is logged, and tried again by the next tick).
    """
    if force:
        seal_all()
    if not _is_due(force):
        return None
    try:
        return _sign_head(force)
    except OSError as error:
        log.error("no checkpoint could be appended to %s: %s", anchors_path(), error.strerror)
        return None


def after_commit() -> None:
    """Chain and sign what was just committed when that is cheap; the ticker comes by every second in any case."""
    try:
        if seal():
            checkpoint()
    except DatabaseError as error:
        log.info("the sealer was busy: %s", type(error).__name__)


@transaction.atomic
def _sign_head(force: bool) -> AuditCheckpoint | None:
    """Append to the file first: what the table holds, the file holds too, and a note is true either way."""
    take_turn(CHECKPOINT_LOCK, wait=True)
    if not _is_due(force):
        return None  # another process has just done it
    _take_up_leftover()
    seq, link = AuditSeal.objects.order_by("-seq").values_list("seq", "hash")[0]
    keys, at = _signers(seq), now()
    stated = Checkpoint(
        origin=f"opsconsole/{instance_id()}", seq=seq, hash=bytes(link), at=moment(at), guards=triggers.fingerprint()
    )
    note = stated.signed(*keys)
    _append(anchors_path(), note + "\n")
    return AuditCheckpoint.objects.create(seq=seq, note=note, key_id=keys[-1].key_id, at=at)


def _signers(seq: int) -> list[SigningKey]:
    """The key in use; while it is rotated, the new one too, from the first link on that covers the event which says so.

    Then the old one signs nothing alone any more, and whoever stole it is found.
    """
    home = settings.OPSCONSOLE_HOME
    old, new = SigningKey.load(home, KEY), SigningKey.prepared(home, KEY)
    if new is None or (told := rotation_event(new)) is None:
        return [old]
    return [old, new] if AuditSeal.objects.filter(event_id=told, seq__lte=seq).exists() else [old]


def rotation_event(new: SigningKey) -> int | None:
    """The id of the event that says that this key follows; None when there is none yet."""
    events = AuditEvent.objects.filter(type=ROTATED).order_by("-id").values_list("id", "payload")
    told = ((pk, told_by(bytes(payload)).get("data", {})) for pk, payload in events.iterator(10))
    return next((pk for pk, data in told if data.get("new") == new.key_id), None)


def _take_up_leftover() -> None:
    """Put into the table what a console that was killed had only written to the file."""
    last = AuditCheckpoint.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    try:
        note = _last_note(anchors_path())
        left = parse(note)
    except (OSError, ValueError):
        return  # nothing there; or nothing that proves anything, which verify tells
    links = AuditSeal.objects.filter(seq=left.seq).values_list("hash", flat=True)
    home = settings.OPSCONSOLE_HOME
    known, new = public_keys(home, KEY), SigningKey.prepared(home, KEY)
    known |= {new.key_id: new.public} if new else {}
    there = [bytes(link) for link in links] == [left.hash]
    ours = {key_id for key_id, _ in left.signatures} <= known.keys() and left.seq > last and there
    if ours and left.is_signed_by(known):
        AuditCheckpoint.objects.create(seq=left.seq, note=note, key_id=left.key_id, at=datetime.fromisoformat(left.at))


def _last_note(path: Path) -> str:
    """The text of the last note of a file. Raises OSError without one."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LONGEST_NOTE))
        text = file.read().decode("utf-8", "replace")
    return text[text.rfind("opsconsole/") :].rstrip("\n") + "\n"


def _is_due(force: bool) -> bool:
    head = AuditSeal.objects.order_by("-seq").values_list("seq", flat=True).first()
    last = AuditCheckpoint.objects.order_by("-seq").values_list("seq", "at").first()
    if head is None or (last is not None and last[0] >= head):
        return False
    return force or last is None or head - last[0] >= EVERY_EVENTS or now() - last[1] >= EVERY


def _append(path: Path, text: str) -> None:
    """One durable write at the end of the file; several processes may do so at once."""
    fresh = not path.exists()
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        data = text.encode()
        if os.write(fd, data) != len(data):
            raise OSError(28, "the disk is full")
        os.fsync(fd)
    finally:
        os.close(fd)
    if fresh:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(folder)
        os.close(folder)
