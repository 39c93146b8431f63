"""`python -m tests.bench.ours backup|json|json-apart|read|restore BASE`: a path of the console, as its runner walks it.

It times itself, for in the console the runner's interpreter has been started before; what that costs is measured on
its own (`overhead`). The database's URL is in TARGET_URL. BASE is as in tests/support/postgres_worker.py.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from lifecycle.formats import format_of
from lifecycle.formats.base import WHOLE, Scope
from tests.support import postgres_worker as worker


def read_through(url: str, base: Path) -> None:
    run, contents = worker.run_in(base), worker.contents_in(base)
    format_of("postgresql", contents.format).read_through(worker.archive(base, run.part), contents, run)


def write_json(url: str, base: Path, scope: Scope) -> None:
    run = worker.run_in(base, fence=1)
    engine = worker.engine(url, label=run.label)
    with engine.hold():
        contents = format_of("postgresql", "json").write(engine, worker.archive(base, run.part), run, scope)
    (base / "contents.json").write_text(json.dumps(asdict(contents)))


ACTS: dict[str, Callable[[str, Path], object]] = {
    "backup": worker.backup,
    "json": lambda url, base: write_json(url, base, WHOLE),
    "json-apart": lambda url, base: write_json(url, base, Scope(apart=True)),
    "read": read_through,
    "restore": lambda url, base: worker.restore(url, base, worker.run_in(base)),
}


def main(act: str, base: Path) -> None:
    began = time.monotonic()
    ACTS[act](os.environ["TARGET_URL"], base)
    print(json.dumps({"wall": time.monotonic() - began}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
