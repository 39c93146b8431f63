"""The one small file that a page's form may bring (`page(..., file=True)`): in memory, and cut off behind a limit."""

from __future__ import annotations

import io
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload

MOST = 1 << 20  # bytes; of a larger file one byte more is kept, so that its reader can tell


class SmallFile(FileUploadHandler):
    """Keeps the beginning of the first file. A second one ends the request."""

    kept: io.BytesIO | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self.kept is not None:
            raise StopUpload(connection_reset=True)
        self.kept = io.BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        assert self.kept is not None  # new_file came first
        self.kept.write(raw_data[: max(0, MOST + 1 - self.kept.tell())])

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        assert self.kept is not None
        size = self.kept.tell()
        self.kept.seek(0)
        return InMemoryUploadedFile(
            self.kept, self.field_name, self.file_name or "", self.content_type, size, self.charset
        )
