"""Backup and restore of PostgreSQL against pg_dump, gzip, psql and pg_restore, all as whole processes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from opsconsole import process
from opsconsole.engines.postgresql import archives, tools
from tests.bench import processes, savings
from tests.bench.processes import Sample
from tests.bench.races import Bar, Contestant, Limit, Race, say
from tests.support.postgres_worker import make_base
from tests.support.servers import PostgresServer

GZIP, CUSTOM, OURS = "pg_dump | gzip", "pg_dump -Fc (gzip)", "console, native"
PSQL, PARALLEL = "gunzip | psql", "pg_restore -j2"
SMALL_ENOUGH = 64 << 20


class Native:
    """A database full of savings, its dumps, and the commands that make and load them."""

    def __init__(self, server: PostgresServer, folder: Path, size: str) -> None:
        self.server, self.folder, self.source = server, folder, f"savings_{size.lower()}"
        self.env = {
            "PGHOST": server.host, "PGPORT": str(server.port), "PGUSER": server.user, "PGPASSWORD": server.password,
            "PYTHONPATH": str(processes.ROOT),
        }  # fmt: skip
        server.create_database(self.source)
        say(f"Making {sum(savings.rows_of(table, size) for table in savings.ROWS):,} rows ...")
        with server.connect(self.source) as session:
            savings.fill(session, size)
            found = session.execute("SELECT pg_database_size(current_database())").fetchone()
        self.size = int(found[0]) if found else 0
        self.rows = sum(savings.rows_of(table, size) for table in savings.ROWS)
        self.missing: list[str] = []

    def drop(self) -> None:
        """Free the disk for what is measured next."""
        self.server.drop_database(self.source)
        for path in (*self.folder.glob("*.gz"), *self.folder.glob("*.dump")):
            path.unlink()
        shutil.rmtree(self.folder / "ours", ignore_errors=True)

    # -- backup -----------------------------------------------------------------------------------------------------

    def backup(self) -> Race:
        packed, note = self._zstd()
        return Race(
            "Backup",
            [
                Contestant(GZIP, lambda: self._dump(f"{self._bin}/pg_dump {self.source} | gzip", "plain.sql.gz")),
                Contestant(packed[0], lambda: self._dump(packed[1], "packed.dump"), note),
                Contestant(OURS, self.our_backup),
            ],
            [Bar(OURS, GZIP, 0.18), Bar(OURS, GZIP, 0.90, "size"), Bar(OURS, packed[0], 1.0)],
        )

    def read(self) -> Race:
        """The read-through that follows every backup, alone: no other tool does it, so it has no peer and no bar."""
        return Race("Reading the backup through", [Contestant(OURS, self.our_reading)])

    def _zstd(self) -> tuple[tuple[str, str], str]:
        """The strongest standard peer that this machine has: (name, command), and what must be said about it."""
        for found in sorted(tools.installed(), reverse=True):
            if found.major >= self.server.major and archives.packs_zstd(found):
                name = f"pg_dump({found.major}) -Fc --compress=zstd:1"
                return (name, f"{found.pg_dump} -Fc --compress=zstd:1 {self.source}"), ""
        command = f"{self._bin}/pg_dump -Fc -Z0 {self.source} | zstd -q -1"
        note = (
            "no pg_dump with zstd of its own is installed here: this pipe stands in for pg_dump -Fc --compress=zstd:1"
        )
        return ("pg_dump -Fc -Z0 | zstd -1", command), note

    def _dump(self, command: str, name: str) -> Sample:
        return self._shell(f"{command} > {self.folder}/{name}", wrote=self.folder / name)

    def our_backup(self) -> Sample:
        base = self.folder / "ours"
        shutil.rmtree(base, ignore_errors=True)
        make_base(base)
        return self.ours("backup", base, self.source, wrote=base / "store")

    def our_reading(self) -> Sample:
        return self.ours("read", self.folder / "ours", self.source)

    # -- restore ----------------------------------------------------------------------------------------------------

    def restore(self) -> Race:
        """Of what `backup` has left, and of a custom archive that is made for it."""
        plain, custom = self.folder / "plain.sql.gz", self.folder / "custom.dump"
        self._shell(f"{self._bin}/pg_dump -Fc -Z1 {self.source} > {custom}")
        psql = f"gzip -dc {plain} | {self._bin}/psql -q -o /dev/null -v ON_ERROR_STOP=1"
        return Race(
            "Restore",
            [
                Contestant(PSQL, lambda: self._load(f"{psql} -d COPY")),
                Contestant(PARALLEL, lambda: self._load(f"{self._bin}/pg_restore -j2 -d COPY {custom}")),
                Contestant(OURS, self._our_restore, "with counts, definitions, ANALYZE and the swap"),
            ],
            [Bar(OURS, PSQL, 0.65), Bar(OURS, PARALLEL, 0.85)],
        )

    def _load(self, command: str) -> Sample:
        name = self.server.create_database(self.server.fresh_name("copy"))
        try:
            return self._shell(command.replace("COPY", name))
        finally:
            self._drop(name)

    def _our_restore(self) -> Sample:
        name = self.server.create_database(self.server.fresh_name("copy"))
        try:
            return self.ours("restore", self.folder / "ours", name)
        finally:
            self._drop(name)

    def _drop(self, name: str) -> None:
        """The database and what a swap has kept of it; then all is written, so that nobody pays for others' rows."""
        for (found,) in self.server.rows(f"SELECT datname FROM pg_database WHERE starts_with(datname, '{name}')"):
            self.server.drop_database(found)
        self._settle()

    # -- both -------------------------------------------------------------------------------------------------------

    @property
    def _bin(self) -> Path:
        return self.server.bin

    def _shell(self, command: str, wrote: Path | None = None) -> Sample:
        return self.measured(["bash", "-o", "pipefail", "-c", command], {}, wrote)

    def ours(self, act: str, base: Path, database: str, wrote: Path | None = None) -> Sample:
        """One path of the console (see `tests.bench.ours`)."""
        argv = [process.python(), "-m", "tests.bench.ours", act, str(base)]
        return self.measured(argv, {"TARGET_URL": self.server.url(database)}, wrote)

    def measured(self, argv: list[str], env: Mapping[str, str], wrote: Path | None) -> Sample:
        """A command's cost, once the server has written what others left; `wrote` is what it makes."""
        self._settle()
        sample = processes.run(argv, self.env | dict(env), server=self.server.server.pid)
        return processes.replace(sample, size=bytes_of(wrote)) if wrote else sample

    def _settle(self) -> None:
        self.server.run("CHECKPOINT")


def memory(*races: Race) -> list[Limit]:
    """Every process of ours stays below 64 MiB."""
    peaks = {race.title: race.peak(OURS) for race in races}
    found = ", ".join(f"{title.lower()} {peak / 2**20:.0f}" for title, peak in peaks.items())
    return [
        Limit(
            "Memory of the largest client process, at most 64 MiB", f"{found} MiB", max(peaks.values()) <= SMALL_ENOUGH
        )
    ]


def bytes_of(path: Path) -> int:
    """Of a file, or of all files below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(found.stat().st_size for found in path.rglob("*") if found.is_file())
