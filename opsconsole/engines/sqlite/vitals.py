"""What a SQLite file says of itself in a moment."""

from __future__ import annotations

import time

from opsconsole.engines.sqlite import connections
from opsconsole.engines.sqlite.files import Spot
from opsconsole.engines.vitals import Vitals


def read(spot: Spot, *, seconds: float) -> Vitals:
    """Raises TargetProblem: `locked` when another program keeps readers out for so long."""
    before = time.perf_counter()
    with connections.reading(spot, seconds=seconds, busy_seconds=seconds) as connection:
        opened = time.perf_counter()
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        answered = time.perf_counter()
        journal, page, free = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "page_size", "freelist_count")
        )
        log = spot.size_of(f"{spot.name}-wal")
        size = spot.stat().st_size + log
    return Vitals(
        latency_ms=round((answered - opened) * 1000, 2),
        connect_ms=round((opened - before) * 1000, 2),
        size_bytes=size,
        journal=str(journal),
        wal_bytes=log if journal == "wal" else None,
        free_bytes=free * page,
    )
