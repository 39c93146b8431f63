"""Loading into PostgreSQL: one transaction, with the tables locked first and everything proven before it commits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from lifecycle.documents.base import Document
from lifecycle.formats.base import Progress
from lifecycle.formats.postgresql_base import connector_of
from lifecycle.loading import proving, surveying
from lifecycle.loading.base import Covered, Options, RejectObject, Survey
from lifecycle.loading.lines import Texts
from lifecycle.loading.postgresql_groups import Filling
from lifecycle.loading.previewing import Beside, Unlike
from lifecycle.loading.proving import Went
from lifecycle.loading.rejects import AGAIN, Rejects
from lifecycle.loss.sides import Deadline, OutOfTime
from opsconsole.engines.base import Engine, TargetLock
from opsconsole.engines.postgresql import catalogue, in_place, loading, matching, patching, structure
from opsconsole.engines.postgresql.attending import Attendant, attending
from opsconsole.engines.postgresql.complaints import complaint_of, is_of_data
from opsconsole.engines.postgresql.connect import LONG, LOOK, Connection, Connector
from opsconsole.engines.structure import ForeignKey, Relation, Structure
from opsconsole.exceptions import OperationFailed, TargetProblem


class Live:
    """A database that is only looked at, with a deadline where rows are compared."""

    loose_times = False
    reads_texts = True

    def __init__(self, session: Connection, deadline: Deadline | None = None) -> None:
        self._session, self._deadline = session, deadline

    def structure(self) -> Structure:
        return structure.read(self._session)

    def counts(self, relations: Sequence[Relation]) -> Mapping[str, int]:
        found = catalogue.counts(self._session, [(each.schema, each.name) for each in relations])
        return {each.full_name: found[each.schema, each.name] for each in relations}

    def referring(self, relation: Relation, key: ForeignKey) -> int:
        given = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(sql.Identifier(name)) for name in key.columns)
        query = sql.SQL("SELECT count(*) FROM ONLY {} WHERE {}").format(
            sql.Identifier(relation.schema, relation.name), given
        )
        row = self._session.execute(query).fetchone()
        return int(row[0]) if row else 0

    def fitting(self, document: Document, table: Covered, survey: Survey, rejects: Rejects) -> Texts:
        relation = survey.structure.relations[table.table]
        return Texts(document, table, relation, survey.mode, rejects, lambda rows: None)

    def beside(
        self, relation: Relation, columns: Sequence[str], key: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> Beside:
        with self._in_time():
            found, changed = matching.beside(self._session, relation, columns, key, rows)
        return Beside(found=found, changed=changed)

    def newest(self, relation: Relation, column: str) -> object:
        with self._in_time():
            return matching.newest(self._session, relation, column)

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        assert self._deadline is not None  # whoever compares has one
        milliseconds = str(int(self._deadline.left * 1000) + 1)
        try:
            with self._session.transaction():
                self._session.execute(
                    "SELECT set_config('statement_timeout', %s, true), set_config('enable_hashjoin', 'off', true),"
                    " set_config('enable_mergejoin', 'off', true)",  # some hundred rows, by the index of a key
                    (milliseconds,),
                )
                yield
        except (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable):
            raise OutOfTime from None
        except psycopg.Error as error:
            if not is_of_data(error):
                raise
            raise Unlike from None


@contextmanager
def looking(engine: Engine, deadline: Deadline | None = None) -> Iterator[Live]:
    """The database at one moment, read-only, for as long as its rows take to be counted."""
    patience = LONG | {"lock_timeout": LOOK["lock_timeout"]}
    with connector_of(engine).session(patience) as session, session.transaction():
        session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield Live(session, deadline)


def load(
    engine: Engine, lock: TargetLock, document: Document, survey: Survey, options: Options, run: Progress,
    place: RejectObject | None,
) -> Mapping[str, Any]:  # fmt: skip
    """See `lifecycle.loading.load`."""
    connector, rejects = connector_of(engine), Rejects(options, place)
    mode = "ACCESS EXCLUSIVE" if survey.truncates else "EXCLUSIVE"
    run.recheck()  # in sessions of its own, which the locks would hold up; a schema that moves after it, `_fill` sees
    with in_place.transaction(connector, _locked(survey), mode=mode) as session:
        before, went = _fill(connector, session, document, survey, rejects, run)
        loaded = proving.prove(survey, went, before, _counted(session, survey))
        for table in survey.tables:
            relation = survey.structure.relations[table.table]
            patching.raise_sequences(session, (relation.schema, relation.name))
        stored = rejects.finish(document, survey)
        lock.confirm()
        witness = in_place.own_number(session)
        run.failpoint("load.before_commit")
        run.before_commit(witness={**witness, "loaded": proving.facts(loaded, stored, {})})
        in_place.commit(session)
    run.after_commit()
    run.failpoint("load.committed")
    _analyze(connector, survey, run)
    return proving.facts(loaded, stored, witness)


def landed(engine: Engine, witness: Mapping[str, Any]) -> bool | None:
    """See `lifecycle.loading.landed`."""
    return in_place.landed(connector_of(engine), witness) if witness else False


def _fill(
    connector: Connector, session: Connection, document: Document, survey: Survey, rejects: Rejects, run: Progress
) -> tuple[Mapping[str, int], Mapping[str, Went]]:
    """Clear what is to be cleared and put the rows in, group by group; gives back the counts from before, too."""
    if structure.read(session) != survey.structure:
        raise OperationFailed(
            "schema_moved", "The tables were changed since they were looked at.", f"{AGAIN} Ask again."
        )
    before = _counted(session, survey)
    surveying.require_unreferred(Live(session), survey)
    with attending(
        connector,
        None,
        report=lambda seconds: run.progress(seconds, 0, "seconds", step="Loading"),
        check=run.check_cancel,
    ) as attendant:
        loading.check_now(session, survey.structure)  # so that the server can say which row it was
        if survey.cleared:
            relations = [survey.structure.relations[name] for name in survey.cleared]
            with loading.applied(session):
                attendant.during(session, lambda: loading.clear(session, relations, truncates=survey.truncates))
        filling = Filling(session, attendant, document, survey, rejects, run)
        half = sum(table.rows for table in survey.tables) / 2
        done = 0
        for group in survey.groups:
            filling.fill(group)
            rows = sum(survey.table(name).rows for name in group.tables)
            if done <= half <= done + rows:
                run.failpoint("load.half")
            done += rows
        _settle(session, survey, attendant)
    return before, filling.went


def _settle(session: Connection, survey: Survey, attendant: Attendant) -> None:
    """Check what was put off: keys that wait, and triggers that want to see all rows first."""
    try:
        with loading.applied(session):
            attendant.during(session, lambda: session.execute("SET CONSTRAINTS ALL IMMEDIATE"))
    except psycopg.Error as error:
        if not is_of_data(error):
            raise
        complaint = complaint_of(error, discreet=any(table.discreet for table in survey.tables))
        name = f" of {error.diag.schema_name}.{error.diag.table_name}" if error.diag.table_name else ""
        raise OperationFailed(
            "row_refused",
            f"Once all rows were there, one{name} could not stay: {complaint.why}.",
            f"{AGAIN} Look at the constraints and triggers that are deferred.",
        ) from error


def _locked(survey: Survey) -> list[tuple[str, str]]:
    """The tables that rows go into or are taken from, with the parts of partitioned ones."""
    touched = {table.table for table in survey.tables} | set(survey.cleared)
    relations = survey.structure.relations
    return [
        (relation.schema, relation.name)
        for name, relation in relations.items()
        if name in touched or (survey.structure.whole(name) in touched and relations[relation.whole].partitioned)
    ]


def _counted(session: Connection, survey: Survey) -> dict[str, int]:
    names = {table.table for table in survey.tables} | set(survey.cleared)
    return {name: loading.count(session, survey.structure.relations[name]) for name in sorted(names)}


def _analyze(connector: Connector, survey: Survey, run: Progress) -> None:
    """Statistics for the planner. The load stands without them."""
    try:
        with connector.session(LONG | {"default_transaction_read_only": "off"}) as session:
            loading.analyze(session, [survey.structure.relations[table.table] for table in survey.tables])
    except (TargetProblem, OperationFailed, psycopg.Error) as error:
        run.log(f"The statistics could not be brought up to date: {error}")
