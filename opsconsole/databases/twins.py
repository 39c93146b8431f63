"""Other names of one target: asked again when a target is looked at, and counted as the target when in doubt.

What a row says of its target's identity grows old: a file is replaced, a database moves to another server. So when one
name is asked who it is, `ask_again` asks every other name that may be the same target. `twins_of` then reads rows and
nothing else, so it may be used inside a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

from django.db.models import QuerySet

from opsconsole.databases.addresses import engine_for, parse, url_of
from opsconsole.engines import ENGINES
from opsconsole.engines.base import Identity, Likeness
from opsconsole.exceptions import OpsError, Refused
from opsconsole.models import Database

SECONDS = 6.0  # how long the other names may take to answer, all together
AT_ONCE = 8  # names that are asked side by side
SILENT: Identity | str = "It did not answer in time."
T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """What another name said: who it is, or what was wrong; and how its address compares."""

    database: Database
    said: Identity | str
    likeness: Likeness

    @property
    def identity(self) -> Identity | None:
        return self.said if isinstance(self.said, Identity) else None

    @property
    def problem(self) -> str:
        return self.said if isinstance(self.said, str) else ""

    @property
    def same_place(self) -> bool:
        return self.likeness is Likeness.SAME


def twins_of(rows: Iterable[Database]) -> list[Database]:
    """The rows and all registered names of the same targets, with environment and owner group.

    A name is one of them when it has the same identity or the same address, and also when nobody ever learnt who it is
    and its address does not rule it out.
    """
    given = [row.pk for row in rows]
    every = Database.objects.select_related("environment", "owner_group").order_by("name")
    named = list(every.filter(pk__in=given))
    others = _registered({row.engine for row in named}).exclude(pk__in=given)
    return [*named, *(other for other in others if any(_alike(row, other) for row in named))]


def ask_again(database: Database, identity: Identity) -> list[Answer]:
    """What each other name says now that may be the target that has just said `identity` under this name.

    Writes nothing. Raises Refused("twin_unknown") when a name that was the same target gives no answer and may still be
    the same: then nobody knows whose rules count.
    """
    stored = Database.objects.filter(pk=database.pk).values_list("identity", flat=True).first()
    left = {database.identity, stored or ""} - {"", identity.key}
    others = list(_registered({database.engine}).exclude(pk=database.pk))
    places = _side_by_side(lambda row: _looked_at(database, row), others, Likeness.POSSIBLE)
    answers: list[Answer] = []
    while due := [row for row in others if row.identity in left | {identity.key} or _near(row, places[row.pk])]:
        others = [row for row in others if row not in due]
        said = _side_by_side(_asked, due, SILENT)
        answers += [Answer(row, said[row.pk], places[row.pk]) for row in due]
        left |= {answer.database.identity for answer in answers if _has_moved(answer)}
    for answer in answers:
        if answer.identity is None and not answer.same_place and answer.database.identity in left:
            raise _doubt(database, answer)
    return answers


def _registered(engines: Iterable[str]) -> QuerySet[Database]:
    rows = Database.objects.filter(removed_at=None, engine__in=list(engines))
    return rows.select_related("environment", "owner_group").order_by("name")


def _alike(row: Database, other: Database) -> bool:
    if row.engine != other.engine:
        return False
    if row.identity and row.identity == other.identity:
        return True
    likeness = ENGINES[row.engine].likeness(row.display, other.display)
    return _near(other, likeness) or _near(row, likeness)


def _near(row: Database, likeness: Likeness) -> bool:
    """Whether a name counts by its address: it is the same one, or it may be and nobody ever learnt who is there."""
    return likeness is Likeness.SAME or (likeness is Likeness.POSSIBLE and not row.identity)


def _side_by_side(ask: Callable[[Database], T], rows: Sequence[Database], silent: T) -> dict[int, T]:
    """What `ask` gives for each row, by its key, in threads that touch no table; `silent` where it takes too long."""
    if not rows:
        return {}
    pool = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="twins")
    asked = {row.pk: pool.submit(ask, row) for row in rows}
    done, _ = wait(asked.values(), timeout=SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    return {key: future.result() if future in done else silent for key, future in asked.items()}


def _asked(name: Database) -> Identity | str:
    try:
        return engine_for(name).identity()
    except OpsError as error:
        return f"{error.why} {error.next_step}".strip()


def _looked_at(database: Database, name: Database) -> Likeness:
    """How the addresses of this moment compare; of a variable that is not set here, the one that was known."""
    return ENGINES[database.engine].likeness(_display(database), _display(name), look=True)


def _display(database: Database) -> str:
    try:
        return parse(url_of(database)).display
    except OpsError:
        return database.display


def _has_moved(answer: Answer) -> bool:
    return answer.identity is not None and answer.database.identity not in ("", answer.identity.key)


def _doubt(database: Database, answer: Answer) -> Refused:
    name = answer.database.name
    return Refused(
        "twin_unknown",
        f"{database.name} is another database than before, and {name}, which was the same one, cannot be asked. "
        f"{answer.problem}",
        f"Make {name} answer, or have its address changed or it removed, then ask again.",
    )
