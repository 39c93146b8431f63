"""A worker of its own for tests: loads a document full of "new" and dies where OPSCONSOLE_FAILPOINT says.

`python -m tests.support.loading_worker WORKDIR MODE OPERATION [ROWS WORD]`; the database's URL is in TARGET_URL, the
witness is kept in WORKDIR. The database has the tables `parents` and `children`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lifecycle import loading
from lifecycle.documents.base import Document, DocumentTable, Row, Summary
from lifecycle.loading import Options
from opsconsole import process
from opsconsole.engines import engine_class_for
from opsconsole.engines.base import Engine
from tests.support.fake_run import FakeRun

ROOT = Path(__file__).resolve().parents[2]
OPERATION = 2_000_000 + os.getpid()  # its own in every test process: superseded workers are ended by this number
SCHEMA = """
CREATE TABLE parents (id integer PRIMARY KEY, word text NOT NULL);
CREATE TABLE children (id integer PRIMARY KEY, parent integer NOT NULL REFERENCES parents (id), word text NOT NULL);
INSERT INTO parents VALUES (1, 'old'), (2, 'old');
INSERT INTO children VALUES (1, 1, 'old'), (2, 2, 'old');
"""
ROWS = 500


class Made(Document):
    """So many rows that are made when they are asked for."""

    def __init__(self, rows: int, word: str = "new") -> None:
        self._rows, self._word = rows, word
        tables = (("children", ("id", "parent", "word")), ("parents", ("id", "word")))
        self.summary = Summary(
            format="made",
            label="made",
            tables=tuple(DocumentTable(name=name, columns=columns, rows=rows) for name, columns in tables),
        )

    def rows(self, table: str) -> Iterator[Row]:
        for number in range(1, self._rows + 1):
            yield {"id": number, "word": self._word} | ({"parent": number} if table == "children" else {})


def engine(url: str, *, fence: int, operation: int = OPERATION) -> Engine:
    kind = engine_class_for(url)
    roots = [Path(url.removeprefix("sqlite:///")).parent] if url.startswith("sqlite") else []
    return kind(kind.parse(url, roots=roots), session_label=f"opsconsole/{operation}/{fence}")


def start(url: str, workdir: Path, mode: str, failpoint: str) -> process.Child:
    env = {"PYTHONPATH": str(ROOT), "TARGET_URL": url, "OPSCONSOLE_OP": f"{OPERATION}.2"}
    argv = [process.python(), "-m", "tests.support.loading_worker", workdir, mode, str(OPERATION)]
    return process.spawn(argv, env=env | {"OPSCONSOLE_FAILPOINT": failpoint}, cwd=ROOT)


def main(workdir: Path, mode: str, operation: int, document: Document) -> Any:
    target = engine(os.environ["TARGET_URL"], fence=2, operation=operation)
    run = FakeRun(operation, 2, workdir=workdir, witness_file=workdir / "witness.json")
    options = Options(mode=mode)
    with target.hold() as lock:
        return loading.load(target, lock, document, loading.survey(target, document, options), options, run)


if __name__ == "__main__":
    count, word = sys.argv[4:] or (ROWS, "new")
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Made(int(count), str(word)))
