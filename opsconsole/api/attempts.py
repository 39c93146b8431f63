"""How many refused tokens one address may send: every refusal is an event in the history, which nobody shall fill."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

MOST, SECONDS = 20, 60.0
ADDRESSES = 10_000  # that are remembered at once


class Attempts:
    """Refused tokens by address, in this process; at most MOST in SECONDS."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._failed: OrderedDict[str, list[float]] = OrderedDict()

    def failed(self, address: str) -> None:
        """One more from there."""
        with self._mutex:
            at = time.monotonic()
            recent = [moment for moment in self._failed.pop(address, []) if at - moment < SECONDS]
            self._failed[address] = [*recent, at][-MOST:]
            while len(self._failed) > ADDRESSES:
                self._failed.popitem(last=False)

    def wait(self, address: str) -> int:
        """For how many seconds nothing is taken from there; 0 when it is."""
        with self._mutex:
            moments = self._failed.get(address, [])
            if len(moments) < MOST:
                return 0
            return max(0, round(moments[0] + SECONDS - time.monotonic()))
