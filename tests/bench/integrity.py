"""Looking at data: twelve rules on one table in one pass, and the orphans of every foreign key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from opsconsole import process
from tests.bench import processes, savings, twin
from tests.bench.integrity_worker import RULES, TABLE
from tests.bench.native import SMALL_ENOUGH, Native
from tests.bench.processes import Sample
from tests.bench.races import Bar, Contestant, Limit, Race, say

QUERIES, OURS, PRAGMA = "one query a rule", "console", "PRAGMA foreign_key_check"


class Soundness:
    """The savings on the server, and as a SQLite file."""

    def __init__(self, native: Native, size: str) -> None:
        self.native, self.rows = native, savings.rows_of(TABLE, size)
        self.path = native.folder / "savings.sqlite"
        self.counts: dict[str, dict[str, list[int]]] = {}
        say("Making the same rows in a SQLite file ...")
        twin.make(native.server.url(native.source), self.path)

    def races(self, rounds: int) -> list[Race]:
        found = []
        served = self.native.server.url(self.native.source)
        for vendor, url, most in (("PostgreSQL", served, 0.45), ("SQLite", self._file, 0.55)):
            title = f"{len(RULES)} rules on {self.rows:,} rows ({vendor})"
            contestants = [
                Contestant(QUERIES, self._runs(title, "peer", "rules", url)),
                Contestant(
                    OURS, self._runs(title, "ours", "rules", url), "with the structure, and rows of what it found"
                ),
            ]
            found.append(Race(title, contestants, [Bar(OURS, QUERIES, most)]).run(rounds))
        title = f"Orphans of {len(savings.KEYS.split('FOREIGN KEY')) - 1} foreign keys (SQLite)"
        contestants = [
            Contestant(PRAGMA, self._runs(title, "peer", "orphans", self._file)),
            Contestant(OURS, self._runs(title, "ours", "orphans", self._file), "which also counts every table's rows"),
        ]
        found.append(Race(title, contestants, [Bar(OURS, PRAGMA, 0.25)]).run(rounds))
        return found

    def limits(self, races: list[Race]) -> list[Limit]:
        peak = max(race.peak(OURS) for race in races)
        differ = [title for title, told in self.counts.items() if len({tuple(each) for each in told.values()}) > 1]
        return [
            Limit("Memory of a check's process, at most 64 MiB", f"{peak / 2**20:.0f} MiB", peak <= SMALL_ENOUGH),
            Limit("Counts that differ from the peer's, none", "; ".join(differ) or "none", not differ),
        ]

    def drop(self) -> None:
        for path in self.path.parent.glob(f"{self.path.name}*"):
            path.unlink()

    @property
    def _file(self) -> str:
        return f"sqlite:///{self.path}"

    def _runs(self, title: str, who: str, what: str, url: str) -> Callable[[], Sample]:
        def run() -> Sample:
            counts = self.native.folder / "counts.json"
            argv: list[str | Path] = [process.python(), "-m", "tests.bench.integrity_worker", who, what, url, counts]
            server = None if url.startswith("sqlite") else self.native.server.server.pid
            sample = processes.run(argv, self.native.env, server=server)
            self.counts.setdefault(title, {})[who] = json.loads(counts.read_text())
            return sample

        return run
