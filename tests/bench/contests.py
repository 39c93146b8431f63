"""The contests beside the native paths: the audit history, the lists, and what the console adds to a backup."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsconsole import process
from tests.bench import consoles, processes
from tests.bench.native import Native
from tests.bench.processes import Sample
from tests.bench.races import Bar, Contestant, Limit, Race, say
from tests.support.servers import PostgresServer

WRITERS = 8
ALONE, CONSOLE = "the format alone", "console"
DJANGO, OURS = "Django's default ModelAdmin", "console's list"
LOCKED, SEALED = "advisory lock, read last, insert", "console: insert, seal after"
GROWTH, PER_SECOND = 64 << 20, 300_000
WITHOUT_A_BAR = {  # for the reader: the first shows what a ModelAdmin cannot, the others have a page of their own
    "backups of one database", "operations (admin)", "audit history (admin)",
}  # fmt: skip


@dataclass(frozen=True)
class Home:
    """A console of its own: its folder's name, and the environment of its processes."""

    label: str
    env: Mapping[str, str]

    def run(self, module: str, *words: str, **more: str) -> Any:
        """The answer of `python -m tests.bench.MODULE WORDS`."""
        return json.loads(_finish(self.start(module, *words, **more)))

    def start(self, module: str, *words: str, **more: str) -> process.Child:
        argv = [process.python(), "-W", "ignore", "-m", f"tests.bench.{module}", *words]
        return process.spawn(
            argv, env={**self.env, **more}, cwd=processes.ROOT, stdin=process.PIPE, stdout=process.PIPE,
            stderr=process.PIPE,
        )  # fmt: skip


def homes(folder: Path, server: PostgresServer, word: str) -> list[Home]:
    """A console on SQLite and one on the server."""
    name = server.create_database(f"console_{word}")
    return [
        Home("SQLite", consoles.environment(folder / f"{word}-sqlite", None)),
        Home("PostgreSQL", consoles.environment(folder / f"{word}-postgresql", server, name)),
    ]


# -- the audit history ------------------------------------------------------------------------------------------------


