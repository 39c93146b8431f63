"""Waiting for what another process or server does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PATIENCE = 60.0


def wait_until(claim: Callable[[], Any], what: str = "it", *, seconds: float = PATIENCE) -> Any:
    """Poll until `claim()` is true and give its value back; fails with `what` was waited for past the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := claim():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds:.0f} seconds in vain for: {what}")


def process_state(pid: int) -> str:
    """The kernel's letter for a process (R, S, T, Z ...); empty for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
