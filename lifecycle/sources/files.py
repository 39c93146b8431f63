"""The text of a folder's file, exactly."""

from __future__ import annotations

from lifecycle.sources.base import Folder
from opsconsole.exceptions import Refused


def text_of(folder: Folder, path: str) -> str:
    """A file as text, byte order mark and line ends kept. Raises Refused, naming file and line, for other encodings."""
    data = folder.files[path]
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refused(
            "not_utf8",
            f"{path} is not UTF-8: byte {data[error.start]:#04x} in line {line}.",
            "Save the file as UTF-8, then bring the folder again.",
        ) from None
