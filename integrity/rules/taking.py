"""A rule of kind `shape` taken from what a database has today, and what it would find in another one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from integrity.checks import moments
from integrity.checks.base import SCHEMA, Found, Moment, Severity
from integrity.rules.base import Spec
from integrity.rules.compiling import LOOK_SECONDS
from integrity.rules.kinds.shape import Shape, taken_from
from integrity.rules.requested import as_json
from opsconsole import heads
from opsconsole.databases import engine_for
from opsconsole.engines.inquiry import AskFailed
from opsconsole.exceptions import OperationFailed, Usage
from opsconsole.heads import Head
from opsconsole.models import Database

NAME = "taken-shape"  # of the rule; the packs' own are called otherwise
HEAD = "migration-head"


def take(database: Database) -> Spec:
    """The rule. Raises TargetProblem, Usage for a database without tables, OperationFailed when it cannot be read."""
    with _moment(database) as moment:
        if not moment.structure.relations:
            raise Usage("no_tables", f"{database.name} has no tables, so there is no shape to take.")
        spec = taken_from(moment)
    hint = f"The shape was taken from {database.name}. If the change is meant, take it again after the migration."
    return Spec(name=NAME, kind=Shape.name, spec=spec, severity=Severity.CRITICAL, category=SCHEMA, hint=hint)


def take_head(database: Database) -> tuple[Spec, Head]:
    """The rule that says what the database's migrations make of an empty one. Raises Usage when nobody built that."""
    head = heads.newest(database)
    if head is None:
        raise Usage(
            "no_head",
            f"Nobody has built the migrations of {database.name} from nothing, so their head is not known.",
            f"Rehearse the whole folder first: `operate rehearse {database.name} --set mode=fresh`.",
        )
    tables = [
        {"name": name, "columns": [{"name": column, "type": kind} for column, kind in columns]}
        for name, columns in head.tables.items()
    ]
    spec = Shape().checked({"tables": tables, "indexes": list(head.indexes)})
    hint = f"The shape is that of the migrations, by {head.words}. Apply what is missing, or take it again."
    rule = Spec(name=HEAD, kind=Shape.name, spec=spec, severity=Severity.CRITICAL, category=SCHEMA, hint=hint)
    return rule, head


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
    try:
        with moments.opened(engine_for(database), database.name, seconds=LOOK_SECONDS) as moment:
            yield moment
    except AskFailed as error:
        raise OperationFailed(
            "not_read", f"The catalogue of {database.name} could not be read: {error.why}.", "Try again."
        ) from error
