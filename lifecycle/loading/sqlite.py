"""Loading into an SQLite file: one transaction that nobody else can write beside, proven before it commits."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lifecycle.documents.base import Document
from lifecycle.formats.base import Progress
from lifecycle.loading import ordering, proving, surveying
from lifecycle.loading.base import MERGE, Covered, Options, RejectObject, Survey
from lifecycle.loading.cells import Cells
from lifecycle.loading.previewing import Beside
from lifecycle.loading.rejects import AGAIN, Rejects
from lifecycle.loading.sqlite_groups import Filling
from lifecycle.loss.sides import Deadline
from opsconsole.engines.base import Engine, TargetLock
from opsconsole.engines.sqlite import SqliteEngine, loading, patching, probe, staging, structure
from opsconsole.engines.sqlite.engine import COUNT_SECONDS
from opsconsole.engines.structure import ForeignKey, Relation, Structure
from opsconsole.exceptions import OperationFailed, OpsError, TargetProblem


class Live:
    """A file that is only looked at."""

    loose_times = True
    reads_texts = False

    def __init__(self, connection: loading.Connection) -> None:
        self._connection = connection

    def structure(self) -> Structure:
        return structure.read(self._connection)

    def counts(self, relations: Sequence[Relation]) -> Mapping[str, int]:
        return {each.name: probe.row_count(self._connection, each.name) for each in relations}

    def referring(self, relation: Relation, key: ForeignKey) -> int:
        given = " AND ".join(f"{probe.quoted(name)} IS NOT NULL" for name in key.columns)
        sql = f"SELECT count(*) FROM {probe.quoted(relation.name)} WHERE {given}"  # noqa: S608 - quoted names
        return int(self._connection.execute(sql).fetchone()[0])

    def fitting(self, document: Document, table: Covered, survey: Survey, rejects: Rejects) -> Cells:
        relation = survey.structure.relations[table.table]
        return Cells(document, table, relation, survey.mode, rejects, lambda rows: None)

    def beside(
        self, relation: Relation, columns: Sequence[str], key: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> Beside:
        found, changed = loading.beside(self._connection, relation.name, columns, key, rows)
        return Beside(found=found, changed=changed)

    def newest(self, relation: Relation, column: str) -> object:
        return loading.newest(self._connection, relation.name, column)


@contextmanager
def looking(engine: Engine, deadline: Deadline | None = None) -> Iterator[Live]:
    """The file, for as long as its rows take to be counted, with some time more than a deadline for comparing."""
    seconds = COUNT_SECONDS + (deadline.seconds if deadline else 0)
    with _own(engine).reading(seconds=seconds) as connection:
        yield Live(connection)


def load(
    engine: Engine, lock: TargetLock, document: Document, survey: Survey, options: Options, run: Progress,
    place: RejectObject | None,
) -> Mapping[str, Any]:  # fmt: skip
    """See `lifecycle.loading.load`."""
    rejects = Rejects(options, place)
    witness = {"identity": engine.identity().key, "token": secrets.token_hex(16)}
    with patching.begun(_own(engine)) as connection:
        run.recheck()
        if structure.read(connection) != survey.structure:
            raise OperationFailed(
                "schema_moved", "The tables were changed since they were looked at.", f"{AGAIN} Ask again."
            )
        before, orphans = _counted(connection, survey), _orphans(connection, survey)
        surveying.require_unreferred(Live(connection), survey)
        filling = Filling(connection, document, survey, rejects, run)
        _clear(connection, survey)
        filling.fill_all()
        _settle(connection, survey, orphans)
        loaded = proving.prove(survey, filling.went, before, _counted(connection, survey))
        stored = rejects.finish(document, survey)
        staging.mark_beside(connection, run.operation_id, run.fence, witness["token"])
        lock.confirm()
        run.failpoint("load.before_commit")
        run.before_commit(witness={**witness, "loaded": proving.facts(loaded, stored, {})})
        connection.execute("COMMIT")
    run.after_commit()
    run.failpoint("load.committed")
    _analyze(_own(engine), survey, run)
    return proving.facts(loaded, stored, witness)


def landed(engine: Engine, witness: Mapping[str, Any]) -> bool | None:
    """See `lifecycle.loading.landed`."""
    if not witness.get("token"):
        return False
    try:
        if engine.identity().key != witness["identity"]:
            return None  # the file itself was replaced since
        with _own(engine).reading() as connection:
            return staging.is_marked(connection, str(witness["token"]))
    except TargetProblem:
        return None


def _clear(connection: loading.Connection, survey: Survey) -> None:
    """Children first, for a reference with RESTRICT is never checked later."""
    groups = ordering.groups(survey.structure, survey.cleared)
    loading.check_later(connection, True)
    loading.clear(connection, [name for group in reversed(groups) for name in group.tables])
    loading.check_later(connection, False)


def _settle(connection: loading.Connection, survey: Survey, orphans: int) -> None:
    """Every reference of the tables that rows went into. What was wrong before a merge is not its fault."""
    found = _orphans(connection, survey) - (orphans if survey.mode == MERGE else 0)
    if found > 0:
        raise OperationFailed(
            "foreign_key",
            f"{found:,} rows would refer to rows that are not there.",
            f"{AGAIN} Look at the references of the document's tables.",
        )


def _orphans(connection: loading.Connection, survey: Survey) -> int:
    return loading.violations(connection, (table.table for table in survey.tables))


def _counted(connection: loading.Connection, survey: Survey) -> dict[str, int]:
    names = {table.table for table in survey.tables} | set(survey.cleared)
    return {name: probe.row_count(connection, name) for name in sorted(names)}


def _analyze(engine: SqliteEngine, survey: Survey, run: Progress) -> None:
    """Statistics for the planner. The load stands without them."""
    try:
        with patching.begun(engine) as connection:
            loading.analyze(connection, [table.table for table in survey.tables])
            connection.execute("COMMIT")
    except OpsError as error:
        run.log(f"The statistics could not be brought up to date: {error}")


def _own(engine: Engine) -> SqliteEngine:
    assert isinstance(engine, SqliteEngine)
    return engine
