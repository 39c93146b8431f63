"""Putting a proven staging file in the place of a live SQLite database: SQLite's backup API, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from lifecycle.formats.base import Prepared, Progress
from opsconsole.engines.base import Engine
from opsconsole.engines.sqlite import copying, files, staging
from opsconsole.exceptions import TargetProblem

RUNTIME_TRIES = 5


def copy_over(spot: files.Spot, prepared: Prepared, run: Progress, witness: Mapping[str, Any]) -> None:
    """The commit point. Tried again when the runtime of D1 wrote its own tables since they were carried over."""
    path = f"{spot.folder}/{prepared.name}"
    for _ in range(RUNTIME_TRIES):
        carried = staging.carry_runtime_tables(spot, path)
        try:
            copying.replace(spot, path, _hooks(spot, run, witness, carried))
        except _RuntimeWrote:
            continue
        run.failpoint("sqlite.copied")
        run.after_commit()
        run.failpoint("restore.swapped")
        return
    raise TargetProblem(
        "locked",
        "The runtime of this D1 database keeps writing its own tables, so nothing was changed.",
        "Stop the program that serves the database, then ask for the operation again.",
    )


class _RuntimeWrote(Exception):
    """The live `_cf_*` tables are not those that were carried over."""


def _hooks(spot: files.Spot, run: Progress, witness: Mapping[str, Any], carried: str) -> copying.Hooks:
    tick = paced(run, "pages", "replace")
    half_reached = False

    def locked() -> None:
        if staging.runtime_digest(spot) != carried:
            raise _RuntimeWrote
        run.recheck()

    def copied(done: int, total: int) -> None:
        nonlocal half_reached
        tick(done, total)
        if not half_reached and done * 2 >= total:
            half_reached = True
            run.failpoint("sqlite.copy_half")

    def last() -> None:
        run.before_commit(witness=witness)
        run.failpoint("restore.in_swap")

    return copying.Hooks(locked=locked, copied=copied, last=last)


def remove_staging(spot: files.Spot, name: str) -> None:
    """Remove a staging file and what SQLite has put beside it."""
    for entry in spot.beside():
        if entry.startswith(name):
            spot.remove(entry)


def paced(run: Progress, unit: str, step: str) -> Callable[[int, int], None]:
    """Reports progress and looks for a cancellation, at most five times a second."""
    next_time = 0.0

    def report(done: int, total: int) -> None:
        nonlocal next_time
        if time.monotonic() >= next_time:
            next_time = time.monotonic() + 0.2
            run.check_cancel()
            run.progress(done, total, unit, step=step)

    return report


def settle(engine: Engine) -> None:
    """Have SQLite roll back what a killed copy into the live database left half done: any reader makes it do so."""
    try:
        engine.schema_fingerprint()
    except TargetProblem:
        pass  # it cannot be read now; whoever reads it first does the same
