"""Running a command as a contestant: its wall time, its processor time, and the memory of each of its processes."""

from __future__ import annotations

import json
import os
import resource
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from opsconsole import process

SAMPLE_SECONDS = 0.02
TICKS = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One run. `wall` and `cpu` are seconds (of the client's processes), `peak` bytes of the largest of them."""

    wall: float
    cpu: float
    peak: int
    size: int = 0  # bytes of what it wrote
    server_cpu: float = 0.0


def run(argv: Sequence[str | Path], env: Mapping[str, str], *, server: int | None = None) -> Sample:
    """Run a command to its end and measure it; a shell is `["bash", "-o", "pipefail", "-c", ...]`.

    A command that prints one JSON line with `wall` has timed itself, without the start of its interpreter. Raises
    RuntimeError with what it said when it fails. `server` is the process id of a server whose time is counted too.
    """
    used, served, began = _children_cpu(), _server_cpu(server), time.monotonic()
    child = process.spawn(argv, env=env, stdout=process.PIPE, stderr=process.PIPE, cwd=ROOT)
    watch = _Peak(child.pid)
    out, err = child.communicate()
    wall, peak = time.monotonic() - began, watch.stop()
    if child.returncode:
        raise RuntimeError(f"{argv[0]} ended with {child.returncode}: {err.decode(errors='replace')[-2000:]}")
    sample = Sample(
        wall=wall, cpu=_children_cpu() - used, peak=peak, server_cpu=_server_cpu(server) - served
    )  # fmt: skip
    told = out.strip().splitlines()[-1:] if out.strip().startswith(b"{") else []
    return replace(sample, **json.loads(told[0])) if told else sample


class _Peak:
    """A thread that looks at the high-water mark of a process and its descendants.

    (The kernel's own sum, ru_maxrss, begins with what the parent held before exec.)
    """

    def __init__(self, pid: int) -> None:
        self._pid, self._peaks, self._over = pid, [0], threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._over.set()
        self._thread.join()
        return max(self._peaks)

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self._peaks = [max(self._peaks), *(high_water(pid) for pid in _descendants(self._pid))]


def high_water(pid: int | str = "self") -> int:
    """Bytes that a process has held at most; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")), 0)


def _descendants(pid: int) -> Iterator[int]:
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = path.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from _descendants(int(child))


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _server_cpu(pid: int | None) -> float:
    """Seconds of a server and of its processes that have ended, and of those that still run."""
    if pid is None:
        return 0.0
    return sum(_ticks(found, ended=True) for found in _descendants(pid)) / TICKS


def _ticks(pid: int, *, ended: bool) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11 : 15 if ended else 13]))
