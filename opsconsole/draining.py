"""Whether this worker is shutting down: then it starts nothing new, and what is before its commit point stops.

The flag lies in memory that a worker shares with the pool children it forks, so that setting it is all that a signal
handler does: nothing is raised there, and nothing is sent.
"""

from __future__ import annotations

import mmap

_flag = mmap.mmap(-1, 1)


def begin(*_: object, **__: object) -> None:
    """From now on; fits as a signal handler and as a receiver of Celery's signals."""
    _flag[0] = 1


def has_begun() -> bool:
    return _flag[0] == 1
