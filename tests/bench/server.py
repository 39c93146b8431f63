"""The PostgreSQL server that is measured: the distribution's own where there is one, else the packaged binaries."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsconsole.embedded.postgresql import EmbeddedPostgres
from tests.support.servers import PostgresServer

MOST_BUFFERS = 2 << 30
MAX_WAL_SIZE = "4GB"


@contextmanager
def running(folder: Path) -> Iterator[PostgresServer]:
    """A durable server (fsync on) with room for its buffers, whose data lies in `folder`."""
    installs = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    programs = installs[-1].parent.parent if installs else None
    major = int(programs.name) if programs else 18
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder / "pg", major=major, programs=programs)
    settings = {
        "shared_buffers": f"{buffers() >> 20}MB",
        "max_wal_size": MAX_WAL_SIZE,
        "checkpoint_timeout": "30min",
        "autovacuum": "off",  # it would wake in one contestant's round and not in another's
    }
    server.start(log=folder / "log", settings=settings)
    try:
        yield PostgresServer(server)
    finally:
        server.stop()


def described(server: PostgresServer) -> str:
    ((version,),) = server.rows("SELECT current_setting('server_version')")
    return f"PostgreSQL {version}, shared_buffers {buffers() >> 20} MiB, max_wal_size {MAX_WAL_SIZE}, fsync on"


def buffers() -> int:
    """Bytes of shared buffers: 2 GiB, or an eighth of a smaller machine's memory."""
    return min(MOST_BUFFERS, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 8)


def scratch() -> Path:
    """A new folder for everything that a measurement makes. On disk: /tmp may be memory, /var/tmp seldom is."""
    parent = next((path for path in ("/var/tmp", tempfile.gettempdir()) if os.access(path, os.W_OK)), "/tmp")
    return Path(tempfile.mkdtemp(prefix="opsconsole-bench-", dir=parent))
