"""`make bench [SIZE=S|M] [ROUNDS=3] [ONLY=PART,PART]`: measure, print the table, clean up.

Parts are native, json, history, lists, overhead and integrity.

S (62 MB) is a quick look; M (seven million rows, a gigabyte) is what the bars are about, and its table is written into
docs/performance.md. Nothing here is a test: a bar that does not hold is printed, and the exit status is 0.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench import contests, documents, integrity, native, report, server
from tests.bench.races import say
from tests.support.servers import PostgresServer

TABLES = {  # what is written together into docs/performance.md, by the name of its place there
    "bench": ("native", "json", "overhead"),
    "bench of the console": ("history", "lists"),
    "bench of integrity": ("integrity",),
}
PARTS = tuple(part for parts in TABLES.values() for part in parts)
DISK = {"S": 2, "M": 16}  # GiB that are needed for a while
EVENTS = {"S": 50_000, "M": 1_000_000}
APPENDS = {"S": 100, "M": 400}  # of each writer
ROWS = {"S": 50_000, "M": 1_000_000}


def main() -> int:
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was made is removed
    folder = server.scratch()
    try:
        free = shutil.disk_usage(folder).free >> 30
        if free < DISK[given.size]:
            say(f"Size {given.size} needs {DISK[given.size]} GiB in {folder.parent}, and {free} are free.")
            return 1
        with server.running(folder) as running:
            for place, parts in TABLES.items():
                if wanted := [part for part in parts if part in given.only]:
                    tell(given, place, measure(given, wanted, running, folder), whole=len(wanted) == len(parts))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def tell(given: argparse.Namespace, place: str, found: report.Report, *, whole: bool) -> None:
    """Print a table, and write it into the page when all of it was measured at the size that the bars are about."""
    table = found.markdown()
    print(table)
    if given.size == "M" and whole:
        report.write(table, place)
        say(f"Written into {report.PAGE}.")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--size", choices=("S", "M"), default="S")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", type=lambda text: text.split(",") if text else list(PARTS), default=list(PARTS))
    given = parser.parse_args()
    if unknown := set(given.only) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return given


def measure(given: argparse.Namespace, wanted: Sequence[str], running: PostgresServer, folder: Path) -> report.Report:
    found = report.Report(size=given.size, rounds=given.rounds, server=server.described(running))
    if {"native", "json", "overhead", "integrity"} & set(wanted):
        data = native.Native(running, folder, given.size)
        found.data = f"The database has {data.rows:,} rows and {data.size / 1e6:,.0f} MB."
        if "native" in wanted:
            races = [data.backup().run(given.rounds), data.read().run(given.rounds)]
            races.append(data.restore().run(given.rounds))
            found.races += races
            found.limits += native.memory(*races)
            found.missing += data.missing
        if "json" in wanted:
            portable(found, given, running, folder, data)
        if "overhead" in wanted:
            found.races.append(contests.overhead(data, folder, given.rounds))
        if "integrity" in wanted:
            soundness(found, given, data)
        data.drop()
    if "history" in wanted:
        histories(found, given, running, folder)
    if "lists" in wanted:
        places, peers = (contests.homes(folder, running, word) for word in ("lists", "peers"))
        races, limits = contests.lists(places, peers, ROWS[given.size], given.rounds)
        found.lists += races
        found.limits += limits
    return found


def soundness(found: report.Report, given: argparse.Namespace, data: native.Native) -> None:
    contest = integrity.Soundness(data, given.size)
    races = contest.races(given.rounds)
    found.races += races
    found.limits += contest.limits(races)
    contest.drop()


def portable(
    found: report.Report, given: argparse.Namespace, running: PostgresServer, folder: Path, data: native.Native
) -> None:
    """At S, where the others come to an end; at M too when that is the size."""
    races = []
    for size in dict.fromkeys(("S", given.size)):
        own = data if size == given.size else native.Native(running, folder, size)
        contest = documents.Documents(own, size)
        races += [contest.race().run(given.rounds), contest.reading().run(given.rounds)]
        found.missing += contest.missing
        if own is not data:
            own.drop()
        shutil.rmtree(contest.folder, ignore_errors=True)
    found.races += races
    found.limits.append(documents.memory(races))


def histories(found: report.Report, given: argparse.Namespace, running: PostgresServer, folder: Path) -> None:
    places = contests.homes(folder, running, "history")
    race, limits = contests.verification(places, EVENTS[given.size], given.rounds)
    found.races.append(race)
    found.limits += limits
    writing = contests.homes(folder, running, "writing")[1]
    race, limits = contests.appending(writing, APPENDS[given.size], given.rounds)
    found.races.append(race)
    found.limits += limits


if __name__ == "__main__":
    sys.exit(main())
