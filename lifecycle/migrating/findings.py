"""What a review says of each text that a plan would run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from lifecycle.sources.acts import Unit
from lifecycle.sources.base import Migration, Place
from lifecycle.sources.statements import require_own_transaction
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Refused
from opsconsole.review import Dialect, Live, Review, Statement, dialect_of, review, split


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """One text of one migration. `unit` and `act` are its place: the number of the unit, and of the text in it."""

    unit: int
    act: int
    key: str
    name: str
    review: Review

    def to_json(self) -> list[dict[str, Any]]:
        """Its findings as a plan keeps them; `line` is within the text."""
        place = {"unit": self.unit, "act": self.act, "migration": self.key}
        return [place | finding.to_json() for finding in self.review.findings]


def reviewed(
    engine: Engine,
    units: Sequence[Unit],
    chosen: Sequence[Migration],
    live: Live,
    wrote: Mapping[tuple[str, int], int] | None = None,
) -> list[Reviewed]:
    """A review of every text, in their order. `wrote` are rows by migration's name and line, where somebody counted."""
    names, dialect = {each.key: each.name for each in chosen}, dialect_of(engine)
    places = []
    for number, unit in enumerate(units):
        inside = {id(act): phase.transaction for phase in unit.phases for act in phase.acts}
        places += [(number, act, inside[id(act)], place) for place, act in enumerate(unit.scripts)]
    texts = [
        _Text(act.sql, transaction or _implicit(act.sql, dialect), names.get(act.migration, act.migration))
        for _, act, transaction, _ in places
    ]
    return [
        Reviewed(unit=number, act=place, key=act.migration, name=names.get(act.migration, act.migration), review=result)
        for (number, act, _, place), result in zip(places, _in_turn(texts, dialect, live, wrote or {}), strict=True)
    ]


def refuse_impossible(engine: Engine, units: Sequence[Unit], found: Sequence[Reviewed]) -> None:
    """Raise Refused for a text that cannot run in the transaction of its tool."""
    names, here = {each.key: each.name for each in found}, Place(engine=engine.name, database="")
    for act in (act for unit in units for phase in unit.phases if phase.transaction for act in phase.acts):
        if act.script:
            require_own_transaction(names.get(act.migration, act.migration), act.sql, here)
    for each in found:
        _refuse_impossible(each.name, each.review)


@dataclass(frozen=True)
class _Text:
    sql: str
    transaction: bool
    name: str  # of its migration


def _in_turn(
    texts: Sequence[_Text], dialect: Dialect, live: Live, wrote: Mapping[tuple[str, int], int]
) -> Iterator[Review]:
    """A review of each text that knows what those before it have made: they are read as one, where that is possible."""
    for transaction, group in groupby(texts, lambda text: text.transaction):
        given = list(group)
        some = [text.sql for text in given]
        alone = [split(text, dialect) for text in some]
        lines_of = [(text.name, each.line) for text, found in zip(given, alone, strict=True) for each in found]
        counted = {number: wrote[place] for number, place in enumerate(lines_of, 1) if place in wrote}
        known = replace(live, matching={**live.matching, **counted})
        whole = review(_BETWEEN.join(some), dialect, known, transaction=transaction)
        if len(whole.statements) != sum(map(len, alone)) or any(each.rule == "too-large" for each in whole.findings):
            yield from (review(text, dialect, live, transaction=transaction) for text in some)
            continue
        numbers, lines = 0, 0
        for text, statements in zip(some, alone, strict=True):
            yield _part(whole, statements, numbers, lines)
            numbers += len(statements)
            lines += text.count("\n") + _BETWEEN.count("\n")


_BETWEEN = "\n;\n"


def _part(whole: Review, statements: Sequence[Statement], numbers: int, lines: int) -> Review:
    """What is said of the statements behind the first `numbers`, as if their text stood alone."""
    own = range(numbers + 1, numbers + len(statements) + 1)
    findings = tuple(
        replace(finding, statement=finding.statement - numbers, line=finding.line - lines)
        for finding in whole.findings
        if finding.statement in own
    )
    return Review(statements=tuple(statements), findings=findings)


def _implicit(text: str, dialect: Dialect) -> bool:
    """Several statements that PostgreSQL gets at once are one transaction."""
    return dialect is Dialect.POSTGRESQL and len(split(text, dialect)) > 1


def _refuse_impossible(name: str, result: Review) -> None:
    for finding in result.findings:
        if finding.rule == "concurrently-in-transaction":
            raise Refused(
                "cannot_run",
                f"{name}, line {finding.line}: {finding.reason} Here it would run inside one, so it would fail: "
                "statements that are sent together are one transaction.",
                finding.hint,
            )
