"""Documents in a store: one object a table, or one that holds several; every byte is checked on the way."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from lifecycle.documents.base import DocumentTable, Summary
from lifecycle.documents.portable import DocumentWriter
from lifecycle.documents.stored import SUMMARY, open_stored
from lifecycle.formats.base import Archive, Contents, StoredObject, TableContent
from lifecycle.formats.streams import ArchiveWriter, CompressingWriter
from opsconsole.exceptions import OperationFailed
from opsconsole.storage import FolderStore

TABLES: dict[str, list[dict[str, Any]]] = {
    "users": [{"id": number, "name": f"user {number}"} for number in range(3000)],
    "empty": [],
    "audit.events": [{"at": "noon"}],
}
SUMMARY_OF_ALL = Summary(
    format="portable",
    label="ours",
    tables=tuple(DocumentTable(name=name, columns=(), rows=len(rows)) for name, rows in TABLES.items()),
)


def put(archive: Archive, key: str, tables: dict[str, list[dict[str, Any]]]) -> StoredObject:
    with ArchiveWriter(archive, key) as writer:
        packer = CompressingWriter(writer)
        document = DocumentWriter(packer.write, SUMMARY_OF_ALL)
        for name, rows in tables.items():
            document.table(name)
            for row in rows:
                document.row(row)
        document.finish()
        stored = packer.finish()
        writer.publish()
    return stored


def contents_of(objects: list[StoredObject], keys: dict[str, str]) -> Contents:
    return Contents(
        format="json",
        format_version=1,
        objects=tuple(objects),
        tables=tuple(
            TableContent(name=f"public.{name}", rows=len(rows), digest="", objects=(keys[name],))
            for name, rows in TABLES.items()
        ),
        schema_fingerprint="",
        source={SUMMARY: asdict(SUMMARY_OF_ALL)},
    )


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(store=FolderStore(tmp_path / "store"), folder="backups/x/1")


@pytest.fixture
def in_one(archive: Archive) -> Contents:
    return contents_of([put(archive, "document.json.zst", TABLES)], dict.fromkeys(TABLES, "document.json.zst"))


@pytest.fixture
def apart(archive: Archive) -> Contents:
    keys = {name: f"tables/{number:04d}.json.zst" for number, name in enumerate(TABLES, 1)}
    return contents_of([put(archive, key, {name: TABLES[name]}) for name, key in keys.items()], keys)


@pytest.mark.parametrize("spooled", [False, True])
@pytest.mark.parametrize("layout", ["in_one", "apart"])
def test_the_rows_of_each_table_come_back_as_often_as_they_are_asked_for(layout, spooled, archive, request, tmp_path):
    contents = request.getfixturevalue(layout)
    document = open_stored(archive, contents, workdir=tmp_path if spooled else None)
    for _ in range(2):
        assert {name: list(document.rows(name)) for name in ("audit.events", "users", "empty")} == TABLES
    assert document.summary == SUMMARY_OF_ALL
    with pytest.raises(KeyError):
        next(document.rows("others"))


def test_the_summary_of_an_upload_is_given_beside_its_contents(archive, apart):
    document = open_stored(archive, replace(apart, source={}), summary=SUMMARY_OF_ALL)
    assert list(document.rows("users")) == TABLES["users"]
    for wrong in (replace(apart, source={}), replace(apart, tables=apart.tables[1:])):
        with pytest.raises(OperationFailed) as refused:
            open_stored(archive, wrong)
        assert refused.value.code == "document_damaged"


@pytest.mark.parametrize("layout", ["in_one", "apart"])
def test_a_byte_that_was_changed_is_noticed_before_the_last_row(layout, archive, request, tmp_path):
    contents = request.getfixturevalue(layout)
    path = tmp_path / "store" / archive.folder / contents.tables[0].objects[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    for workdir in (None, tmp_path):
        with pytest.raises(OperationFailed) as refused:
            list(open_stored(archive, contents, workdir=workdir).rows("users"))
        assert refused.value.code == "document_damaged"
