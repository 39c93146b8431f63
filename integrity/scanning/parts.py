"""Which rows of a table are looked at: all of them, or, of a huge table and when somebody asked for it, a sample.

A sample is drawn by places (PostgreSQL's pages, ranges of SQLite's rowids), because looking at single rows here and
there costs as much as looking at all. Faults often lie together, so that the places, and not the rows, tell how exact
it is: with y faults in each of the places drawn, of which every place had the chance p, the estimate of all is the sum
of y / p, and its variance is estimated by the sum of (1 - p) y^2 / p^2 (Horvitz and Thompson 1952, for places drawn
independently of each other, as TABLESAMPLE SYSTEM draws pages).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from integrity.checks.base import Moment, named

HUGE = 1_000_000  # rows; smaller tables are always looked at whole
RANGES = 400  # of rowids, that are looked at on SQLite
MOST_ASTRAY = 0.5  # by which the rows of a sample may differ from what its share should have, before it is dropped
_SURE = 1.96  # standard deviations on either side that hold 95 of 100 results


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows as SQL has them after FROM, with the alias t. `place` is SQL that tells the place of a row; empty for all
    rows. `share` is that of the places that are looked at; `of` the rows of the table where they were counted before.
    """

    source: str
    place: str = ""
    share: float = 1.0
    of: int | None = None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """About how many rows of the whole there are, and the bounds between which they are 95 times in 100."""

    count: int
    least: int
    most: int


def whole(moment: Moment, table: str) -> Part:
    """Every row."""
    return Part(source=f"{named(moment.structure, table)} AS t")


def part_of(moment: Moment, table: str, percent: float, seed: int, seconds: float) -> Part:
    """A sample when the table is huge and `percent` is set, else every row. Raises AskFailed."""
    if not 0 < percent < 100:
        return whole(moment, table)
    if moment.vendor == "postgresql":
        return _pages(moment, table, percent, seed, seconds)
    return _ranges(moment, table, percent, seed, seconds)


def estimate(count: int, squares: int, share: float) -> Estimate:
    """Of a count in the places drawn, and the sum of the squares of the places' counts."""
    about = count / share
    error = _SURE * math.sqrt((1 - share) * squares) / share
    return Estimate(count=round(about), least=max(count, math.ceil(about - error)), most=math.floor(about + error))


def _pages(moment: Moment, table: str, percent: float, seed: int, seconds: float) -> Part:
    name = named(moment.structure, table)
    ((known,),) = moment.inquiry.ask(
        "SELECT coalesce(sum(c.reltuples), 0)::bigint FROM pg_class c WHERE c.relkind = 'r' AND (c.oid = to_regclass(?)"
        " OR c.oid IN (SELECT relid FROM pg_partition_tree(to_regclass(?))))",
        (name, name),
        seconds=seconds,
    )
    if known <= HUGE:
        return whole(moment, table)
    return Part(
        source=f"{name} AS t TABLESAMPLE SYSTEM ({percent:g}) REPEATABLE ({seed})",
        place="t.tableoid, (t.ctid::text::point)[0]",
        share=percent / 100,
    )


def _ranges(moment: Moment, table: str, percent: float, seed: int, seconds: float) -> Part:
    """Ranges of rowids of equal width, drawn by lot. Counting all rows is cheap here, by the smallest index."""
    name, everything = named(moment.structure, table), whole(moment, table)
    ((rowids,),) = moment.inquiry.ask(
        "SELECT count(*) FROM pragma_table_list(?) WHERE schema = 'main' AND NOT wr", (table,), seconds=seconds
    )
    if not rowids or any(field.name.lower() == "rowid" for field in moment.structure.relations[table].fields):
        return everything
    ((of, low, high),) = moment.inquiry.ask(
        f"SELECT (SELECT count(*) FROM {name}), (SELECT min(rowid) FROM {name}), (SELECT max(rowid) FROM {name})",
        seconds=seconds,
    )
    if of <= HUGE:
        return everything
    number = round(RANGES * 100 / percent)
    width = -(-(high - low + 1) // number)
    drawn = sorted(random.Random(seed).sample(range(number), RANGES))  # noqa: S311 - a sample, not a secret
    starts = [low + place * width for place in drawn]
    values = ", ".join(f"({start}, {start + width - 1})" for start in starts)
    within = "t.rowid BETWEEN _place.column1 AND _place.column2"
    part = Part(
        source=f"(VALUES {values}) AS _place CROSS JOIN {name} AS t ON {within}",
        place="_place.column1",
        share=RANGES / number,
        of=of,
    )
    ((seen,),) = moment.inquiry.ask(f"SELECT count(*) FROM {part.source}", seconds=seconds)
    astray = abs(seen / part.share - of) / of
    return part if astray <= MOST_ASTRAY else everything  # rowids with huge gaps
