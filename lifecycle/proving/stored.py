"""V0: the stored bytes of a backup are those that were published; nothing is unpacked."""

from __future__ import annotations

import hashlib

from lifecycle.formats.base import Archive, Contents, StoredObject
from lifecycle.formats.streams import PIECE_BYTES, damaged
from opsconsole.kinds import Run
from opsconsole.storage import chunks_of


def compare(archive: Archive, contents: Contents, run: Run) -> int:
    """Compare size, hash and piece hashes of every object; gives back the bytes that were read.

    Raises OperationFailed("backup_damaged") at the first object that is not what the manifest says.
    """
    total, done = sum(item.size for item in contents.objects), 0
    for item in contents.objects:
        try:
            if archive.store.size(archive.key(item.key)) != item.size:
                raise damaged(item.key, "it has another size than the manifest says")
            done = _read(archive, item, run, done, total)
        except FileNotFoundError:
            raise damaged(item.key, "it is gone from the store") from None
    return done


def _read(archive: Archive, item: StoredObject, run: Run, done: int, total: int) -> int:
    whole, piece, pieces = hashlib.sha256(), hashlib.sha256(), 0
    room = PIECE_BYTES
    with archive.store.open(archive.key(item.key)) as stream:
        for data in chunks_of(stream):
            run.check_cancel()
            whole.update(data)
            rest = memoryview(data)
            while rest:
                part, rest = rest[:room], rest[room:]
                piece.update(part)
                room -= len(part)
                if not room:
                    _compare_piece(item, pieces, piece.hexdigest())
                    piece, pieces, room = hashlib.sha256(), pieces + 1, PIECE_BYTES
            done += len(data)
            run.progress(done, total, "bytes", step="Comparing stored bytes")
    if room < PIECE_BYTES:
        _compare_piece(item, pieces, piece.hexdigest())
    if f"sha256:{whole.hexdigest()}" != item.sha256:
        raise damaged(item.key, "its hash is not the one in the manifest")
    return done


def _compare_piece(item: StoredObject, number: int, found: str) -> None:
    if number < len(item.chunks) and item.chunks[number] != f"sha256:{found}":
        raise damaged(item.key, f"its piece {number + 1} of {len(item.chunks)} has another hash than the manifest says")
