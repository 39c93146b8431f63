"""Starting and stopping other programs. This is the only module that uses subprocess.

A child gets its own session, dies with the thread that started it (PR_SET_PDEATHSIG), sees a fixed PATH and only the
environment it is given, writes no core file, and carries `OPSCONSOLE_OP` so that a sweep can find it wherever it has
moved to. Secrets travel in files or in the environment, never in the arguments, which every user of the host can read.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from opsconsole.exceptions import OperationFailed

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
GRACE_SECONDS = 10.0
KILLED_SECONDS = 30.0  # how long a killed process may hang in the kernel (a dead disk) before we go on without it
MOST_OUTPUT = 5 << 20  # bytes kept of what a program says; the rest is read and forgotten
MARKS = {"OPSCONSOLE_OP", "OPSCONSOLE_INSTANCE"}  # which operation and fence a process serves, and of which console

_libc = ctypes.CDLL(None, use_errno=True)
Child = subprocess.Popen[bytes]


def spawn(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] | None = DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
    cwd: Path | None = None,
    user: int | None = None,
    death_signal: int = signal.SIGKILL,
    new_session: bool = True,
    most_file_bytes: int | None = None,
) -> Child:
    """Start a program. It dies with the calling thread, so call this from a thread that lives as long as the child.

    With `most_file_bytes`, no file that it writes can grow beyond that; it is ended by SIGXFSZ when it tries.
    """
    full = {"PATH": PATH, "LC_ALL": "C.UTF-8"} | dict(env or {})
    for name in MARKS & os.environ.keys():
        full.setdefault(name, os.environ[name])
    options: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
    return subprocess.Popen(
        [str(word) for word in argv],
        env=full,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=tuple(pass_fds),
        cwd=cwd,
        start_new_session=new_session,
        preexec_fn=_tie_to_parent(os.getpid(), death_signal, most_file_bytes),
        **options,
    )


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    input: bytes | None = None,
    cwd: Path | None = None,
    user: int | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a short program to its end and give back the first MOST_OUTPUT bytes of what it writes, each stream apart.

    Raises OperationFailed("timeout").
    """
    with tempfile.TemporaryFile() as given:
        given.write(input or b"")
        given.seek(0)
        child = spawn(argv, env=env, stdin=given, stdout=PIPE, stderr=PIPE, cwd=cwd, user=user)
        try:
            out, err = _listen_to(child, timeout)
        except subprocess.TimeoutExpired:
            raise OperationFailed(
                "timeout",
                f"{Path(str(argv[0])).name} did not finish within {timeout:.0f} seconds and was stopped.",
                "Look for locks or a slow connection, then try again.",
            ) from None
        finally:
            stop(child, grace=1.0)
            close_pipes(child)
    return subprocess.CompletedProcess(list(argv), child.returncode, out, err)


def _listen_to(child: Child, timeout: float) -> tuple[bytes, bytes]:
    """What a child says until it ends. Raises TimeoutExpired."""
    assert child.stdout is not None and child.stderr is not None
    until = time.monotonic() + timeout
    said = {child.stdout.fileno(): bytearray(), child.stderr.fileno(): bytearray()}
    with selectors.DefaultSelector() as waiting:
        for descriptor in said:
            waiting.register(descriptor, selectors.EVENT_READ)
        while waiting.get_map():
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(child.args, timeout)
            for key, _ in waiting.select(max(0.0, until - time.monotonic())):
                data = os.read(key.fd, 1 << 16)
                said[key.fd] += data[: max(0, MOST_OUTPUT - len(said[key.fd]))]
                if not data:
                    waiting.unregister(key.fd)
    child.wait(max(0.0, until - time.monotonic()))
    out, err = said.values()
    return bytes(out), bytes(err)


def close_pipes(child: Child) -> None:
    """Close our ends of a child's standard streams; what it still has to say is lost."""
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def stop(child: Child, *, grace: float = GRACE_SECONDS) -> int:
    """SIGTERM to the child's group, SIGKILL after `grace` seconds; gives back the exit status.

    One that cannot even be killed, because it hangs in the kernel, is left after KILLED_SECONDS as if it were.
    """
    for number, wait in ((signal.SIGTERM, grace), (signal.SIGKILL, KILLED_SECONDS)):
        if child.poll() is not None:
            break
        _signal_group(child.pid, number)
        ended_within(child, wait)
    return -signal.SIGKILL if child.returncode is None else child.returncode


def ended_within(child: Child, seconds: float) -> bool:
    """Wait for a child's end; False when it still runs after `seconds`."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def alive(pid: int) -> bool:
    """Whether a process of that id runs; a zombie counts as dead."""
    try:
        return not _is_zombie(Path(f"/proc/{pid}"))
    except OSError:
        return False


def adopt_orphans() -> None:
    """Make this process the reaper of its descendants' orphans, so that a `setsid` grandchild stays visible."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent(expected_parent: int, number: int = signal.SIGKILL) -> None:
    """Ask the kernel to end this process when its parent ends; ends it at once when that has already happened."""
    _libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != expected_parent:
        os.kill(os.getpid(), number)


def marked(marker: str, *, instance: str = "") -> list[int]:
    """Process ids of this user whose environment carries `OPSCONSOLE_OP=marker` (exactly), zombies left out.

    With `instance`, only those of that console: another one on this machine counts its operations from 1 too.
    """
    wanted = {f"OPSCONSOLE_OP={marker}".encode()}
    wanted |= {f"OPSCONSOLE_INSTANCE={instance}".encode()} if instance else set()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if wanted <= set((entry / "environ").read_bytes().split(b"\0")) and not _is_zombie(entry):
                found.append(int(entry.name))
        except OSError:
            continue  # gone, or another user's
    return found


def kill_marked(marker: str, *, instance: str = "", seconds: float = 5.0) -> int:
    """SIGKILL every process of an operation's fence until none is left; gives back how many were killed."""
    killed: set[int] = set()
    deadline = time.monotonic() + seconds
    while (left := marked(marker, instance=instance)) and time.monotonic() < deadline:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            except ProcessLookupError:
                pass
        time.sleep(0.02)
    return len(killed)


def python() -> str:
    """The interpreter of this process, for starting our own programs."""
    return sys.executable


def _is_zombie(entry: Path) -> bool:
    return entry.joinpath("stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def _tie_to_parent(parent: int, number: int, most_file_bytes: int | None) -> Callable[[], None]:
    def prepare() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if most_file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_file_bytes, most_file_bytes))
        die_with_parent(parent, number)

    return prepare
