"""A worker of its own for tests: loads a document full of "new" and dies where OPSCONSOLE_FAILPOINT says.

`python -m tests.support.loading_worker WORKDIR MODE`; the database's URL is in TARGET_URL, the witness is kept in
WORKDIR. The database has the tables `parents` and `children`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from lifecycle import loading
from lifecycle.loading import Options
from opsconsole import process
from opsconsole.engines import engine_class_for
from opsconsole.engines.base import Engine
from tests.support.fake_run import FakeRun
from tests.support.memory_documents import MemoryDocument

ROOT = Path(__file__).resolve().parents[2]
OPERATION = 2_000_000 + os.getpid()  # its own in every test process: superseded workers are ended by this number
SCHEMA = """
CREATE TABLE parents (id integer PRIMARY KEY, word text NOT NULL);
CREATE TABLE children (id integer PRIMARY KEY, parent integer NOT NULL REFERENCES parents (id), word text NOT NULL);
INSERT INTO parents VALUES (1, 'old'), (2, 'old');
INSERT INTO children VALUES (1, 1, 'old'), (2, 2, 'old');
"""
DOCUMENT = MemoryDocument(
    {
        "children": [{"id": number, "parent": number, "word": "new"} for number in range(1, 500)],
        "parents": [{"id": number, "word": "new"} for number in range(1, 500)],
    }
)


def engine(url: str, *, fence: int, operation: int = OPERATION) -> Engine:
    kind = engine_class_for(url)
    roots = [Path(url.removeprefix("sqlite:///")).parent] if url.startswith("sqlite") else []
    return kind(kind.parse(url, roots=roots), session_label=f"opsconsole/{operation}/{fence}")


def start(url: str, workdir: Path, mode: str, failpoint: str) -> process.Child:
    env = {"PYTHONPATH": str(ROOT), "TARGET_URL": url, "OPSCONSOLE_OP": f"{OPERATION}.2"}
    argv = [process.python(), "-m", "tests.support.loading_worker", workdir, mode, str(OPERATION)]
    return process.spawn(argv, env=env | {"OPSCONSOLE_FAILPOINT": failpoint}, cwd=ROOT)


def main(workdir: Path, mode: str, operation: int) -> Any:
    target = engine(os.environ["TARGET_URL"], fence=2, operation=operation)
    run = FakeRun(operation, 2, workdir=workdir, witness_file=workdir / "witness.json")
    options = Options(mode=mode)
    with target.hold() as lock:
        return loading.load(target, lock, DOCUMENT, loading.survey(target, DOCUMENT, options), options, run)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
