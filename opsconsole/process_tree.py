"""A foreground command that consists of several programs: started in order, watched, stopped in reverse order.

Every child has its own session and log file, and dies with this process however that one ends. One child that ends by
itself ends the whole tree: half a console is worse than none, and a service manager can start it again.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from opsconsole import inheritance, process
from opsconsole.exceptions import OperationFailed

LONGEST_LOG_BYTES = 10 << 20
LINES_SHOWN = 15


@dataclass
class Member:
    """One program of the tree. `grace` is how many seconds it gets to finish after SIGTERM."""

    name: str
    child: process.Child
    log: Path
    grace: float
    stop_signal: int = signal.SIGTERM


class ProcessTree:
    """Use it from the main thread only: children die with the thread that started them."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self.members: list[Member] = []
        self.asked_to_stop = False
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)

    def listen(self) -> None:
        """Let Ctrl-C, SIGTERM and a closed terminal end the tree in order, from now on."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def log(self, name: str) -> Path:
        """The log file of a member; a long one is put aside first (one generation is kept)."""
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > LONGEST_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def start(
        self, name: str, argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, grace: float = 5.0
    ) -> None:
        """Start a member (its name is one of `inheritance.NEEDS`), its output going to its log."""
        path = self.log(name)
        full = inheritance.environment_for(name) | dict(env)
        with path.open("ab") as sink:
            child = process.spawn(argv, env=full, stdout=sink, stderr=sink, cwd=cwd)
        self.members.append(Member(name, child, path, grace))

    def run(self, name: str, argv: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path) -> None:
        """Run a program of the tree to its end. Raises OperationFailed with its last lines when it fails."""
        self.start(name, argv, env=env, cwd=cwd)
        member = self.members.pop()
        while not process.ended_within(member.child, 0.2):
            if self.asked_to_stop:
                process.stop(member.child)
        if member.child.returncode != 0:
            raise OperationFailed("start_failed", how_it_ended(member))

    def adopt(self, name: str, child: process.Child, log: Path, *, stop_signal: int = signal.SIGTERM) -> None:
        """Watch and stop a child that something else has started."""
        self.members.append(Member(name, child, log, process.GRACE_SECONDS, stop_signal))

    def ended(self) -> Member | None:
        """A member that has ended, if any."""
        return next((member for member in self.members if member.child.poll() is not None), None)

    def watch(self) -> Member | None:
        """Block until somebody asks to stop (gives None) or a member ends (gives it)."""
        while not self.asked_to_stop:
            if member := self.ended():
                return member
            time.sleep(0.2)
        return None

    def stop(self) -> None:
        """End all members, the last started first. SIGTERM goes to a program alone: its pool ends with its work."""
        for member in reversed(self.members):
            if member.child.poll() is None:
                member.child.send_signal(member.stop_signal)
            if not process.ended_within(member.child, member.grace):
                process.stop(member.child, grace=1.0)
        self.members.clear()

    def pids(self) -> dict[str, int]:
        return {member.name: member.child.pid for member in self.members}

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.asked_to_stop = True


def how_it_ended(member: Member) -> str:
    """One sentence and the last lines of its log."""
    status = member.child.returncode
    how = f"was ended by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
    lines = member.log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]
    return "\n".join([f"{member.name} {how}. The last lines of {member.log}:", *(f"    {line}" for line in lines)])


def follow_parent() -> None:
    """End in order when the parent (make, a service manager) is killed; nothing else would tell us."""
    process.die_with_parent(os.getppid(), signal.SIGTERM)
