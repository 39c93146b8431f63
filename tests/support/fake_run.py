"""An in-memory twin of the Run that drives a format: it obeys the same contract and remembers what was told to it.

`OPSCONSOLE_FAILPOINT=NAME:ACTION` makes `failpoint(NAME)` act: `kill9` (SIGKILL to this process), `stop` (SIGSTOP),
`raise` (FailpointReached) or `sleep=SECONDS`.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opsconsole.exceptions import Cancelled


class FailpointReached(Exception):
    """Raised by the action `raise`."""


@dataclass
class FakeRun:
    """`witness_file` keeps the witness on disk, whole, as the console would; `on_recheck` may raise Stale."""

    operation_id: int = 1
    fence: int = 1
    workdir: Path = Path("no-workdir-was-given")
    witness_file: Path | None = None
    on_recheck: Callable[[], None] | None = None
    cancel: bool = False
    lines: list[str] = field(default_factory=list)
    steps: list[tuple[int, int, str, str]] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    witness: dict[str, Any] = field(default_factory=dict)

    @property
    def part(self) -> str:
        """`OPERATION.FENCE`, the name of part files and the value of OPSCONSOLE_OP."""
        return f"{self.operation_id}.{self.fence}"

    @property
    def label(self) -> str:
        """`opsconsole/OPERATION/FENCE`, the name of sessions."""
        return f"opsconsole/{self.operation_id}/{self.fence}"

    def progress(self, done: int, total: int, unit: str, *, step: str = "") -> None:
        self.steps.append((done, total, unit, step))

    def log(self, line: str) -> None:
        self.lines.append(line)

    def check_cancel(self) -> None:
        if self.cancel and "after_commit" not in self.calls:
            raise Cancelled("cancelled", "The operation was cancelled before its commit point.")

    def recheck(self) -> None:
        self.calls.append("recheck")
        if self.on_recheck is not None:
            self.on_recheck()

    def before_commit(self, *, witness: Mapping[str, Any] | None = None) -> None:
        self.check_cancel()
        self.calls.append("before_commit")
        self.witness = json.loads(json.dumps(dict(witness or {})))
        if self.witness_file is not None:
            part = self.witness_file.with_suffix(".part")  # a row is stored whole or not at all; so is this file
            part.write_text(json.dumps(self.witness))
            part.replace(self.witness_file)

    def after_commit(self) -> None:
        self.calls.append("after_commit")

    def after_step(self, *, witness: Mapping[str, Any]) -> None:
        self.calls.append("after_step")

    def failpoint(self, name: str) -> None:
        self.reached.append(name)
        wanted, _, action = os.environ.get("OPSCONSOLE_FAILPOINT", "").partition(":")
        if wanted != name:
            return
        act, _, amount = action.partition("=")
        if act == "kill9":
            os.kill(os.getpid(), signal.SIGKILL)
        elif act == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif act == "sleep":
            time.sleep(float(amount))
        elif act == "raise":
            raise FailpointReached(name)
        else:
            raise ValueError(f"OPSCONSOLE_FAILPOINT: {action!r} is none of kill9, stop, raise, sleep=SECONDS")


def stored_witness(path: Path) -> dict[str, Any]:
    """The witness that a run, perhaps a dead one, stored in `path`; empty when it stored none."""
    return json.loads(path.read_text()) if path.exists() else {}
