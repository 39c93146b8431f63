"""Comparing two sides table by table: exactly where that is quick, by a sample where not, by counts at the least."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from lifecycle.loss.sides import Asked, Deadline, OutOfTime, Row, Shape, Side
from lifecycle.loss.times import time_column
from lifecycle.loss.values import LossPreview, TableLoss, biggest_first
from opsconsole.engines.sqlite.scratch import Hashed, Scratch, scratch

LOOK_EVERY = 2000  # rows between two looks at the clock
Count = tuple[int | None, bool]
Keep = Callable[[Side, Asked, Iterator[Row]], None]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How far a comparison goes: `exact_rows` of one table, `sample_rows` of a larger one, `seconds` for everything."""

    exact_rows: int
    sample_rows: int
    seconds: float


def compare(live: Side, other: Side, limits: Limits, deadline: Deadline, keep: Keep | None = None) -> LossPreview:
    """Every table of either side, the small ones first, so that a deadline takes the detail of the large ones.

    `keep` is given the rows of each table that are only live, where these are known exactly and there are some.
    """
    here, there = dict(live.counts()), dict(other.counts())
    names = sorted(here | there, key=lambda name: max(here.get(name, _NONE)[0] or 0, there.get(name, _NONE)[0] or 0))
    with scratch() as paper:
        pair = _Pair(live, other, limits, deadline, paper, keep)
        found = [pair.table(name, here.get(name), there.get(name)) for name in names]
    return LossPreview(tables=biggest_first(found), other=other.name, other_at=other.at)


_NONE: Count = (0, True)


@dataclass(frozen=True)
class _Pair:
    live: Side
    other: Side
    limits: Limits
    deadline: Deadline
    paper: Scratch
    keep: Keep | None

    def table(self, name: str, here: Count | None, there: Count | None) -> TableLoss:
        if here is None or there is None:
            return _one_sided(name, here, there)
        least = _by_counts(name, here, there)
        shape = self.live.shapes().get(name)
        if why := self._incomparable(name, shape):
            return replace(least, note=why, comparable=False)
        assert shape is not None
        asked = Asked(
            table=name, shape=shape, form=self.other.form(name), time=self._time(shape),
            numbered=self.live.numbered(name),
        )  # fmt: skip
        if (here[0], there[0]) == (0, 0) and here[1] and there[1]:
            return replace(least, only_live=0, changed=0, only_other=0, exact=True)
        try:
            if max(here[0] or 0, there[0] or 0) <= self.limits.exact_rows:
                return self._exactly(asked, least)
            return self._sampled(asked, least)
        except OutOfTime as over:
            return replace(least, note=f"only the counts are compared: {over.why}")

    def _incomparable(self, name: str, shape: Shape | None) -> str:
        for side in (self.live, self.other):
            if side.hidden_why:
                return f"only the counts are compared: {side.hidden_why}"
        if shape is None:
            return "only the counts are compared: its columns cannot be read"
        theirs = self.other.shapes().get(name)
        if theirs is None:
            return f"only the counts are compared: {self.other.name} does not tell its columns"
        if theirs != shape:
            return "only the counts are compared: its columns or its key have changed"
        return ""

    def _time(self, shape: Shape) -> str:
        return time_column(shape.columns, loose=self.live.loose_times)

    def _exactly(self, asked: Asked, least: TableLoss) -> TableLoss:
        digest = self.other.digest(asked) if least.rows_live == least.rows_other else ""
        if digest and self.live.digest(asked) == digest:
            return self._equal(asked, least)
        self.paper.clear()
        live = other = 0
        for side in (self.live, self.other):
            take = self.paper.first if side is self.live else self.paper.second
            counted = _Counted(self._hashed(side, asked))
            take(counted)
            live, other = (counted.rows, other) if side is self.live else (live, counted.rows)
        found = self.paper.difference()
        if self.keep and found.only_first:
            rows = ((row.hashed[0], row) for row in self.live.rows(asked))
            self.keep(self.live, asked, self.paper.surplus(rows))
        return replace(
            least,
            rows_live=live,
            rows_other=other,
            only_live=found.only_first,
            changed=found.changed if asked.shape.has_key else None,
            only_other=found.only_second,
            newest_live=self.live.newest(asked) if asked.time else None,
            newest_other=self.other.newest(asked) if asked.time else None,
            exact=True,
            note="" if asked.shape.has_key else "it has no primary key, so changed rows count as lost",
        )

    def _equal(self, asked: Asked, least: TableLoss) -> TableLoss:
        """The very same rows in the very same order, as in a table that nobody has touched."""
        newest = self.live.newest(asked) if asked.time else None
        return replace(
            least, only_live=0, changed=0, only_other=0, newest_live=newest, newest_other=newest, exact=True
        )  # fmt: skip

    def _sampled(self, asked: Asked, least: TableLoss) -> TableLoss:
        if not asked.shape.has_key:
            return replace(least, note="only the counts are compared: it is large and has no primary key")
        rows = self.other.sample(asked, self.limits.sample_rows)
        if not rows or least.rows_live is None or least.rows_other is None:
            return replace(least, note="only the counts are compared: it is too large")
        found = self.live.find(asked, rows)
        absent = sum(row.key not in found for row in rows)
        altered = sum(row.key in found and found[row.key] != row.row for row in rows)
        only_other = max(least.rows_other * absent // len(rows), least.rows_other - least.rows_live)
        return replace(
            least,
            only_live=max(0, least.rows_live - least.rows_other + only_other),
            changed=least.rows_other * altered // len(rows),
            only_other=only_other,
            newest_live=self.live.newest(asked) if asked.time else None,
            note=f"estimated from a sample of {len(rows):,} rows",
        )

    def _hashed(self, side: Side, asked: Asked) -> Iterator[Hashed]:
        for number, row in enumerate(side.rows(asked)):
            if number % LOOK_EVERY == 0:
                self.deadline.check()
            yield row.hashed


class _Counted:
    """Counts what is taken out of an iterator."""

    def __init__(self, given: Iterator[Hashed]) -> None:
        self._given = given
        self.rows = 0

    def __iter__(self) -> Iterator[Hashed]:
        for item in self._given:
            self.rows += 1
            yield item


def _one_sided(name: str, here: Count | None, there: Count | None) -> TableLoss:
    """A table that only one side has: all of its rows are lost, or none is."""
    live, other = (here[0] if here else None), (there[0] if there else None)
    counted = (here or there or _NONE)[1]
    return TableLoss(
        table=name,
        rows_live=live,
        rows_other=other,
        only_live=live if here else 0,
        changed=0,
        only_other=other if there else 0,
        exact=counted,
        note="" if counted else "its rows are estimated by the server",
    )


def _by_counts(name: str, here: Count, there: Count) -> TableLoss:
    """The least that can be said: what counts alone tell."""
    known = here[0] is not None and there[0] is not None
    difference = (here[0] or 0) - (there[0] or 0)
    return TableLoss(
        table=name,
        rows_live=here[0],
        rows_other=there[0],
        only_live=max(0, difference) if known else None,
        changed=None,
        only_other=max(0, -difference) if known else None,
        exact=False,
    )