def verification(places: list[Home], count: int, rounds: int) -> tuple[Race, list[Limit]]:
    """Verify a chain of `count` events, and its last quarter, on each kind of console."""
    race = Race(f"Verifying {count:,} events", [Contestant(f"console on {place.label}", Sample) for place in places])
    growth: dict[str, int] = {}
    for place in places:
        say(f"Writing {count:,} events on {place.label} ...")
        place.run("history", "grow", str(count))
        growth[f"{place.label}, a quarter"] = place.run("history", "verify", str(count * 3 // 4))["growth"]
    for _ in range(rounds):
        for place in places:
            told = place.run("history", "verify", "1")
            growth[place.label] = told["growth"]
            race.add(f"console on {place.label}", Sample(wall=told["wall"], cpu=told["cpu"], peak=told["growth"]))
            say(f"{race.title}: {place.label} {told['events'] / told['wall']:,.0f} events/s")
    speeds = {place.label: count / race.median(f"console on {place.label}") for place in places}
    grew = ", ".join(f"{label} {value / 2**20:.0f}" for label, value in growth.items())
    return race, [
        *(
            Limit(f"Events verified a second on {label}, at least 300,000", f"{speed:,.0f}", speed >= PER_SECOND)
            for label, speed in speeds.items()
        ),
        Limit("Memory by which it grew, at most 64 MiB", f"{grew} MiB", max(growth.values()) <= GROWTH),
    ]


def appending(place: Home, count: int, rounds: int) -> tuple[Race, list[Limit]]:
    """Eight writers, each event in a durable transaction of its own; a sealer beside ours, as in a console."""
    place.run("history", "grow", "2000")
    race = Race(
        f"{WRITERS} writers append {count * WRITERS:,} events",
        [Contestant(LOCKED, Sample), Contestant(SEALED, Sample)],
        [Bar(SEALED, LOCKED, 1 / 1.1)],
    )
    for number in range(1, rounds + 1):
        for name, how in ((LOCKED, "peer"), (SEALED, "ours")):
            race.add(name, _append(place, how, count, race))
            say(f"{race.title}, round {number}: {name} {count * WRITERS / race.samples[name][-1].wall:,.0f} a second")
    sound = place.run("history", "verify", "1")
    return race, [Limit("Breaks in the chain after all that, none", f"{sound['events']:,} events verified", True)]


def _append(place: Home, how: str, count: int, race: Race) -> Sample:
    sealer = place.start("history", "seal") if how == "ours" else None
    writers = [place.start("history", "append", how, str(count)) for _ in range(WRITERS)]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    told = [json.loads(_finish(writer)) for writer in writers]
    ended = max(each["ended"] for each in told)
    if sealer is not None:
        lag = json.loads(_finish(sealer))["ended"] - ended
        race.notes.append(f"the last event had its seal {lag:.1f} s after the last append")
    return Sample(wall=ended - min(each["began"] for each in told), cpu=0.0, peak=0)


# -- lists ------------------------------------------------------------------------------------------------------------


def lists(places: list[Home], peers: list[Home], count: int, rounds: int) -> tuple[list[Race], list[Limit]]:
    """Every list on each kind of console, the peer and ours in turn; a sample is the median of a few requests."""
    races: list[Race] = []
    alike: list[bool] = []
    asked: list[int] = []
    for place, peer in zip(places, peers, strict=True):
        say(f"Making {count:,} operations, events and backups on {place.label}, for either ...")
        place.run("pages", "fill", str(count // 10))
        before = _statements(place.run("pages", "time"))
        place.run("pages", "fill", str(count), str(count // 10 + 1))
        peer.run("pages", "fill", str(count), BENCH_PEER="1")
        found: dict[str, Race] = {}
        for number in range(1, rounds + 1):
            _round(found, DJANGO, peer.label, peer.run("pages", "time", BENCH_PEER="1"))
            told = place.run("pages", "time")
            _round(found, OURS, place.label, told)
            alike.append(_statements(told) == before)
            asked += _statements(told).values()
            say(f"Lists on {place.label}, round {number} of {rounds}")
        races += found.values()
    same = "the same" if all(alike) else "not the same"
    claim = f"Statements for a list, the same over {count // 10:,} and {count:,} rows"
    return races, [Limit(claim, f"{same}, {min(asked)} to {max(asked)}", all(alike))]


def _round(found: dict[str, Race], name: str, label: str, told: Mapping[str, Mapping[str, float]]) -> None:
    for page, figures in told.items():
        bars = [] if page in WITHOUT_A_BAR else [Bar(OURS, DJANGO, 0.40)]
        contestants = [Contestant(DJANGO, Sample), Contestant(OURS, Sample)]
        race = found.setdefault(page, Race(f"{page} ({label})", contestants, bars))
        race.add(name, Sample(wall=figures["ms"] / 1000, cpu=0.0, peak=0))


def _statements(told: Mapping[str, Mapping[str, float]]) -> dict[str, int]:
    return {page: int(figures["queries"]) for page, figures in told.items()}


# -- what the console adds ---------------------------------------------------------------------------------------------


def overhead(native: Native, folder: Path, rounds: int) -> Race:
    """A backup by request, from the request to its success, against the format's writing and reading alone."""
    place = Home("SQLite", consoles.environment(folder / "overhead", None))
    url = {"TARGET_URL": native.server.url(native.source)}
    place.run("overhead", "prepare", **url)
    race = Race(
        "A backup by request, its read-through left out",
        [
            Contestant(ALONE, native.our_backup),
            Contestant(CONSOLE, Sample, "request, plan, claim, arm, manifest, events"),
        ],
        [Bar(CONSOLE, ALONE, 1.05)],
    )
    for _ in range(rounds):
        alone = native.our_backup()
        reading = native.our_reading()
        told = place.run("overhead", "run", **url)
        race.add(ALONE, alone)
        race.add(CONSOLE, Sample(wall=told["wall"] - reading.wall, cpu=0.0, peak=0))
        race.notes.append(f"the start of the runner's interpreter, {told['start']:.2f} s, is not in it")
    race.notes[:] = race.notes[-1:]
    return race


def _finish(child: process.Child) -> bytes:
    """The last line that a process of the bench prints. Raises RuntimeError with what it said when it fails."""
    out, err = child.communicate()
    if child.returncode:
        raise RuntimeError(f"{child.args!r} ended with {child.returncode}: {err.decode(errors='replace')[-2000:]}")
    return (out.strip().splitlines() or [b"null"])[-1]
