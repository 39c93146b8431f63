"""Whether the console's clock can be trusted to tell how long ago something was; a pure function, and this host's hint.

Deleting goes by time, so a clock that was set forward by a year would empty the trash, end holds and close windows at
once. The seconds since this host was started (they count sleep, and nobody can set them) must agree with the clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

MOST = timedelta(hours=24)  # by so much the clock may differ from what was to be expected
KEPT = 8  # hosts whose anchors are remembered


@dataclass(frozen=True, kw_only=True)
class Hint:
    """What a host knows of time by itself: which start of it this is, and how many seconds ago that was."""

    boot: str
    seconds: float


def this_host() -> Hint:
    """The hint of the host that asks (Linux: CLOCK_BOOTTIME counts the time asleep, too)."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Hint(boot=boot, seconds=time.clock_gettime(time.CLOCK_BOOTTIME))


def moved(last: datetime | None, anchors: Mapping[str, Sequence[object]], at: datetime, hint: Hint) -> str:
    """Why the clock cannot be trusted, in words; empty when it can. `anchors` and `last` are those of RetentionPass.

    Since its first pass after a start, a host compares. Without that, a long silence cannot be told from a jump.
    """
    if last is None:
        return ""
    if at < last - MOST:
        return (
            f"The clock went back: it is {at:%Y-%m-%d %H:%M} UTC, and the last pass was at {last:%Y-%m-%d %H:%M} UTC."
        )
    anchor = anchors.get(hint.boot)
    if anchor is None:
        if at - last <= MOST:
            return ""
        return (
            f"The last pass was {_span(at - last)} ago by the clock, and this host was started since, "
            "so nobody can tell whether that is true or the clock was set forward."
        )
    began, seconds = datetime.fromisoformat(str(anchor[0])), float(str(anchor[1]))
    drift = (at - began) - timedelta(seconds=hint.seconds - seconds)
    if abs(drift) <= MOST:
        return ""
    way = "forward" if drift > timedelta() else "back"
    return f"The clock was set {way} by {_span(abs(drift))}, by what this host counts by itself."


def anchored(anchors: Mapping[str, Sequence[object]], at: datetime, hint: Hint) -> dict[str, Sequence[object]]:
    """The anchors with this host's first pass since its start among them."""
    if hint.boot in anchors:
        return dict(anchors)
    newest = sorted(anchors.items(), key=lambda item: str(item[1][0]))[-(KEPT - 1) :]
    return {**dict(newest), hint.boot: [at.isoformat(), round(hint.seconds, 3)]}


def _span(length: timedelta) -> str:
    hours = round(length.total_seconds() / 3600)
    return f"{hours} hours" if hours < 72 else f"{hours // 24} days"
