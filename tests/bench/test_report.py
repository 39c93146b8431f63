"""What the table of a measurement says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.processes import Sample
from tests.bench.races import Bar, Contestant, Limit, Race


def race(*walls: tuple[float, float]) -> Race:
    """Rounds of a peer and of ours, in seconds."""
    found = Race("Backup", [Contestant("peer", Sample), Contestant("ours", Sample)], [Bar("ours", "peer", 0.5)])
    for peer, ours in walls:
        found.add("peer", Sample(wall=peer, cpu=peer, peak=1 << 20))
        found.add("ours", Sample(wall=ours, cpu=ours, peak=1 << 20))
    return found


def told(size: str, *races: Race) -> str:
    found = report.Report(size=size, rounds=3, server="PostgreSQL", races=list(races))
    found.limits.append(Limit("Memory", "70 MiB", False))
    return found.markdown()


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    assert race((10.0, 4.0), (1.0, 0.3), (2.0, 1.8)).ratio("ours", "peer") == 0.4


def test_a_bar_that_does_not_hold_is_said_loudly_at_the_size_it_is_about() -> None:
    missed, held = race((1.0, 0.9)), race((1.0, 0.4))
    assert "| 0.50 | 0.90 | **does not hold** |" in told("M", missed)
    assert "| 0.50 | 0.90 | not at this size |" in told("S", missed)
    assert "| 0.50 | 0.40 | holds |" in told("M", held)
    assert "| Memory |  | 70 MiB | **does not hold** |" in told("M", held)
    missed.small = True
    assert "| 0.50 | 0.90 | **does not hold** |" in told("S", missed)


def test_noise_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "NOISY" in told("M", race((1.0, 0.4), (2.0, 0.4), (1.0, 0.4)))
    assert "(quiet)" in told("M", race((1.0, 0.4), (1.01, 0.4), (1.0, 0.4)))


def test_only_what_is_between_the_marks_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "performance.md"
    (begin, end), other = (mark.format("bench") for mark in (report.BEGIN, report.END)), report.BEGIN.format("more")
    page.write_text(f"before\n{begin}\nold\n{end}\nafter\n{other}\n")
    monkeypatch.setattr(report, "PAGE", page)
    report.write("new\n", "bench")
    assert page.read_text() == f"before\n{begin}\n\nnew\n\n{end}\nafter\n{other}\n"


def test_the_page_explains_every_bar_that_does_not_hold_and_no_other() -> None:
    page = report.PAGE.read_text()
    missed = re.findall(r"^\| ([^|]+) \|.*\| \*\*does not hold\*\* \|$", page, re.M)
    explained = page.partition("## What does not hold, and why")[2].partition("\n## ")[0]
    assert re.findall(r"^- \*\*(.+?)\*\*", explained, re.M) == sorted(missed)
    assert not re.search(r"\d\.\d|\d+ (thousand|ms)", explained)  # figures stand in the tables, which are written anew
