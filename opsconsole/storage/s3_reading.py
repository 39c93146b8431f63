"""An object of an S3 store as a stream: taken up again where it broke, and a pipe for children that read themselves."""

from __future__ import annotations

import io
import os
import select
import threading
from collections.abc import Callable
from typing import Any

from opsconsole.exceptions import OperationFailed
from opsconsole.storage.base import CHUNK_BYTES, Transfer
from opsconsole.storage.s3_problems import INTERRUPTED, problem

TRIES = 6  # without a byte in between
TICK_SECONDS = 0.2

Fetch = Callable[[int, str], Any]  # (offset, the ETag it must have or "") -> the answer of GetObject


class S3Reader(Transfer, io.RawIOBase):
    """Raises StoreProblem when the bytes do not come; never gives fewer than the object has."""

    def __init__(self, key: str, fetch: Fetch) -> None:
        self._key, self._fetch = key, fetch
        first = fetch(0, "")
        self._body: Any = first["Body"]
        self._etag, self._size = str(first["ETag"]), int(first["ContentLength"])
        self._at = 0
        self._descriptor: int | None = None
        self._pump: threading.Thread | None = None
        self._stop = threading.Event()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._descriptor is None

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        to = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if not self.seekable() or to < 0:
            raise io.UnsupportedOperation("seek")
        if to != self._at:
            self._drop()
            self._at = to
        return to

    def read(self, size: int | None = -1) -> bytes:
        """`size` bytes, fewer only at the end."""
        if self._descriptor is not None:
            raise io.UnsupportedOperation("the rest goes through the pipe")
        left = self._size - self._at if size is None or size < 0 else min(size, self._size - self._at)
        pieces = []
        while left > 0:
            pieces.append(self._next(min(left, CHUNK_BYTES)))
            left -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def fileno(self) -> int:
        """The end of a pipe into which the rest of the object goes from now on."""
        if self._descriptor is None:
            self._descriptor, into = os.pipe()
            os.set_blocking(into, False)
            self._pump = threading.Thread(target=self._carry, args=(into,), daemon=True)
            self._pump.start()
        return self._descriptor

    def close(self) -> None:
        """Raises what kept bytes from getting through the pipe."""
        if self.closed:
            return
        super().close()
        self._stop.set()
        if self._descriptor is not None and self._pump is not None:
            os.close(self._descriptor)
            self._pump.join()
        self._drop()
        if self.failure is not None:
            raise self.failure

    def _carry(self, into: int) -> None:
        try:
            while data := self._next(CHUNK_BYTES):
                if not self._push(into, memoryview(data)):
                    return
        except OperationFailed as error:
            self.failure = error
        except FileNotFoundError:
            self.failure = problem("store_changed", f"{self._key} was removed while it was read.")
        finally:
            os.close(into)

    def _push(self, into: int, data: memoryview) -> bool:
        """Whether somebody took it all."""
        ready = select.poll()
        ready.register(into, select.POLLOUT)
        while data:
            if self._stop.is_set():
                return False
            if not ready.poll(TICK_SECONDS * 1000):
                continue
            try:
                data = data[os.write(into, data) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return False  # the reader has seen enough
        return True

    def _next(self, most: int) -> bytes:
        """At least one byte; none at the end."""
        tries = 0
        while self._at < self._size:
            data = self._try(most)
            if data:
                self._at += len(data)
                return data
            self._drop()
            tries += 1
            if tries == TRIES or self._stop.wait(min(0.1 * 2**tries, 5)):
                raise problem(
                    "store_interrupted", f"{self._key} could not be read on, {self._at} bytes from its start."
                )
        return b""

    def _try(self, most: int) -> bytes:
        """What comes next, nothing when the connection broke."""
        try:
            if self._body is None:
                self._body = self._fetch(self._at, self._etag)["Body"]
            return bytes(self._body.read(most))
        except FileExistsError:
            raise problem("store_changed", f"{self._key} is another object than when reading it began.") from None
        except INTERRUPTED:
            return b""

    def _drop(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.close()
