"""Opening a moment of a database, in one way for whoever asks checks and rules: reports, fixes, health, previews."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from integrity.checks.base import Moment, Progress, unheard
from opsconsole.engines.base import Engine


@contextmanager
def opened(
    engine: Engine,
    name: str,
    *,
    seconds: float,
    before: Mapping[str, int] | None = None,
    quick: bool = False,
    ruled: frozenset[tuple[str, str]] = frozenset(),
    follow: Progress = unheard,
) -> Iterator[Moment]:
    """A moment of the database called `name`, each question of which may take `seconds`; see `Moment` for the rest.

    Raises TargetProblem when the database cannot be reached, and AskFailed as `Engine.inquiry` does.
    """
    structure, d1 = engine.structure(), engine.is_d1
    with engine.inquiry(seconds=seconds) as inquiry:
        yield Moment(
            inquiry=inquiry,
            engine=engine,
            structure=structure,
            name=name,
            d1=d1,
            before=before or {},
            quick=quick,
            ruled=ruled,
            follow=follow,
        )
