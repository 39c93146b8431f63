"""Portable backups against what teams write into JSON without a console: dumpdata, and a script of Node.

django-dbbackup runs beside them, although it writes no JSON (it calls pg_dump). Its package and Node's driver are
installed for the measurement into the scratch folder; where that cannot be done, the report says so.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from opsconsole import process
from opsconsole.exceptions import OperationFailed
from tests.bench.native import SMALL_ENOUGH, Native
from tests.bench.processes import ROOT, Sample
from tests.bench.races import Bar, Contestant, Limit, Race, say
from tests.support.postgres_worker import make_base

DUMPDATA, NODE, DBBACKUP = "manage.py dumpdata", "node: SELECT, JSON.stringify", "django-dbbackup"
OURS, APART = "console, json", "console, json, one file a table"
DRIVER, PACKAGE = "pg@8.16.3", "django-dbbackup==5.4.0"
INSTALL_SECONDS = 120


class Documents:
    """One database, and everybody who writes it into JSON."""

    def __init__(self, data: Native, size: str) -> None:
        self._data, self._size = data, size
        self.folder = data.folder / f"json-{size}"
        self.folder.mkdir()
        self.missing: list[str] = []

    def race(self) -> Race:
        """All of them at S, where everybody comes to an end; of the others only Node at M, to see whether it does."""
        found = Race(
            f"Portable backup, size {self._size}",
            [*self._peers(), Contestant(OURS, self._ours), Contestant(APART, self._ours_apart)],
            small=self._size == "S",
        )
        names = {contestant.name for contestant in found.contestants}
        bars = [Bar(OURS, DUMPDATA, 0.10), Bar(OURS, NODE, 0.55)]
        found.bars = [bar for bar in bars if self._size == "S" and bar.peer in names]
        if self._size == "M":
            found.notes += self._node_at_m()
        return found

    def reading(self) -> Race:
        """The read-through, which parses every row; no other tool does it."""
        return Race(f"Reading a portable backup through, size {self._size}", [Contestant(OURS, self._reading)])

    def _peers(self) -> list[Contestant]:
        if self._size != "S":
            return []
        found = [Contestant(DUMPDATA, self._dumpdata, "models as inspectdb gives them; its start is not counted")]
        self._run("inspect")
        if self._has_driver():
            found.append(Contestant(NODE, self._node))
        if self._has_package():
            found.append(Contestant(DBBACKUP, self._dbbackup, "it calls pg_dump and writes no JSON"))
        return found

    # -- the others -------------------------------------------------------------------------------------------------

    def _dumpdata(self) -> Sample:
        return self._run("dump", wrote=self.folder / "dump.json")

    def _dbbackup(self) -> Sample:
        shutil.rmtree(self.folder / "dumps", ignore_errors=True)
        return self._run("dbbackup", wrote=self.folder / "dumps")

    def _node(self) -> Sample:
        script, written = ROOT / "tests" / "bench" / "stringify.js", self.folder / "node.json"
        env = {"NODE_PATH": str(self.folder / "node_modules"), "PGDATABASE": self._data.source}
        return self._data.measured(["node", str(script), str(written)], env, written)

    def _node_at_m(self) -> list[str]:
        if not self._has_driver():
            return []
        began = time.monotonic()
        try:
            self._node()
        except RuntimeError as error:
            return [f"{NODE} fails after {time.monotonic() - began:.0f} s: {str(error).splitlines()[-1][:200]}"]
        return [f"{NODE} took {time.monotonic() - began:.0f} s"]

    def _run(self, act: str, wrote: Path | None = None) -> Sample:
        argv = [process.python(), "-W", "ignore", "-m", "tests.bench.dumping", act, str(self.folder)]
        env = {"TARGET_URL": self._data.server.url(self._data.source), "HOME": str(self.folder)}
        env["PATH"] = f"{self._data.server.bin}:{process.PATH}"
        return self._data.measured(argv, env, wrote)

    def _has_driver(self) -> bool:
        argv = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(self.folder), DRIVER]
        return self._installed(NODE, argv)

    def _has_package(self) -> bool:
        argv = [
            process.python(),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--target",
            str(self.folder / "site"),
            PACKAGE,
        ]
        return self._installed(DBBACKUP, argv)

    def _installed(self, what: str, argv: list[str]) -> bool:
        if shutil.which(argv[0]) is None:
            self.missing.append(f"{what} ({argv[0]} is not installed)")
            return False
        say(f"Installing what {what} needs ...")
        try:
            done = process.run(argv, env=os.environ, timeout=INSTALL_SECONDS)
        except OperationFailed as error:
            self.missing.append(f"{what} ({error.why})")
            return False
        if done.returncode:
            self.missing.append(
                f"{what} (it could not be installed: {done.stderr.decode(errors='replace').strip()[-200:]})"
            )
        return not done.returncode

    # -- ours -------------------------------------------------------------------------------------------------------

    def _ours(self) -> Sample:
        return self._write("json", self.folder / "ours")

    def _ours_apart(self) -> Sample:
        return self._write("json-apart", self.folder / "apart")

    def _write(self, act: str, base: Path) -> Sample:
        shutil.rmtree(base, ignore_errors=True)
        make_base(base)
        return self._data.ours(act, base, self._data.source, wrote=base / "store")

    def _reading(self) -> Sample:
        return self._data.ours("read", self.folder / "ours", self._data.source)


def memory(races: list[Race]) -> Limit:
    """Every process of ours stays below 64 MiB, whatever the size."""
    peaks = {f"{race.title[-1]}{' reading' * ('Reading' in race.title)}": _peak(race) for race in races}
    found = ", ".join(f"{title} {peak / 2**20:.0f}" for title, peak in peaks.items())
    return Limit(
        "Memory of a portable backup's largest process, at most 64 MiB",
        f"{found} MiB",
        max(peaks.values()) <= SMALL_ENOUGH,
    )


def _peak(race: Race) -> int:
    return max(race.peak(name) for name in race.samples if name.startswith("console"))
