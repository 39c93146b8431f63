"""The table of a measurement as Markdown, and its place in docs/performance.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.processes import ROOT
from tests.bench.races import NOISY, Limit, Race

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- {}:begin (written by make bench) -->", "<!-- {}:end -->"
FIGURES = {"wall": "time", "size": "size"}


@dataclass
class Report:
    """What was measured, in the order of the page."""

    size: str
    rounds: int
    server: str
    data: str = ""
    races: list[Race] = field(default_factory=list)
    lists: list[Race] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        parts = [self._heading(), *map(_table, self.races)]
        if self.lists:
            parts.append(_lists(self.lists))
        parts.append(_verdicts([*self.races, *self.lists], self.limits, self.size))
        if self.missing:
            parts.append("Not measured here: " + "; ".join(self.missing) + ".")
        return "\n\n".join(parts) + "\n"

    def _heading(self) -> str:
        spread = max((race.spread(name) for race in self.races for name in race.samples), default=0.0)
        quiet = "quiet" if spread <= NOISY else "NOISY: look at ratios only"
        if self.rounds < 3:
            quiet = "too few rounds to tell noise"
        return (
            f"Size {self.size}, {self.rounds} rounds, {datetime.now(UTC):%Y-%m-%d}. {self.data} {machine()}; "
            f"{self.server}; Python {platform.python_version()}. Largest spread of a contestant's time: {spread:.0%}"
            f" ({quiet})."
        )


def machine() -> str:
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{cores} cores ({models[0] if models else platform.machine()}), {memory} GiB"


def write(markdown: str, place: str) -> None:
    """Put a table between the page's marks of that place."""
    text, begin, end = PAGE.read_text(), BEGIN.format(place), END.format(place)
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    PAGE.write_text(f"{head}{begin}\n\n{markdown}\n{end}{tail}")


def _table(race: Race) -> str:
    first = race.contestants[0].name
    sized = any(sample.size for samples in race.samples.values() for sample in samples)
    names = ["", "wall s", "of the first", "client cpu s", "server cpu s", "peak MiB"] + (["MB"] if sized else [])
    rows = []
    for contestant in race.contestants:
        name = contestant.name
        row = [name, f"{race.median(name):.2f}", f"{race.ratio(name, first):.2f}", *_or_dash(race, name)]
        wrote = race.median(name, "size")
        row += [f"{wrote / 1e6:.1f}" if wrote else ""] if sized else []
        rows.append(row)
    notes = [f"{contestant.name}: {contestant.note}" for contestant in race.contestants if contestant.note]
    said = [f"({'; '.join([*notes, *race.notes])}.)"] if notes or race.notes else []
    return "\n\n".join([f"### {race.title}", _grid(names, rows), *said])


def _or_dash(race: Race, name: str) -> list[str]:
    cpu, server, peak = race.median(name, "cpu"), race.median(name, "server_cpu"), race.peak(name)
    return [f"{cpu:.2f}" if cpu else "", f"{server:.2f}" if server else "", f"{peak / 2**20:.0f}" if peak else ""]


def _lists(races: Iterable[Race]) -> str:
    rows = []
    for race in races:
        peer, ours = (contestant.name for contestant in race.contestants)
        times = [f"{race.median(name) * 1000:.0f}" for name in (peer, ours)]
        rows.append([race.title, *times, f"{race.ratio(ours, peer):.2f}"])
    return "### Lists\n\n" + _grid(["list", "default ModelAdmin, ms", "console, ms", "ratio"], rows)


def _verdicts(races: Iterable[Race], limits: Iterable[Limit], size: str) -> str:
    failed = {True: "**does not hold**", False: "**does not hold**" if size == "M" else "not at this size"}
    rows = []
    for race in races:
        for bar in race.bars:
            found = race.ratio(bar.ours, bar.peer, bar.figure)
            claim = f"{race.title}: {FIGURES[bar.figure]} against {bar.peer}"
            word = "holds" if found <= bar.most else failed[race.small]
            rows.append([claim, f"{bar.most:.2f}", f"{found:.2f}", word])
    rows += [[limit.what, "", limit.found, "holds" if limit.holds else failed[False]] for limit in limits]
    about = "" if size == "M" else "The bars are about size M: at S, what starts and ends a run weighs most.\n\n"
    return f"### The bars\n\n{about}" + _grid(["claim", "at most", "found", ""], rows)


def _grid(names: list[str], rows: list[list[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
