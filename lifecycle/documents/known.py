"""The formats that we read: one explicit table, asked in order; the first that recognises the content reads it."""

from __future__ import annotations

from collections.abc import Sequence

from lifecycle.documents.readers.json_document import Ignition, Tasklets
from lifecycle.documents.readers.json_tables import JsonTables
from lifecycle.documents.readers.portable import Portable
from lifecycle.documents.readers.postgresql.custom import PgDumpCustom
from lifecycle.documents.readers.postgresql.dump import PgDumpSql
from lifecycle.documents.readers.solana import SolanaSet, SolanaSingle
from lifecycle.documents.readers.sqlite.exports import D1Export, SqliteDump
from lifecycle.documents.readers.sqlite.file import SqliteFile
from lifecycle.documents.readers.tasklets_folder import TaskletsFolder
from lifecycle.documents.reading import Reader, SourceFile
from opsconsole.exceptions import OperationFailed

READERS: tuple[Reader, ...] = (
    Portable(),
    Ignition(),
    Tasklets(),
    TaskletsFolder(),
    SolanaSet(),
    SolanaSingle(),
    PgDumpSql(),
    PgDumpCustom(),
    D1Export(),
    SqliteDump(),
    SqliteFile(),
    JsonTables(),  # a guess, so the last
)

_MANIFEST = b'{"manifest":'  # how the manifest of one of our own backups begins


def reader_of(files: Sequence[SourceFile]) -> Reader:
    """The reader of these files. Raises OperationFailed("unknown_format") with what each of them seems to be."""
    for reader in READERS:
        if reader.recognises(files):
            return reader
    if any(file.beginning(len(_MANIFEST)) == _MANIFEST for file in files):
        raise OperationFailed(
            "native_backup",
            "This is a backup of this console in a native format, which is no document.",
            "Let the console know the store that holds it; it then lists and restores it.",
        )
    alone = {file.name: [reader.label for reader in READERS if reader.recognises([file])] for file in files}
    told = "; ".join(f"{name}: {', '.join(labels) or 'unknown'}" for name, labels in list(alone.items())[:10])
    raise OperationFailed(
        "unknown_format",
        "The content is of no format that is read here." if len(files) == 1 else f"These are no set ({told}).",
        f"Formats: {', '.join(reader.label for reader in READERS)}. Give one backup at a time.",
    )
