"""Looking into an SQLite file that nobody else uses, in a child process (see probe.py)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsconsole import process
from opsconsole.engines.sqlite import probe
from opsconsole.exceptions import OperationFailed

LONGEST_SECONDS = 6 * 3600.0
Tick = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    name: str
    rows: int
    digest: str  # "" when none was asked for
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What was found. `damage` is empty for a sound file; `orphans` counts rows that break a foreign key."""

    facts: Mapping[str, Any]
    damage: tuple[str, ...]
    orphans: int = 0
    fingerprint: str = ""
    sequences: Mapping[str, str]
    hidden: tuple[str, ...] = ()
    tables: tuple[TableFacts, ...] = ()


class Examiner:
    """A child process at work."""

    def __init__(self, child: process.Child, report: Path) -> None:
        self._child = child
        self._report = report

    def result(self, tick: Tick) -> Examination:
        """Wait for the end; `tick(tables done, tables)` is called often and may raise."""
        deadline = time.monotonic() + LONGEST_SECONDS
        while self._child.poll() is None:
            if time.monotonic() > deadline:
                raise OperationFailed("timeout", "Looking through the copy took too long.", "Use a faster disk.")
            tick(*_progress(self._findings()))
            time.sleep(0.05)
        if self._child.returncode == probe.NO_ROOM:
            raise OperationFailed(
                "disk_full",
                f"There was no space left while writing {self._report}.",
                "Free space or enlarge that disk, then ask for the operation again.",
            )
        return _gathered(self._findings(), self._child.returncode)

    def _findings(self) -> list[dict[str, Any]]:
        lines = self._report.read_bytes().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith(b"\n")]


@contextmanager
def examining(path: Path, *, full: bool, digests: bool) -> Iterator[Examiner]:
    """Start to look through a file; a report is written beside it meanwhile. The child ends with the context."""
    report = path.with_name(f"{path.name}.report")
    check = probe.CHECKS[1 if full else 0]
    argv: list[str | Path] = [process.python(), "-I", probe.__file__, path, check, "digests" if digests else "counts"]
    with open(report, "xb", opener=_private) as output:
        child = process.spawn(argv, stdout=output, stderr=process.DEVNULL)
    try:
        yield Examiner(child, report)
    finally:
        process.stop(child, grace=0.0)
        report.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _progress(findings: list[dict[str, Any]]) -> tuple[int, int]:
    total = next((found["total"] for found in findings if "total" in found), 0)
    return sum("table" in found for found in findings), total


def _gathered(findings: list[dict[str, Any]], status: int) -> Examination:
    whole: dict[str, Any] = {key: value for found in findings if "table" not in found for key, value in found.items()}
    trouble = [whole["error"]] if "error" in whole else []
    if not trouble and "end" not in whole:
        trouble = [f"the process that read it ended with status {status}"]
    tables = (TableFacts(**_renamed(found)) for found in findings if "table" in found)
    return Examination(
        facts=whole.get("facts", {}),
        damage=tuple(trouble or [line for line in whole["check"] if line != "ok"]),
        orphans=whole.get("orphans", 0),
        fingerprint=whole.get("fingerprint", ""),
        sequences=whole.get("sequences", {}),
        hidden=tuple(whole.get("hidden", ())),
        tables=tuple(tables),
    )


def _renamed(found: Mapping[str, Any]) -> dict[str, Any]:
    names = {"name": found["table"], "columns": tuple(found["columns"])}
    return names | {key: found[key] for key in ("rows", "digest")}
