"""An object on its way into an S3 store: a pipe, and a thread that uploads what comes out of it in parts.

Why a pipe and not a file: a database of any size passes through a console with a small disk, in the memory of one
part, and a slow server slows the child down that writes. What fits into one part is kept until it is published and put
at once. What is larger is a multipart upload, which nobody sees until it is completed, and only `publish` completes it.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import secrets
import select
import threading
from typing import Any, Protocol

from opsconsole.exceptions import OperationFailed
from opsconsole.storage.base import PART, ObjectWriter, Transfer
from opsconsole.storage.s3_client import MOST_PARTS
from opsconsole.storage.s3_problems import StoreProblem, problem

PIPE_BYTES = 1 << 20
TICK_SECONDS = 0.2
DISCARD_SECONDS = 30.0  # how long giving up waits for a part that is on its way
OWNER = "opsconsole-writer"  # of the metadata: which writer made an object


class Bucket(Protocol):
    """What a writer needs of its store."""

    part_bytes: int

    def put(self, key: str, body: bytes | bytearray, *, owner: str = "", new: bool = False) -> None: ...
    def is_there(self, key: str) -> bool: ...
    def owner_of(self, key: str) -> str: ...
    def call(self, what: str, operation: str, key: str, **given: Any) -> Any: ...
    def new_only(self) -> dict[str, str]: ...
    def delete(self, key: str) -> None: ...
    def abort(self, key: str, upload: str) -> None: ...


class _Stopped(Exception):
    """The writer was given up."""


class S3Writer(Transfer, ObjectWriter):
    def __init__(self, bucket: Bucket, key: str, part: str) -> None:
        self.key = key
        self._bucket, self._marker = bucket, f"{key}.{part}{PART}"
        self._owner = secrets.token_hex(16)
        self._upload = ""  # the id of the multipart upload, once there is one
        self._parts: list[dict[str, Any]] = []
        self._whole: bytes | None = None  # all of the object, when it fits into one part
        self._carried = self._published = False
        self._stop = threading.Event()
        source, self._sink = os.pipe()
        fcntl.fcntl(self._sink, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._open = True
        self._thread = threading.Thread(target=self._carry, args=(source,), daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        return self._sink

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._sink, view) :]
        except BrokenPipeError:
            self._thread.join()
            raise self.failure or self._lost() from None
        return len(data)

    def sync(self) -> None:
        self._close()
        self._thread.join()
        if not self._carried:
            raise self.failure or self._lost()

    def publish(self) -> None:
        self.sync()
        try:
            self._show()
        except FileExistsError:
            # An answer that was lost, and the same request once more: then it is ours that is there.
            if self._bucket.owner_of(self.key) != self._owner:
                raise
        self._published = True
        self._forget_marker()

    def discard(self) -> None:
        self._stop.set()
        self._close()
        self._thread.join(DISCARD_SECONDS)
        if self._upload and not self._published:
            try:
                self._bucket.abort(self.key, self._upload)
            except StoreProblem:
                return  # the marker stays, so that a sweep does it
            if not self._thread.is_alive():  # else a part may still arrive and count
                self._forget_marker()
        self._upload = ""

    def _close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._sink)

    def _show(self) -> None:
        if not self._upload:
            self._bucket.put(self.key, self._whole or b"", owner=self._owner, new=True)
            return
        condition = self._bucket.new_only()
        if not condition and self._bucket.is_there(self.key):
            raise FileExistsError(self.key)
        try:
            self._bucket.call(
                f"completing {self.key}", "complete_multipart_upload", self.key,
                UploadId=self._upload, MultipartUpload={"Parts": self._parts}, **condition,
            )  # fmt: skip
        except (
            FileNotFoundError
        ):  # there is no such upload: it was completed by a request whose answer was lost, or aborted
            raise (FileExistsError(self.key) if self._bucket.is_there(self.key) else self._lost()) from None

    def _forget_marker(self) -> None:
        if self._upload:
            try:
                self._bucket.delete(self._marker)
            except StoreProblem:
                pass  # a sweep removes it

    # -- in the thread ----------------------------------------------------------------------------------------------

    def _carry(self, source: int) -> None:
        try:
            self._carry_all(source)
            self._carried = True
        except _Stopped:
            pass
        except OperationFailed as error:
            self.failure = error
        except (FileNotFoundError, FileExistsError):
            self.failure = self._lost()
        finally:
            os.close(source)

    def _carry_all(self, source: int) -> None:
        buffer = bytearray(self._bucket.part_bytes)
        while got := self._fill(source, memoryview(buffer)):
            full = got == len(buffer)
            if not full and not self._upload:
                self._whole = bytes(memoryview(buffer)[:got])
                return
            self._send(buffer if full else bytes(memoryview(buffer)[:got]))

    def _fill(self, source: int, room: memoryview) -> int:
        """How many bytes of `room` were filled; fewer than it has only at the end."""
        ready, got = select.poll(), 0
        ready.register(source, select.POLLIN)
        while got < len(room):
            if self._stop.is_set():
                raise _Stopped
            if not ready.poll(TICK_SECONDS * 1000):
                continue
            taken = os.readv(source, [room[got:]])
            if not taken:
                break
            got += taken
        if self._stop.is_set():
            raise _Stopped
        return got

    def _send(self, data: bytes | bytearray) -> None:
        if not self._upload:
            self._begin()
        number, digest = len(self._parts) + 1, base64.b64encode(hashlib.sha256(data).digest()).decode()
        if number > MOST_PARTS:
            raise problem("store_too_large", f"{self.key} is larger than {MOST_PARTS} parts of {len(data) >> 20} MiB.")
        answer = self._bucket.call(
            f"part {number} of {self.key}", "upload_part", self.key,
            UploadId=self._upload, PartNumber=number, Body=data, ChecksumSHA256=digest,
        )  # fmt: skip
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": digest})

    def _begin(self) -> None:
        """Begin the upload, and note where a sweep finds it: no listing tells whose an upload is."""
        answer = self._bucket.call(
            f"beginning {self.key}", "create_multipart_upload", self.key,
            ChecksumAlgorithm="SHA256", Metadata={OWNER: self._owner},
        )  # fmt: skip
        self._upload = str(answer["UploadId"])
        self._bucket.put(self._marker, self._upload.encode())

    def _lost(self) -> StoreProblem:
        return problem("store_interrupted", f"The upload of {self.key} was ended before it was complete.")
