"""Foreign files are read by a child of few rights, which leaves a normalised document or nothing."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
from backports import zstd

from lifecycle.documents.base import Summary
from lifecycle.documents.inspecting import GivenFile, Inspected, gather, inspect
from lifecycle.documents.limits import Limits
from lifecycle.documents.normalised import Normaliser, opened
from lifecycle.documents.portable import DocumentWriter
from lifecycle.documents.reading import Findings
from opsconsole.exceptions import Cancelled, OperationFailed, OpsError, Refused
from tests.support.adversity import may_mount, small_disk
from tests.support.fake_run import FakeRun

ROWS: list[dict[str, Any]] = [{"id": 1, "name": "Ada"}, {"id": 2, "raw": b"\x00\xff"}]
Pack = Callable[[bytes], bytes]


def portable(tables: dict[str, list[dict[str, Any]]]) -> bytes:
    out = io.BytesIO()
    head = Summary(format="portable", label="", tables=(), version=14, exported_at="2026-01-05T12:00:00Z")
    writer = DocumentWriter(out.write, head)
    for name, rows in tables.items():
        writer.table(name)
        for row in rows:
            writer.row(row)
    writer.finish()
    return out.getvalue()


DOCUMENT = portable({"users": ROWS, "empty": []})


def looked_into(folder: Path, content: bytes, name: str = "backup.json", **more: Any) -> Inspected:
    path = folder / name
    path.write_bytes(content)
    (folder / "work").mkdir(exist_ok=True)
    return inspect(gather([path]), folder / "work", **more)


def refused(folder: Path, content: bytes, **more: Any) -> OpsError:
    """How the reading ends; it leaves nothing behind."""
    with pytest.raises(OpsError) as ended:
        looked_into(folder, content, **more)
    assert list((folder / "work").iterdir()) == []
    assert _children() == []
    return ended.value


def _children() -> list[str]:
    """Processes that this one has started, by the program that reads documents."""
    mine = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    lines = [Path(f"/proc/{pid}/cmdline") for pid in mine]
    return [path.read_text() for path in lines if path.exists() and "reader_program" in path.read_text()]


def test_a_document_is_normalised_and_told_of(tmp_path: Path) -> None:
    found = looked_into(tmp_path, DOCUMENT)
    summary = found.summary
    assert (summary.format, summary.version, summary.exported_at) == ("portable", 14, "2026-01-05T12:00:00Z")
    assert [(t.name, t.rows, t.columns) for t in summary.tables] == [
        ("users", 2, ("id", "name", "raw")), ("empty", 0, ())
    ]  # fmt: skip
    assert list(found.document().rows("users")) == ROWS
    assert list(opened(tmp_path / "work").rows("empty")) == []
    assert [file.table for file in found.files] == ["users", "empty"]
    for file in found.files:
        stored = (found.folder / file.name).read_bytes()
        plain = zstd.decompress(stored)
        assert (file.size, file.sha256) == (len(stored), "sha256:" + hashlib.sha256(stored).hexdigest())
        assert (file.plain_size, file.plain_sha256) == (len(plain), "sha256:" + hashlib.sha256(plain).hexdigest())
        assert json.loads(plain)["version"] == 14
    assert found.sources[0]["sha256"] == "sha256:" + hashlib.sha256(DOCUMENT).hexdigest()


KEY = pyrage.x25519.Identity.generate()


def _aged(data: bytes) -> bytes:
    return pyrage.encrypt(data, [KEY.to_public()])


@pytest.mark.parametrize(
    ("pack", "wrappings"),
    [
        (gzip.compress, ["gz"]),
        (zstd.compress, ["zst"]),
        (_aged, ["age"]),
        (lambda data: _aged(zstd.compress(data)), ["age", "zst"]),
    ],
    ids=["gz", "zst", "age", "zst in age"],
)
def test_what_is_wrapped_is_unwrapped(tmp_path: Path, pack: Pack, wrappings: list[str]) -> None:
    found = looked_into(tmp_path, pack(DOCUMENT), identities=["# made today", str(KEY)])
    assert found.sources[0]["wrappings"] == wrappings
    assert list(found.document().rows("users")) == ROWS


def test_an_encrypted_file_needs_a_key_of_its_recipients(tmp_path: Path) -> None:
    assert refused(tmp_path, _aged(DOCUMENT)).code == "identity_needed"
    other = str(pyrage.x25519.Identity.generate())
    assert refused(tmp_path, _aged(DOCUMENT), identities=[other]).code == "not_decrypted"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "unknown_format"),
        (os.urandom(1000), "unknown_format"),
        (gzip.compress(gzip.compress(gzip.compress(DOCUMENT))), "wrapped_too_often"),
        (gzip.compress(DOCUMENT)[:-9], "damaged_wrapping"),
        (gzip.compress(DOCUMENT) + b"more", "damaged_wrapping"),
        (zstd.compress(DOCUMENT)[:-9], "damaged_wrapping"),
        (_aged(DOCUMENT)[:-9], "damaged_wrapping"),
        (DOCUMENT[:-5], "document_damaged"),
        (DOCUMENT.replace(b'"Ada"', b'"\xff"'), "document_damaged"),
        (DOCUMENT.replace(b'"Ada"', b"[" * 100_000), "document_damaged"),
        (DOCUMENT.replace(b'"id": 1', b'"id": 1, "id": 2').replace(b'"id":1', b'"id":1,"id":2'), "document_damaged"),
        (DOCUMENT.replace(b'"Ada"', b"1e999999999"), "bad_number"),
        (DOCUMENT.replace(b'"Ada"', b"[" + b"1" * 200_000 + b"]"), "bad_number"),
        (DOCUMENT.replace(b'"Ada"', b"1e99999999999999999999"), "document_damaged"),
        (b'[{"x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}]", "unknown_format"),
        (b'[{"x": 1}, {"x": ' + b"[" * 5_000 + b"]" * 5_000 + b"}]", "too_deep"),
        (b'[{"x": 1}, {"x": "' + bytes(1000), "unreadable"),
    ],
)
def test_what_is_damaged_is_refused_and_leaves_nothing(tmp_path: Path, content: bytes, code: str) -> None:
    assert refused(tmp_path, content, identities=[str(KEY)]).code == code


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress, lambda data: gzip.compress(gzip.compress(data))])
def test_a_bomb_is_stopped_while_it_unpacks(tmp_path: Path, pack: Pack) -> None:
    bomb = pack(bytes(40 << 20))
    assert refused(tmp_path, bomb).code == "too_dense"


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(unpacked=100), "too_big"),
        (Limits(rows=1), "too_many_rows"),
        (Limits(tables=1), "too_many_tables"),
        (Limits(columns=2), "too_many_columns"),
        (Limits(row=20), "bad_row"),
        (Limits(memory=20 << 20), "too_much_memory"),
        (Limits(seconds=0), "timeout"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_limit_ends_the_reading(tmp_path: Path, limits: Limits, code: str) -> None:
    assert refused(tmp_path, DOCUMENT, limits=limits).code == code


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    def peak(rows: int) -> int:
        folder = tmp_path / str(rows)
        folder.mkdir()
        tracemalloc.start()
        try:
            normaliser = Normaliser(folder, Limits(), Findings())
            for number in range(rows):
                normaliser.row("t", {"id": number, "name": "x" * 100})
            assert normaliser.finish()[0][0].rows == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(15_000) < peak(5_000) + (1 << 19)


@pytest.mark.skipif(not may_mount(), reason="a small disk has to be mounted")
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["while it is written", "while it is unpacked"])
def test_a_full_disk_is_told_and_given_back(tmp_path: Path, pack: Pack) -> None:
    content = pack(portable({"t": [{"x": os.urandom(1000)} for _ in range(1500)]}))
    with small_disk(tmp_path / "work", "1m"):
        free = os.statvfs(tmp_path / "work").f_bfree
        assert refused(tmp_path, content).code == "disk_full"
        assert os.statvfs(tmp_path / "work").f_bfree == free


def test_progress_is_told_in_bytes_of_each_step(tmp_path: Path) -> None:
    run = FakeRun()
    rows = [{"id": number, "name": "x" * 100} for number in range(20_000)]
    looked_into(tmp_path, gzip.compress(portable({"t": rows}), 1), run=run)
    assert {step for *_, step in run.steps} <= {"Unpacking the files", "Reading the rows"}
    assert run.steps
    assert all(0 < done <= total and unit == "bytes" for done, total, unit, _ in run.steps)


def test_it_stops_when_somebody_cancels(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with pytest.raises(Cancelled):
        looked_into(tmp_path, DOCUMENT, run=FakeRun(cancel=True))
    assert list((tmp_path / "work").iterdir()) == []


def test_links_pipes_devices_and_odd_names_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(DOCUMENT)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "file").write_bytes(DOCUMENT)
    (tmp_path / "folder" / "elsewhere").symlink_to("/etc")
    (tmp_path / "folder" / ".hidden").write_bytes(b"")
    assert [file.name for file in gather([tmp_path / "folder"])] == ["elsewhere", "file"]
    (tmp_path / "work").mkdir()
    for name in ("link", "pipe", "folder", "gone"):
        with pytest.raises(Refused) as ended:
            inspect([GivenFile(name=name, path=tmp_path / name)], tmp_path / "work")
        assert ended.value.code == "not_a_file"
    with pytest.raises(Refused):
        inspect([GivenFile(name="null", path=Path("/dev/null"))], tmp_path / "work")
    for name in ("../real", "a/b", "..", "", "a\nb", "a\0"):
        with pytest.raises(Refused) as ended:
            inspect([GivenFile(name=name, path=tmp_path / "real")], tmp_path / "work")
        assert ended.value.code == "bad_name"


def test_the_child_gets_no_secret_and_no_argument_holds_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "not for children")
    seen: list[tuple[bytes, bytes]] = []

    class Looking(FakeRun):
        def check_cancel(self) -> None:
            for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
                seen.append((Path(f"/proc/{pid}/cmdline").read_bytes(), Path(f"/proc/{pid}/environ").read_bytes()))

    looked_into(tmp_path, _aged(DOCUMENT), identities=[str(KEY)], run=Looking())
    assert seen
    assert not any(b"AGE-SECRET" in argv + env or b"not for children" in env for argv, env in seen)


def test_a_damaged_normalised_document_is_not_believed(tmp_path: Path) -> None:
    found = looked_into(tmp_path, DOCUMENT)
    path = found.folder / found.files[0].name
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(OperationFailed) as ended:
        opened(found.folder)
    assert ended.value.code == "document_damaged"
    with pytest.raises(OperationFailed):
        list(found.document().rows("users"))
