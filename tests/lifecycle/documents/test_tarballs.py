"""A tar of several files is read like these files, and one that leads elsewhere is refused."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.documents.inspecting import gather, inspect
from opsconsole.exceptions import OperationFailed
from tests.support.documents import TASKLETS, read

FOLDER = TASKLETS / "backup-2025-12-20T00-00-00-000Z"


def packed(*members: tarfile.TarInfo | Path, inside: Callable[[bytes], bytes] = bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for member in members:
            if isinstance(member, Path):
                data = inside(member.read_bytes())
                info = tarfile.TarInfo(f"backup/{member.name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            else:
                tar.addfile(member, io.BytesIO(b"[]"))
    return out.getvalue()


def odd(name: str = "backup/x.json", kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    member.size = 2 if kind == tarfile.REGTYPE else 0
    return member


@pytest.mark.parametrize("inside", [bytes, gzip.compress])
def test_the_files_of_a_tar_are_one_backup(tmp_path: Path, inside: Callable[[bytes], bytes]) -> None:
    whole = packed(odd("backup", tarfile.DIRTYPE), odd("backup/._x"), *FOLDER.iterdir(), inside=inside)
    (tmp_path / "b.tgz").write_bytes(gzip.compress(whole))
    (tmp_path / "work").mkdir()
    found = inspect(gather([tmp_path / "b.tgz"]), tmp_path / "work")
    assert found.sources[0]["wrappings"] == ["gz", "tar"]
    assert (found.summary.format, found.summary.rows) == ("tasklets-folder", 2)


@pytest.mark.parametrize(
    ("member", "code"),
    [
        (odd("../x.json"), "bad_member"),
        (odd("a/../../x.json"), "bad_member"),
        (odd("/etc/x.json"), "bad_member"),
        (odd(kind=tarfile.SYMTYPE), "bad_member"),
        (odd(kind=tarfile.LNKTYPE), "bad_member"),
        (odd(kind=tarfile.CHRTYPE), "bad_member"),
        (odd(kind=tarfile.FIFOTYPE), "bad_member"),
        (odd("backup/clients.json"), "bad_member"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name + value.type.decode(),
)
def test_members_that_are_not_plain_files_of_their_own_are_refused(
    tmp_path: Path, member: tarfile.TarInfo, code: str
) -> None:
    (tmp_path / "b.tar").write_bytes(packed(*FOLDER.iterdir(), member))
    with pytest.raises(OperationFailed) as refused:
        read(tmp_path / "b.tar")
    assert refused.value.code == code


def test_a_tar_that_is_cut_off_or_broken_in_the_middle_is_refused(tmp_path: Path) -> None:
    whole = packed(*FOLDER.iterdir())
    broken = bytearray(whole)
    broken[whole.index(b"backup/", 600)] ^= 1
    for data in (whole[:700], whole[:1030], whole[: len(whole) - 10240 + 700], bytes(broken)):
        (tmp_path / "b.tar").write_bytes(data)
        with pytest.raises(OperationFailed) as refused:
            read(tmp_path / "b.tar")
        assert refused.value.code in {"damaged_wrapping", "bad_member"}
