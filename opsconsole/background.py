"""Work that a tick begins and does not wait for, so that nothing which hangs holds up a tick."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import connection

from opsconsole import audit

log = logging.getLogger(__name__)


def in_background(act: Callable[[], object], *, name: str, actor: str, failed: str) -> Callable[[], None]:
    """What begins `act` in a thread, unless the last one still works; `failed` is logged when it raises.

    The history has what it does as done by that `actor`, a part of the console.
    """
    working = threading.Lock()

    def work() -> None:
        try:
            with audit.acting_as(audit.Actor(kind="system", name=actor)):
                act()
        except Exception:  # nobody waits who could be told; the next tick tries again
            log.exception("%s; the next tick tries again", failed)
        finally:
            connection.close()
            working.release()

    def begin() -> None:
        if working.acquire(blocking=False):
            threading.Thread(target=work, name=name, daemon=True).start()

    return begin
