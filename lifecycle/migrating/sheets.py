"""A plan's SQL as people read it: numbered lines, what the review found beside its line, and the rest folded.

Everything comes from the sealed plan. A page shows only so much of it; what is left out is counted, and stands in the
download. Lines that something was found on come first: the gravest are always shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any

from lifecycle.migrating import showing
from lifecycle.sources.acts import Act, Unit
from opsconsole.review import Dialect, Severity
from opsconsole.review.highlighting import Span, highlight

SHORT = 24  # lines of a text that is not folded
AROUND = 2  # lines shown before and after one that something was found on
LEAST_FOLDED = 5  # lines
LONGEST_LINE = 600  # characters
MOST_FOUND = 200  # findings whose lines are always shown
MOST_LINES = 1500  # of all texts together, without those around findings
MOST_COLOURED = 1 << 20  # characters
SIGNS = {
    Severity.DESTRUCTIVE: ("red", "warning"),
    Severity.UNKNOWN: ("violet", "help"),
    Severity.LOCKING: ("amber", "lock"),
    Severity.WARNING: ("orange", "priority_high"),
    Severity.INFO: ("grey", "info"),
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """One finding, and where it stands. Only of the gravest is the line sure to be `shown`."""

    severity: Severity
    reason: str
    hint: str
    migration: str
    unit: int
    act: int
    line: int
    shown: bool

    @property
    def anchor(self) -> str:
        """The name of its line on the page."""
        return f"sql-{self.unit + 1}-{self.act + 1}-{self.line}" if self.shown else ""

    @property
    def face(self) -> tuple[str, str]:
        """Colour and sign."""
        return SIGNS[self.severity]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a text. `cut` is how many of its characters are left out."""

    number: int
    spans: Sequence[Span]
    cut: int = 0
    found: Sequence[Found] = ()

    @property
    def gravest(self) -> Found | None:
        return self.found[0] if self.found else None


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Lines that stand together: shown, folded, or (without `lines`) left out."""

    first: int
    last: int
    lines: Sequence[Line] = ()
    folded: bool = False


@dataclass(frozen=True, kw_only=True)
class Text:
    """One text that is run, or (`ledger`) what the tool's ledger gets."""

    stretches: Sequence[Stretch]
    ledger: bool = False


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """What one unit runs."""

    title: str
    atomic: bool
    texts: Sequence[Text]


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The findings of one severity; `first` of them are linked."""

    severity: Severity
    number: int
    first: Sequence[Found]

    @property
    def face(self) -> tuple[str, str]:
        """Colour and sign."""
        return SIGNS[self.severity]

    @property
    def more(self) -> int:
        return self.number - len(self.first)


def found_in(told: Mapping[str, Any]) -> list[Found]:
    """What the review said when it was planned, the gravest first; `told` are the plan's parameters."""
    names = {each["key"]: each["name"] for each in told.get("migrations", ())}
    given = sorted(told.get("findings", ()), key=lambda each: -Severity[each["severity"].upper()])
    return [
        Found(
            severity=Severity[each["severity"].upper()],
            reason=each["reason"],
            hint=each["hint"],
            migration=names.get(each["migration"], each["migration"]),
            unit=each["unit"],
            act=each["act"],
            line=each["line"],
            shown=place < MOST_FOUND,
        )
        for place, each in enumerate(given)
    ]


def counted(found: Sequence[Found], linked: int) -> list[Counted]:
    """By severity, the gravest first."""
    groups = [(severity, list(group)) for severity, group in groupby(found, lambda each: each.severity)]
    return [Counted(severity=severity, number=len(some), first=some[:linked]) for severity, some in groups]


@dataclass
class Layout:
    """Lays out units one after another. `left_out` counts those of which nothing is shown."""

    dialect: Dialect
    left_out: int = 0
    _lines: int = field(default=MOST_LINES)  # for which there is room
    _coloured: int = field(default=MOST_COLOURED)

    def sheets(self, units: Sequence[Unit], found: Sequence[Found]) -> list[Sheet]:
        """A sheet for each unit while there is room, and for each of which a line is always shown."""
        by_unit: dict[int, list[Found]] = {}
        for each in found:
            if each.shown:
                by_unit.setdefault(each.unit, []).append(each)
        made = []
        for number, unit in enumerate(units):
            if self._lines <= 0 and number not in by_unit:
                self.left_out += 1
            else:
                made.append(self._sheet(unit, by_unit.get(number, ())))
        return made

    def _sheet(self, unit: Unit, found: Sequence[Found]) -> Sheet:
        texts = [self._text(act, ()) for phase in unit.always for act in phase.acts]
        number = 0
        for act in (act for phase in unit.phases for act in phase.acts):
            texts.append(self._text(act, [each for each in found if act.script and each.act == number]))
            number += act.script
        return Sheet(title=unit.title, atomic=unit.atomic, texts=texts)

    def _text(self, act: Act, found: Sequence[Found]) -> Text:
        text = showing.act_text(act).rstrip("\n")
        total = text.count("\n") + 1
        by_line: dict[int, list[Found]] = {}
        for each in found:
            by_line.setdefault(min(each.line, total), []).append(each)
        near = {number for line in by_line for number in range(line - AROUND, line + AROUND + 1)}
        ways = list(self._ways(total, near))
        wanted = max((last for _, last, way in ways if way != "out"), default=0)
        lines = list(islice(self._spans(text), wanted))
        stretches = []
        for first, last, way in ways:
            numbers = range(first, last + 1) if way != "out" else ()
            some = [_line(number, lines[number - 1], by_line.get(number, ())) for number in numbers]
            stretches.append(Stretch(first=first, last=last, lines=some, folded=way == "folded"))
        return Text(stretches=stretches, ledger=not act.script)

    def _ways(self, total: int, near: set[int]) -> Iterator[tuple[int, int, str]]:
        """(first line, last line, way): which lines are open, folded, or out for want of room."""
        for always, group in groupby(range(1, total + 1), near.__contains__):
            numbers = list(group)
            first, last = numbers[0], numbers[-1]
            taken = len(numbers) if always else min(len(numbers), self._lines)
            self._lines -= 0 if always else taken
            if taken:
                is_open = always or total <= SHORT or len(numbers) < LEAST_FOLDED
                yield first, first + taken - 1, "open" if is_open else "folded"
            if taken < len(numbers):
                yield first + taken, last, "out"

    def _spans(self, text: str) -> Iterator[Sequence[Span]]:
        if len(text) > self._coloured:
            return ([Span("", line)] for line in text.split("\n"))
        self._coloured -= len(text)
        return highlight(text, self.dialect)


def _line(number: int, spans: Sequence[Span], found: Sequence[Found]) -> Line:
    length, kept, room = sum(len(span.text) for span in spans), list[Span](), LONGEST_LINE
    if length <= LONGEST_LINE:
        return Line(number=number, spans=spans, found=found)
    for span in spans:
        if room > 0:
            kept.append(Span(span.kind, span.text[:room]))
            room -= len(span.text)
    return Line(number=number, spans=kept, cut=length - LONGEST_LINE, found=found)
