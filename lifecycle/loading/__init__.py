"""Loading the rows of a document into tables that are there: first looked at, then done in one transaction, or not.

`survey` says what goes where, what is left out and what stands in the way; `load` does all of it or nothing, proven
before it commits; `landed` tells on which side of its commit a lost run ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifecycle import loss
from lifecycle.documents.base import Document
from lifecycle.formats.base import Progress
from lifecycle.loading import postgresql, previewing, sqlite, surveying
from lifecycle.loading.base import (
    FILE,
    MERGE,
    REPLACE,
    STOP,
    Covered,
    Group,
    Ledger,
    Options,
    Pair,
    Question,
    RejectObject,
    Survey,
    Uncovered,
)
from lifecycle.loss.sides import Deadline
from opsconsole.engines.base import Engine, TargetLock

__all__ = [
    "FILE", "MERGE", "REPLACE", "STOP", "Covered", "Group", "Ledger", "Options", "Pair", "Question", "RejectObject",
    "Survey", "Uncovered", "landed", "load", "preview", "survey",
]  # fmt: skip

_VENDORS = {"postgresql": postgresql, "sqlite": sqlite}


def survey(engine: Engine, document: Document, options: Options) -> Survey:
    """A document beside a database. Reads only; every row of the database is counted, none of the document's is read.

    Raises TargetProblem when the database cannot be read, Usage for options that there are not.
    """
    with _VENDORS[engine.name].looking(engine) as live:
        return surveying.survey(live, document.summary, options)


def preview(engine: Engine, document: Document, survey: Survey, within: loss.Limits | None = None) -> loss.LossPreview:
    """What the load of a survey would take away or overwrite, as a restore tells it. Reads only.

    Tables up to `within.exact_rows` rows are compared row by row, as long as `within.seconds` last; of others the
    counts are told. Raises TargetProblem when the database cannot be read.
    """
    wanted = within or loss.limits()
    deadline = Deadline(wanted.seconds)
    with _VENDORS[engine.name].looking(engine, deadline) as live:
        return previewing.preview(live, document, survey, wanted, deadline)


def load(
    engine: Engine, lock: TargetLock, document: Document, survey: Survey, options: Options, run: Progress, *,
    rejects: RejectObject | None = None,
) -> Mapping[str, Any]:  # fmt: skip
    """Put the rows of `document` into the tables of `survey`, in one transaction; `rejects` is where rows go that do
    not fit, when the options say so.

    Gives back facts for the result: `tables` (rows, inserted, updated, unchanged, rejected, before, after of each),
    `rows`, `rejected`, `rejects` (the published object, or None), `witness`. Right before the tables are locked:
    `run.recheck()`; before the commit `run.before_commit(witness=...)`, which holds the same facts as `loaded`; right
    after it `run.after_commit()`.

    Failpoints: load.half, load.before_commit, load.committed. Raises Refused when the survey has refusals or open
    questions, OperationFailed when a row does not fit, counts differ or the tables stay locked; nothing was changed.
    """
    survey.require()
    return _VENDORS[engine.name].load(engine, lock, document, survey, options, run, rejects)


def landed(engine: Engine, witness: Mapping[str, Any]) -> bool | None:
    """Whether the transaction of a lost run was committed; None when that cannot be known. Reads only."""
    return _VENDORS[engine.name].landed(engine, witness)
