"""A real standby: a copy of a running server that goes on receiving what the server writes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opsconsole import process
from opsconsole.embedded.postgresql import EmbeddedPostgres
from tests.support.servers import NOBODY, PostgresServer, shared_folder
from tests.support.waiting import wait_until


@contextmanager
def standby_of(primary: PostgresServer, settings: Mapping[str, str] | None = None) -> Iterator[PostgresServer]:
    """Copy a server with pg_basebackup and start the copy; `settings` are the standby's own."""
    with shared_folder() as folder:
        server = EmbeddedPostgres(folder / "pg", major=primary.major, durable=False, programs=primary.server.programs)
        program = server.installation() / "bin" / "pg_basebackup"
        secret = server.folder / "password"
        secret.write_text(primary.password)
        server.data.mkdir(mode=0o700)
        if NOBODY is not None:
            os.chown(server.data, NOBODY, NOBODY)
        argv = [program, "-D", server.data, "-R", "-X", "stream", "-c", "fast", "-h", primary.host, "-p",
                str(primary.port), "-U", primary.user]  # fmt: skip
        done = process.run(argv, env={"PGPASSWORD": primary.password}, cwd=server.folder, user=NOBODY)
        assert done.returncode == 0, done.stderr.decode()
        server.start(log=folder / "log", settings=settings)
        try:
            yield PostgresServer(server)
        finally:
            server.stop()


def catch_up(primary: PostgresServer, standby: PostgresServer) -> None:
    """Wait until the standby has replayed all that the primary has written so far."""
    primary.run("SET synchronous_commit = on; SELECT txid_current()")  # everything until now is on its way
    ((written,),) = primary.rows("SELECT pg_current_wal_flush_lsn()::text")
    wait_until(
        lambda: standby.rows(f"SELECT pg_last_wal_replay_lsn() >= '{written}'::pg_lsn") == [(True,)],
        "the standby has replayed what the primary wrote",
    )
