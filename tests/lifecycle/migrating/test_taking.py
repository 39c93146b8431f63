"""What is taken of a folder, a zip or a tar, and what is refused: links, devices, paths that lead out, too much."""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from lifecycle.migrating import gathering, taking
from lifecycle.migrating.gathering import Gathering
from lifecycle.sources.base import Folder
from opsconsole.exceptions import Refused, Usage

FILES = {
    "repo/migrations/0001_a.sql": b"SELECT 1;",
    "repo/migrations/meta/_journal.json": b"{}",
    "repo/wrangler.toml": b'name = "x"',
    "repo/.env": b"SECRET=1\nDBMATE_DATABASE_URL=postgres://u:p@h/x\nDBMATE_MIGRATIONS_DIR=./x\nDATABASE_URL=postgres://u:p@h/x\n",
    "repo/src/index.ts": b"code",
    "repo/node_modules/p/0001_x.sql": b"no",
    "repo/.git/0001_x.sql": b"no",
    "repo/README.md": b"text",
}
TAKEN = {"migrations/0001_a.sql", "migrations/meta/_journal.json", "wrangler.toml", ".env"}


def zipped(files: dict[str, bytes], link: str = "") -> io.BytesIO:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
        if link:
            member = zipfile.ZipInfo(link)
            member.external_attr = 0o120777 << 16
            archive.writestr(member, "/etc/passwd")
    sink.seek(0)
    return sink


def tarred(files: dict[str, bytes], mode: str = "w", link: str = "", kind: bytes = tarfile.SYMTYPE) -> io.BytesIO:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=mode) as archive:  # type: ignore[call-overload]
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = kind, "/etc/passwd"
            archive.addfile(member)
    sink.seek(0)
    return sink


def unpacked(stream: io.BytesIO) -> Folder:
    found = Gathering("repo.zip")
    taking.from_archive(found, stream)
    return found.unwrapped()


def on_disk(folder: Path) -> Folder:
    found = Gathering("repo")
    with taking.opened(str(folder)) as descriptor:
        taking.from_folder(found, descriptor)
    return found.folder()


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def test_only_what_tools_read_is_taken_alike_from_everywhere(tmp_path: Path) -> None:
    ways = [
        unpacked(zipped(FILES)),
        unpacked(tarred(FILES)),
        unpacked(tarred(FILES, "w:gz")),
        on_disk(written(tmp_path, FILES) / "repo"),
    ]
    assert [set(folder.files) for folder in ways] == [TAKEN] * 4
    assert len({folder.digest for folder in ways}) == 1
    assert ways[0].files[".env"] == b"DBMATE_MIGRATIONS_DIR=./x\n"  # what else it holds is nobody's business


@pytest.mark.parametrize("path", ["../0001_a.sql", "/etc/0001_a.sql", "a/../../x.sql", "a\\b.sql", "C:/x.sql", "x/.."])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    for stream in (zipped({path: b"x"}), tarred({path: b"x"})):
        with pytest.raises(Refused) as refused:
            unpacked(stream)
        assert refused.value.code == "bad_path"


def test_links_and_devices_are_not_followed(tmp_path: Path) -> None:
    streams = [
        zipped(FILES, link="repo/0002_b.sql"),
        tarred(FILES, link="repo/0002_b.sql"),
        tarred(FILES, link="repo/0002_b.sql", kind=tarfile.LNKTYPE),
        tarred(FILES, link="repo/0002_b.sql", kind=tarfile.FIFOTYPE),
    ]
    for stream in streams:
        with pytest.raises(Refused, match=r"0002_b\.sql is a link, a device or a pipe"):
            unpacked(stream)
    assert set(unpacked(tarred(FILES, link="repo/NOTES.md")).files) == TAKEN  # nobody would have read it
    folder = written(tmp_path, FILES) / "repo"
    (folder / "elsewhere").symlink_to(tmp_path)
    assert set(on_disk(folder).files) == TAKEN
    os.mkfifo(folder / "0003_c.sql")
    with pytest.raises(Refused, match=r"0003_c\.sql is a link, a device or a pipe"):
        on_disk(folder)
    (folder / "0003_c.sql").unlink()
    (folder / "0003_c.sql").symlink_to(folder / "wrangler.toml")
    with pytest.raises(Refused, match=r"0003_c\.sql is a link"):
        on_disk(folder)


