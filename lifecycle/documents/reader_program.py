"""A program of its own that makes a normalised document of foreign files, for `inspecting`.

It knows neither Django nor a database, gets its files as descriptors and its order on standard input, works in a folder
of its own under limits, and says on standard output how far it is and how it ended, one JSON object a line.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from lifecycle.documents.base import Problem, Summary, refusing
from lifecycle.documents.known import reader_of
from lifecycle.documents.limits import Limits
from lifecycle.documents.normalised import Normaliser, write_summary
from lifecycle.documents.reading import Findings
from lifecycle.documents.sources import Positioned, Unwrapper
from opsconsole.exceptions import OperationFailed, OpsError

REPORT_SECONDS = 0.3
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
PR_SET_NO_NEW_PRIVS = 38
DISK_FULL = ["disk_full", "The disk is full, or a file grew beyond its limit.", "Free space, try again."]
MOST_PROBLEMS = 500
BUG = "Report it, with the file if it holds no secret; nothing was taken over."


class Reporter:
    """Tells the parent how many bytes of how many have been read."""

    def __init__(self) -> None:
        self._step, self._done, self._total = "", 0, 0
        self._last = 0.0

    def begin(self, step: str, total: int) -> None:
        self._step, self._done, self._total = step, 0, total

    def __call__(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._last >= REPORT_SECONDS:
            self._last = now
            say({"step": self._step, "done": min(self._done, self._total), "total": self._total})


def main() -> None:
    """Carry out the one order that standard input holds."""
    order = json.load(sys.stdin)
    limits = Limits(**order["limits"])
    restrain(limits)
    try:
        normalise(order, limits)
    except OpsError as error:
        say({"failed": [error.code, error.why, error.next_step]})
    except MemoryError:
        say({"failed": ["too_much_memory", "Reading the files needs more memory than is allowed.", "Split them."]})
    except RecursionError:
        say({"failed": ["too_deep", "A value is nested deeper than is read.", "No honest backup holds such a value."]})
    except Exception as error:  # the boundary of this program: what a foreign file broke is told, without its content
        if isinstance(error, OSError) and error.errno in FULL:
            say({"failed": DISK_FULL})
        else:
            say({"failed": ["reader_failed", f"The reader failed over the content ({type(error).__name__}).", BUG]})
    else:
        say({"finished": True})


def restrain(limits: Limits) -> None:
    """Give up what reading does not need, before the first foreign byte is looked at."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    resource.setrlimit(resource.RLIMIT_CPU, (limits.seconds, limits.seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.unpacked, limits.unpacked))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # every file that is unwrapped is one more
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def normalise(order: dict[str, Any], limits: Limits) -> None:
    """Unwrap, recognise, read and write; the summary last."""
    report = Reporter()
    unwrapper = Unwrapper(limits=limits, identities=order["identities"], told=report)
    files, sources = [], []
    report.begin("Unpacking the files", 2 * sum(map(_size, order["files"])))  # read for their digests as well
    for item in order["files"]:
        digest = _digest(item["descriptor"], report)
        found, wrappings = unwrapper.sources(item["name"], item["descriptor"])
        files += found
        sources.append({"name": item["name"], "sha256": digest, "size": _size(item), "wrappings": list(wrappings)})
    reader = reader_of(files)
    report.begin("Reading the rows", sum(file.size for file in files))
    findings = Findings()
    normaliser = Normaliser(Path(), limits, findings)
    for table, row in reader.rows(files, findings):
        if row is None:
            normaliser.begin(table)
        else:
            normaliser.row(table, row)
    tables, table_files = normaliser.finish()
    if not tables and not refusing(findings.problems):
        raise OperationFailed("unreadable", "There is no table in it.", "Look at how it was written.")
    heading = findings.heading
    summary = Summary(
        format=reader.name, label=reader.label, tables=tables, version=heading.version,
        version_name=heading.version_name, exported_at=heading.exported_at, engine=heading.engine, texts=heading.texts,
        problems=_told(findings.problems), definitions=findings.definitions, ledger=tuple(findings.ledger),
    )  # fmt: skip
    write_summary(Path(), summary, table_files, sources)


def _told(problems: list[Problem]) -> tuple[Problem, ...]:
    """The gravest first, and not so many that a summary of them would be none."""
    ordered = sorted(problems, key=lambda problem: ("error", "warning", "note").index(problem.level))
    if len(ordered) <= MOST_PROBLEMS:
        return tuple(ordered)
    level = ordered[MOST_PROBLEMS].level
    rest = Problem(level=level, code="more_problems", text=f"There are {len(ordered) - MOST_PROBLEMS} more problems.")
    return (*ordered[:MOST_PROBLEMS], rest)


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _digest(descriptor: int, report: Reporter) -> str:
    sha256, stream = hashlib.sha256(), Positioned(descriptor, report)
    while data := stream.read(1 << 20):
        sha256.update(data)
    return "sha256:" + sha256.hexdigest()


def _size(item: dict[str, Any]) -> int:
    return os.fstat(item["descriptor"]).st_size


if __name__ == "__main__":
    main()
