"""A worker of its own for tests: backs up or restores a PostgreSQL database, and dies where OPSCONSOLE_FAILPOINT says.

`python -m tests.support.postgres_worker backup|swap|in_place BASE OPERATION FENCE [FORMAT]`; the database's URL is in
TARGET_URL. BASE holds `store`, `work`, `contents.json` (which a backup writes) and `witness.json` (a restore's).
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from lifecycle.backups.manifest import contents_from
from lifecycle.formats import format_of
from lifecycle.formats.base import Archive, Contents
from opsconsole import process
from opsconsole.engines.postgresql import PostgresEngine, tools
from opsconsole.storage import FolderStore
from tests.support.fake_run import FakeRun

ROOT = Path(__file__).resolve().parents[2]
OPERATION, FENCE = 7, 2


def engine(url: str, *, label: str = "opsconsole") -> PostgresEngine:
    return PostgresEngine(PostgresEngine.parse(url), session_label=label)


def make_base(folder: Path) -> Path:
    (folder / "work").mkdir(parents=True)
    return folder


def archive(base: Path, part: str) -> Archive:
    return Archive(store=FolderStore(base / "store"), folder="backups/x/7", part=part)


def run_in(base: Path, *, operation: int = OPERATION, fence: int = FENCE) -> FakeRun:
    return FakeRun(operation, fence, workdir=base / "work", witness_file=base / "witness.json")


def backup(url: str, base: Path, *, format: str = "native", fence: int = 1) -> Contents:
    """A backup taken in this process, and its contents kept in BASE."""
    run = run_in(base, fence=fence)
    with engine(url, label=run.label).hold():
        contents = format_of("postgresql", format).write(engine(url, label=run.label), archive(base, run.part), run)
    (base / "contents.json").write_text(json.dumps(asdict(contents)))
    return contents


def contents_in(base: Path) -> Contents:
    return contents_from(json.loads((base / "contents.json").read_text()))


def restore(url: str, base: Path, run: FakeRun, *, method: str = "swap") -> None:
    """A whole restore under the lock, as the kind does it."""
    contents, target = contents_in(base), engine(url, label=run.label)
    chosen = format_of("postgresql", contents.format)
    with target.hold() as lock:
        prepared = chosen.prepare(target, archive(base, run.part), contents, run, method=method)
        chosen.publish(target, lock, archive(base, run.part), contents, prepared, run)


def tools_of(major: int) -> tools.Tools:
    """The client programs of one major version."""
    return next(found for found in tools.installed() if found.major == major)


def start(act: str, url: str, base: Path, *, failpoint: str = "", format: str = "native") -> process.Child:
    """Start a worker; it dies or stops at the failpoint, or ends with status 0."""
    env = {"PYTHONPATH": str(ROOT), "OPSCONSOLE_OP": f"{OPERATION}.{FENCE}", "TARGET_URL": url}
    env |= {"OPSCONSOLE_FAILPOINT": failpoint} if failpoint else {}
    argv = [process.python(), "-m", "tests.support.postgres_worker", act, base, str(OPERATION), str(FENCE), format]
    return process.spawn(argv, env=env, cwd=ROOT)


def main(act: str, base: Path, operation: int, fence: int, format: str) -> None:
    url, run = os.environ["TARGET_URL"], run_in(base, operation=operation, fence=fence)
    if act == "backup":
        backup(url, base, format=format, fence=fence)
    else:
        restore(url, base, run, method=act)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
