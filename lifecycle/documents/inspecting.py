"""Looking into files that somebody gave: a child process of few rights reads them and writes a normalised document.

The parent opens the files, passes them on as descriptors, and reads nothing of them itself. The child, which is
`reader_program`, gets no secret in its environment; keys that decrypt the files travel through a pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from lifecycle.documents import normalised, sources, tarballs
from lifecycle.documents.base import Summary
from lifecycle.documents.limits import Limits
from lifecycle.documents.normalised import NormalisedDocument, TableFile
from opsconsole import process
from opsconsole.exceptions import OperationFailed, Refused, Usage

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "lifecycle.documents.reader_program"
TICK_SECONDS = 0.25
MOST_FOUND = 10_000  # files of a folder, where there is still some hope that it is one backup
LONGEST_MESSAGE = 1 << 16  # bytes of one line that the child says


class Watch(Protocol):
    """What is used of the run that asks; `opsconsole.kinds.Run` fits."""

    def progress(self, done: int, total: int, unit: str, *, step: str = "") -> None: ...
    def check_cancel(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class GivenFile:
    """A file as it lies on this machine. `name` is what its owner called it, without folders."""

    name: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """What the files hold. `files` has one of rows for each table of the summary, in its order."""

    folder: Path
    summary: Summary
    files: tuple[TableFile, ...]
    sources: tuple[dict[str, Any], ...]  # of each given file: name, size, sha256, wrappings

    def document(self) -> NormalisedDocument:
        """The rows, for as long as the folder is there."""
        return NormalisedDocument(self.folder, self.summary, {file.table: file for file in self.files})


def gather(paths: Sequence[Path]) -> list[GivenFile]:
    """The files at these paths, and all files below those that are folders; what begins with a dot is left out.

    No link is followed: it is refused when it is opened, like whatever else is no plain file. Raises Usage where there
    is nothing, Refused where there is too much to be one backup.
    """
    found: list[GivenFile] = []
    for path in paths:
        if not path.exists() and not path.is_symlink():
            raise Usage("no_file", f"There is no file {path} on this machine.", "Give the path of a file or a folder.")
        if path.is_dir() and not path.is_symlink():
            found += _below(path)
        else:
            found.append(GivenFile(name=path.name, path=path))
    return found


def _below(folder: Path) -> list[GivenFile]:
    found: list[GivenFile] = []
    for place, folders, names in os.walk(folder):
        linked = [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in linked)
        found += [GivenFile(name=n, path=Path(place, n)) for n in sorted([*names, *linked]) if not n.startswith(".")]
        if len(found) > MOST_FOUND:
            raise Refused("too_many_files", f"{folder} holds too many files.", "Give the folder of one backup.")
    return found


def may_be_encrypted(given: Sequence[GivenFile]) -> bool:
    """Whether a key could be needed: a file begins as age's do, or holds others of which nobody knows yet.

    Raises Refused for what is no plain file.
    """
    for file in given:
        descriptor = _open(file)
        try:
            if sources.wrapping_of(descriptor) or tarballs.is_tar(descriptor):
                return True
        finally:
            os.close(descriptor)
    return False


def inspect(
    given: Sequence[GivenFile],
    workdir: Path,
    limits: Limits | None = None,
    *,
    identities: Sequence[str] = (),
    run: Watch | None = None,
) -> Inspected:
    """Have the files read, and their normalised document written into `workdir`, a private folder that is empty.

    `identities` are lines of age identity files. A document whose summary tells of errors is given back as well; it
    cannot be used (see `base.refusing`). Raises Refused for files that are not opened at all, Cancelled, and
    OperationFailed when the reading ended: unknown_format, unreadable, document_damaged, damaged_wrapping,
    identity_needed, not_decrypted, wrapped_too_often, too_big, too_dense, too_many_rows (tables, columns), bad_row,
    too_deep, too_much_memory, timeout, disk_full, reader_died. In each of these cases `workdir` is empty again.
    """
    limits = limits or Limits()
    try:
        with _opened(given, limits) as descriptors:
            _read(given, descriptors, workdir, limits, identities, run)
        summary, files, told = normalised.read_summary(workdir)
    except BaseException:
        _clear(workdir)
        raise
    return Inspected(folder=workdir, summary=summary, files=files, sources=tuple(told))


@contextlib.contextmanager
def _opened(given: Sequence[GivenFile], limits: Limits) -> Iterator[list[int]]:
    if not given:
        raise Refused("no_files", "There is no file to read.", "Give a file, or a folder that holds some.")
    if len(given) > limits.files:
        raise Refused("too_many_files", f"More than {limits.files} files are given.", "Give one backup at a time.")
    if len({file.name for file in given}) != len(given):
        raise Refused("bad_name", "Two files have the same name.", "Give one backup at a time.")
    with contextlib.ExitStack() as stack:
        descriptors = []
        for file in given:
            descriptors.append(_open(file))
            stack.callback(os.close, descriptors[-1])
        yield descriptors


def _open(file: GivenFile) -> int:
    """A descriptor of a plain file: no link is followed, no device and no pipe is waited for."""
    if not file.name or file.name in {".", ".."} or "/" in file.name or not file.name.isprintable():
        raise Refused("bad_name", f"{file.name!r} is no name of a file.", "Rename it.")
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = "it is a link" if file.path.is_symlink() else os.strerror(error.errno or 0).lower()
        raise Refused("not_a_file", f"{file.name} cannot be opened: {reason}.", "Give a plain file.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused("not_a_file", f"{file.name} is no plain file.", "Give plain files, or one folder of such.")
    return descriptor


def _read(
    given: Sequence[GivenFile],
    descriptors: Sequence[int],
    workdir: Path,
    limits: Limits,
    identities: Sequence[str],
    run: Watch | None,
) -> None:
    order = {
        "files": [{"name": file.name, "descriptor": fd} for file, fd in zip(given, descriptors, strict=True)],
        "limits": asdict(limits),
        "identities": list(identities),
    }
    child = process.spawn(
        [process.python(), "-P", "-s", "-B", "-m", PROGRAM],
        env={"PYTHONPATH": str(ROOT)},
        stdin=process.PIPE,
        stdout=process.PIPE,
        stderr=process.DEVNULL,
        pass_fds=descriptors,
        cwd=workdir,
    )
    try:
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError), child.stdin as order_pipe:
            order_pipe.write(json.dumps(order).encode())
        ended = _follow(child, limits, run)
    finally:
        process.stop(child, grace=0)
        process.close_pipes(child)
    match ended.get("failed"):
        case [code, why, next_step]:
            raise OperationFailed(str(code), str(why), str(next_step))
    if "finished" not in ended:
        raise _died(child.returncode, limits)


def _follow(child: process.Child, limits: Limits, run: Watch | None) -> dict[str, Any]:
    """Listen until the child has closed its output; gives back the last thing that it said."""
    assert child.stdout is not None
    descriptor, until = child.stdout.fileno(), time.monotonic() + limits.seconds
    said, last = b"", dict[str, Any]()
    with selectors.DefaultSelector() as waiting:
        waiting.register(descriptor, selectors.EVENT_READ)
        while True:
            if time.monotonic() > until:
                raise _too_slow(limits)
            if run is not None:
                run.check_cancel()
            if not waiting.select(TICK_SECONDS):
                continue
            data = os.read(descriptor, LONGEST_MESSAGE)
            if not data:
                process.ended_within(child, process.GRACE_SECONDS)
                return last
            *lines, said = (said + data).split(b"\n")
            if len(said) > LONGEST_MESSAGE:
                raise _died(None, limits)
            last = _told(lines, run) or last


def _told(lines: Sequence[bytes], run: Watch | None) -> dict[str, Any]:
    """The last of these messages, progress passed on. What is no message of ours is passed over."""
    last: dict[str, Any] = {}
    for line in lines:
        try:
            message = dict(json.loads(line))
            progress = (int(message["done"]), int(message["total"])) if "step" in message else None
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        last = message
        if run is not None and progress is not None:
            run.progress(*progress, "bytes", step=str(message["step"])[:100])
    return last


def _too_slow(limits: Limits) -> OperationFailed:
    return OperationFailed(
        "timeout", f"Reading the files took longer than {limits.seconds} seconds and was stopped.", "Split them."
    )


def _died(status: int | None, limits: Limits) -> OperationFailed:
    if status == -signal.SIGXCPU:
        return _too_slow(limits)
    if status in {-signal.SIGABRT, -signal.SIGSEGV}:
        return OperationFailed(
            "too_much_memory", "Reading the files needs more memory than is allowed.", "Split them, or look at them."
        )
    return OperationFailed(
        "reader_died",
        f"The reader ended before its work was done (exit status {status}).",
        "The content is not what it seems; look at it with other tools.",
    )


def _clear(workdir: Path) -> None:
    """Return the disk."""
    for path in workdir.iterdir() if workdir.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
