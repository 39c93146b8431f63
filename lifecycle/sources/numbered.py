"""Files that begin with a number: `0004_add_status.sql`, `0004_add_status.up.sql`, `0004_add_status.down.sql`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lifecycle.sources.base import Entry, Folder, Ledger, Migration
from lifecycle.sources.files import text_of
from opsconsole.exceptions import Refused


@dataclass(frozen=True)
class File:
    """One file; `stem` is its name without what tells its direction."""

    version: int
    path: str
    stem: str
    down: bool = False
    facts: Mapping[str, Any] | None = None


def migrations(folder: Folder, files: Iterable[File]) -> tuple[Migration, ...]:
    """By version; a down file belongs to the migration of its version. Raises Refused for two of one version."""
    ups: dict[int, File] = {}
    downs: dict[int, File] = {}
    for file in sorted(files, key=lambda file: (file.version, file.path)):
        place = downs if file.down else ups
        if file.version in place:
            raise Refused(
                "version_twice",
                f"{place[file.version].path} and {file.path} have the same version {file.version}.",
                "Give one of them another number: the ledger holds each version once.",
            )
        place[file.version] = file
    return tuple(_migration(folder, file, downs.get(version)) for version, file in sorted(ups.items()))


def way_back(entry: Entry, ledger: Ledger) -> tuple[Migration, str]:
    """The last applied migration and the text of its down file. Raises Refused for any other one."""
    migration = entry.migration
    if entry.row is None or migration is None:
        raise Refused("not_applied", f"{entry.name} is not applied, or has no file.", "Nothing can be taken back.")
    if migration.down is None:
        raise Refused("no_way_down", f"{migration.name} has no .down.sql.", "Write a migration that takes it back.")
    if any(int(row.key) > int(entry.key) for row in ledger.rows):
        raise Refused("not_last", f"{migration.name} is not the last one applied.", "Take back the later ones first.")
    return migration, migration.down


def _migration(folder: Folder, file: File, down: File | None) -> Migration:
    return Migration(
        key=str(file.version),
        name=file.stem,
        path=file.path,
        text=text_of(folder, file.path),
        down=text_of(folder, down.path) if down else None,
        down_path=down.path if down else "",
        facts=dict(file.facts or {}),
    )
