"""How each database stands: lines with a level and a sentence, read for many databases at once.

Apps add readers (`register_reader`); the kernel's own says whether the database could be reached and what holds it.
The dashboard's cards, the list of databases and the overview tab show the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from opsconsole import kinds
from opsconsole.models import Database, Operation
from opsconsole.states import State


class Level(IntEnum):
    """How much a line matters; the largest of a database's lines is the database's."""

    GOOD = 0
    UNKNOWN = 1  # nobody has looked
    WATCH = 2
    BAD = 3

    @property
    def word(self) -> str:
        return {0: "well", 1: "to know", 2: "watch", 3: "needs you"}[int(self)]

    @property
    def colour(self) -> str:
        return {0: "green", 1: "grey", 2: "amber", 3: "red"}[int(self)]

    @property
    def icon(self) -> str:
        return {0: "check_circle", 1: "help", 2: "visibility", 3: "error"}[int(self)]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One reason. `topic` is one word for the margin, `link` where to do something about it, `at` when it was so."""

    topic: str
    level: Level
    sentence: str
    at: datetime | None = None
    link: str = ""
    link_text: str = ""

    @property
    def asks(self) -> bool:
        """Whether its link leads to a request, which not everybody may make."""
        return "/request/" in self.link


@dataclass(frozen=True)
class Posture:
    """All lines of one database, worst first."""

    lines: tuple[Line, ...]

    @property
    def level(self) -> Level:
        return max((line.level for line in self.lines), default=Level.GOOD)

    @property
    def reasons(self) -> list[Line]:
        """The lines that keep it from being well."""
        return [line for line in self.lines if line.level > Level.GOOD]

    def line(self, topic: str) -> Line | None:
        return next((line for line in self.lines if line.topic == topic), None)


Reader = Callable[[Sequence[Database]], Mapping[int, Sequence[Line]]]
_READERS: list[Reader] = []


def register_reader(reader: Reader) -> None:
    """Add a reader: databases in, lines by database id out, with as many queries for a hundred as for one."""
    if reader in _READERS:
        raise TypeError(f"{reader!r} is registered twice")
    _READERS.append(reader)


def posture_of(databases: Sequence[Database]) -> dict[int, Posture]:
    """The posture of every given database by its id."""
    lines: dict[int, list[Line]] = {database.pk: [] for database in databases}
    for reader in _READERS:
        for pk, found in reader(databases).items():
            lines[pk].extend(found)
    return {pk: Posture(tuple(sorted(found, key=lambda line: -line.level))) for pk, found in lines.items()}


def _reachable(databases: Sequence[Database]) -> dict[int, list[Line]]:
    return {database.pk: [_connection(database)] for database in databases}


def _connection(database: Database) -> Line:
    if database.problem:
        return Line(
            topic="connection", level=Level.BAD, sentence=database.problem, at=database.seen_at,
            link=database.get_absolute_url(), link_text="Test the connection",
        )  # fmt: skip
    if database.seen_at is None:
        return Line(
            topic="connection", level=Level.UNKNOWN, sentence="Nobody has tested the connection yet.",
            link=database.get_absolute_url(), link_text="Test the connection",
        )  # fmt: skip
    return Line(
        topic="connection", level=Level.GOOD, sentence="It answered when it was last asked.", at=database.seen_at
    )


def _undecided(databases: Sequence[Database]) -> dict[int, list[Line]]:
    """Databases that an indeterminate operation keeps locked until a person decides."""
    rows = Operation.objects.filter(state=State.INDETERMINATE, targets__active=True, targets__database__in=databases)
    found: dict[int, list[Line]] = {}
    for pk, operation, kind, at in rows.values_list("targets__database", "pk", "kind", "started_at"):
        line = Line(
            topic="locked", level=Level.BAD, at=at, link=f"/operations/{operation}/", link_text="Look and decide",
            sentence=f"Nobody can tell how its {kinds.noun(kind)} ended; until it is settled nothing else runs on it.",
        )  # fmt: skip
        found.setdefault(pk, []).append(line)
    return found


register_reader(_reachable)
register_reader(_undecided)
