"""A rule of kind `shape` taken from what a database has today, and what it would find in another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from integrity.checks.base import SCHEMA, Found, Moment, Severity
from integrity.rules.base import Spec
from integrity.rules.compiling import LOOK_SECONDS
from integrity.rules.kinds.shape import Shape, taken_from
from integrity.rules.requested import as_json
from opsconsole.databases import engine_for
from opsconsole.engines.inquiry import AskFailed
from opsconsole.exceptions import OperationFailed, Usage
from opsconsole.models import Database

NAME = "taken-shape"  # of the rule; the packs' own are called otherwise


def take(database: Database) -> Spec:
    """The rule. Raises TargetProblem, Usage for a database without tables, OperationFailed when it cannot be read."""
    with _moment(database) as moment:
        if not moment.structure.relations:
            raise Usage("no_tables", f"{database.name} has no tables, so there is no shape to take.")
        spec = taken_from(moment)
    hint = f"The shape was taken from {database.name}. If the change is meant, take it again after the migration."
    return Spec(name=NAME, kind=Shape.name, spec=spec, severity=Severity.CRITICAL, category=SCHEMA, hint=hint)


def differences(rule: Spec, database: Database) -> list[str]:
    """What a check of this database would find by it now, as sentences. Raises like `take`."""
    with _moment(database) as moment:
        return [each.sentence for each in Shape().look(rule, moment) if isinstance(each, Found)]


def asked_for(rule: Spec, database: Database) -> dict[str, Any]:
    """The parameters of the change that sets it there."""
    return {"database": database.pk, "rules": [as_json(rule)], "remove": []}


def refuse_other(database: Database, source: Database) -> None:
    """Raises Usage when a shape of one says nothing about the other."""
    if database.engine != source.engine:
        raise Usage(
            "other_engine",
            f"{source.name} is a database of {source.engine}, and {database.name} of {database.engine}: their types"
            " cannot be compared.",
            "Take the shape of a database of the same engine.",
        )


@contextmanager
def _moment(database: Database) -> Iterator[Moment]:
    engine = engine_for(database)
    try:
        with engine.inquiry(seconds=LOOK_SECONDS) as inquiry:
            yield Moment(inquiry=inquiry, engine=engine, structure=engine.structure(), name=database.name)
    except AskFailed as error:
        raise OperationFailed(
            "not_read", f"The catalogue of {database.name} could not be read: {error.why}.", "Try again."
        ) from error
