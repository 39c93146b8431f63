"""Fixtures of the tests of SQLite backups: a run, an archive in a real folder, a folder of databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifecycle.formats.base import Archive
from opsconsole.storage import FolderStore
from tests.support.fake_run import FakeRun


@pytest.fixture
def run(tmp_path: Path) -> FakeRun:
    (tmp_path / "work").mkdir()
    return FakeRun(operation_id=7, fence=2, workdir=tmp_path / "work", witness_file=tmp_path / "witness.json")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(store=FolderStore(tmp_path / "store"), folder="backups/x/7", part="7.2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "files"
    path.mkdir()
    return path
