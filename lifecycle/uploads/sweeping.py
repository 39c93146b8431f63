"""Folders of the store for what people bring, named by time and token: removing those that no row keeps."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from lifecycle.backups import archives
from lifecycle.uploads.receiving import STAMP
from opsconsole.clock import now

_NAME = re.compile(r"[a-z]+/(?P<stamp>\d{8}T\d{6}Z)-(?P<token>[0-9a-f]{16})")


def remove(folder: str) -> None:
    """Remove a folder with all that is in it, also what was still arriving."""
    store = archives.store()
    store.sweep(folder, part=folder.rpartition("-")[2])
    for key in store.keys(folder):
        with contextlib.suppress(FileNotFoundError):
            store.delete(key)
    store.remove_folder(folder)


def tidy(below: str, *, kept: Collection[str], gone: Collection[str], arriving: timedelta) -> int:
    """Remove the folders below one that are not `kept`: those of `gone`, and others that are older than `arriving`.

    Gives back how many were removed. What has another name was not brought, and stays.
    """
    removed = 0
    for folder in archives.store().folders(below, depth=1):
        match = None if folder in kept else _NAME.fullmatch(folder)
        if match and (folder in gone or _stamped(match["stamp"]) < now() - arriving):
            remove(folder)
            removed += 1
    return removed


def _stamped(stamp: str) -> datetime:
    return datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)
