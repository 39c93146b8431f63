"""What databases write is read in the child as it is read outside of it, and no private copy is left."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest

from lifecycle.documents.inspecting import GivenFile, gather, inspect
from lifecycle.documents.values import decode, encode
from opsconsole.exceptions import OperationFailed
from tests.lifecycle.documents.reading_files import FIXTURES, read

GIVEN = {
    "avdaily/avdaily_backup_2026-01-05_12-00-00-123Z.sql.gz": "pg-dump-sql",
    "pg_dump/people-18.dump": "pg-dump-custom",
    "ignition/d1-export-new.sql": "d1-export",
    "sqlite/people.sql": "sqlite-dump",
    "sqlite/people.db": "sqlite-file",
}


@pytest.mark.parametrize("name", GIVEN)
def test_the_child_reads_what_is_read_outside_of_it(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = (FIXTURES / name).read_bytes()
    expected = read(gzip.decompress(content) if name.endswith(".gz") else content)
    work = tmp_path / "work"
    work.mkdir()
    found = inspect([GivenFile(name="backup", path=FIXTURES / name)], work)
    assert found.summary.format == expected.format == GIVEN[name]
    document = found.document()
    assert {table.name: [dict(row) for row in document.rows(table.name)] for table in found.summary.tables} == {
        table: [decode(encode(row)) for row in rows] for table, rows in expected.tables.items()
    }
    assert {table.name: dict(table.types) for table in found.summary.tables} == expected.findings.types
    assert found.sources[0]["sha256"] == "sha256:" + hashlib.sha256(content).hexdigest()
    assert sorted(path.name for path in work.iterdir()) == ["summary.json", "tables"]


def test_a_damaged_file_returns_its_copy(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "cut.db").write_bytes((FIXTURES / "sqlite" / "people.db").read_bytes()[:3000])
    with pytest.raises(OperationFailed, match="cut off"):
        inspect(gather([tmp_path / "cut.db"]), work)
    assert list(work.iterdir()) == []
