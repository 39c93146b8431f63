"""A worker of its own for tests: backs up or restores one SQLite file, and dies where OPSCONSOLE_FAILPOINT says.

`python -m tests.support.sqlite_worker backup|restore LIVE BASE OPERATION FENCE`; BASE holds `store`, `work`,
`contents.json` (which a backup writes) and `witness.json` (which a restore writes).
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from lifecycle.backups.manifest import contents_from
from lifecycle.formats.base import Archive, Contents
from lifecycle.formats.sqlite_native import SqliteNative
from opsconsole import process
from opsconsole.engines.labels import Label
from opsconsole.storage import FolderStore
from tests.support import sqlite_files as files
from tests.support.fake_run import FakeRun

FORMAT = SqliteNative()
OPERATION = 1_000_000 + os.getpid()  # its own in every test process: superseded workers are ended by this number
PART = f"{OPERATION}.2"
LABEL = Label("opsconsole", OPERATION, 2)
ROOT = Path(__file__).resolve().parents[2]


def start(act: str, live: Path, base: Path, *, failpoint: str = "") -> process.Child:
    """Start the worker of OPERATION with fence 2; it dies at the failpoint, or ends with status 0."""
    env = {"PYTHONPATH": str(ROOT), "OPSCONSOLE_OP": PART}
    env |= {"OPSCONSOLE_FAILPOINT": failpoint} if failpoint else {}
    argv = [process.python(), "-m", "tests.support.sqlite_worker", act, live, base, str(OPERATION), "2"]
    return process.spawn(argv, env=env, cwd=ROOT)


def archive(base: Path, part: str) -> Archive:
    return Archive(store=FolderStore(base / "store"), folder="backups/x/7", part=part)


def save(contents: Contents, base: Path) -> None:
    (base / "contents.json").write_text(json.dumps(asdict(contents)))


def main(act: str, live: str, base: Path, operation: int, fence: int) -> None:
    run = FakeRun(operation_id=operation, fence=fence, workdir=base / "work", witness_file=base / "witness.json")
    engine = files.engine(Path(live), label=run.label)
    with engine.hold() as lock:
        if act == "backup":
            save(FORMAT.write(engine, archive(base, run.part), run), base)
            return
        contents = contents_from(json.loads((base / "contents.json").read_text()))
        prepared = FORMAT.prepare(engine, archive(base, run.part), contents, run, method="swap")
        FORMAT.publish(engine, lock, archive(base, run.part), contents, prepared, run)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
