"""Files that only their owner may read, and that are either there whole or not at all, whenever the power goes."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def create(path: Path, data: bytes) -> bool:
    """Make a complete, durable file appear under `path`, unless another process was first; whether it was us."""
    fresh = _written_beside(path, data)
    try:
        os.link(fresh, path)
    except FileExistsError:
        return False
    finally:
        fresh.unlink()
    _keep_names(path.parent)
    return True


def replace(path: Path, data: bytes) -> None:
    """Put `data` in the place of a file at once: readers see all of the old bytes, or all of the new ones."""
    promote(_written_beside(path, data), path)


def promote(fresh: Path, path: Path) -> None:
    """Rename a complete file over another one, durably."""
    fresh.replace(path)
    _keep_names(path.parent)


def _written_beside(path: Path, data: bytes) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(fd)
    return fresh


def _keep_names(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
