"""Contestants that take turns (A B C A B C), and what the ratio of two of them is."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.bench.processes import Sample

NOISY = 0.10  # spread of a contestant's wall time beyond which only ratios are worth a look


@dataclass(frozen=True)
class Contestant:
    """`run` does one round and gives back what it cost; `note` says what a reader must know about it."""

    name: str
    run: Callable[[], Sample]
    note: str = ""


@dataclass(frozen=True)
class Bar:
    """A claim: the ratio of `ours` to `peer` in `figure` (wall, size, ...) is at most `most`."""

    ours: str
    peer: str
    most: float
    figure: str = "wall"


@dataclass(frozen=True)
class Limit:
    """A claim about one figure alone, in words and as found."""

    what: str
    found: str
    holds: bool


@dataclass
class Race:
    """Contestants, the samples of their rounds, and the bars that are held beside them."""

    title: str
    contestants: Sequence[Contestant]
    bars: Sequence[Bar] = ()
    small: bool = False  # whether its bars are about size S
    notes: list[str] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def add(self, name: str, sample: Sample) -> None:
        self.samples.setdefault(name, []).append(sample)

    def run(self, rounds: int) -> Race:
        """Let the contestants take turns so many times."""
        for number in range(1, rounds + 1):
            for contestant in self.contestants:
                sample = contestant.run()
                self.add(contestant.name, sample)
                say(f"{self.title}, round {number}: {contestant.name} {sample.wall:.2f} s")
        return self

    def median(self, name: str, figure: str = "wall") -> float:
        return statistics.median(getattr(sample, figure) for sample in self.samples[name])

    def ratio(self, ours: str, peer: str, figure: str = "wall") -> float:
        """The median of the ratios of each round."""
        pairs = zip(self.samples[ours], self.samples[peer], strict=True)
        return statistics.median(getattr(a, figure) / getattr(b, figure) for a, b in pairs)

    def spread(self, name: str) -> float:
        """(slowest - fastest) / median of the wall time."""
        walls = [sample.wall for sample in self.samples[name]]
        return (max(walls) - min(walls)) / statistics.median(walls)

    def peak(self, name: str) -> int:
        return max(sample.peak for sample in self.samples[name])


def say(line: str) -> None:
    """Progress goes to the error stream; only the report is output."""
    print(line, file=sys.stderr, flush=True)