def test_a_folder_is_reached_without_following_links(tmp_path: Path) -> None:
    written(tmp_path, FILES)
    (tmp_path / "way").symlink_to(tmp_path / "repo")
    with pytest.raises(Refused, match="cannot be read as a folder"), taking.opened(str(tmp_path), ["way"]):
        pass
    with pytest.raises(Usage, match="There is no folder"), taking.opened(str(tmp_path), ["gone"]):
        pass
    with taking.opened(str(tmp_path), ["repo", "migrations"]) as descriptor:
        assert "0001_a.sql" in os.listdir(descriptor)


def test_too_much_is_refused_before_it_is_in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gathering, "LARGEST_FILE", 1 << 20)
    monkeypatch.setattr(taking, "MOST_UNPACKED", 8 << 20)
    bomb = {"0001_a.sql": bytes(30 << 20)}
    for stream in (zipped(bomb), tarred(bomb, "w:gz")):
        with pytest.raises(Refused) as refused:
            unpacked(stream)
        assert refused.value.code == "too_large"
    with pytest.raises(Refused, match="unfolds to more"):
        unpacked(tarred({"big.bin": bytes(30 << 20), "0001_a.sql": b""}, "w:gz"))
    monkeypatch.setattr(gathering, "MOST_FILES", 2)
    with pytest.raises(Refused, match="more than 2 files"):
        unpacked(zipped(FILES))


def test_a_header_of_a_tar_cannot_fill_the_memory() -> None:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("0001_a.sql")
        member.pax_headers = {"comment": "x" * (40 << 20)}
        archive.addfile(member)
    sink.seek(0)
    with pytest.raises(Refused, match="damaged"):
        unpacked(sink)


def test_what_vanishes_meanwhile_is_told_of_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path, FILES) / "repo"
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda where: [*listed(where), "9999_gone.sql"])
    with pytest.raises(Refused, match=r"9999_gone\.sql in repo cannot be read: No such file"):
        on_disk(folder)
    with pytest.raises(Refused, match="cannot be read: No such file"), taking.opened_file(tmp_path / "gone.zip"):
        pass


def test_what_is_no_archive_or_empty_is_told_of(tmp_path: Path) -> None:
    for data in (b"PK\x03\x04 cut", b"\x1f\x8b\x08 cut", b"text", b""):
        with pytest.raises(Refused, match="no archive that is read here"):
            unpacked(io.BytesIO(data))
    with pytest.raises(Usage, match="none that a migration tool reads"):
        on_disk(tmp_path)


def _of_lzma() -> bytes:
    """A zip of which the packed content begins with settings that cannot be."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("migrations/0001_a.sql", "SELECT 1;")
    data = bytearray(sink.getvalue())
    data[data.index(b"0001_a.sql") + len("0001_a.sql") + 4] = 0xFF
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(
            zipped({"migrations/ä.sql": b"SELECT 1;"}).getvalue().replace("ä".encode(), b"\xff\xa4"), id="name"
        ),
        pytest.param((whole := zipped(FILES).getvalue())[:-6] + b"\xff\xff\xff\x00" + whole[-2:], id="place"),
        pytest.param(_of_lzma(), id="content"),
    ],
)
def test_an_archive_that_makes_no_sense_is_refused_and_not_stumbled_over(data: bytes) -> None:
    with pytest.raises(Refused) as refused:
        unpacked(io.BytesIO(data))
    assert refused.value.code == "damaged_archive"
