"""What the two formats of PostgreSQL share: whether and how a backup goes back, by swap or in place."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Protocol

from lifecycle.formats.base import PART, SCRATCH, Archive, Contents, Format, Prepared, Progress
from lifecycle.formats.postgresql_kept import carry_out, connector_of, maintenance_of
from lifecycle.formats.postgresql_refusals import Refusals, refusals
from opsconsole.engines.base import Answer, Engine, Identity, TargetLock
from opsconsole.engines.labels import Label
from opsconsole.engines.postgresql import (
    archives,
    asking,
    attributes,
    catalogue,
    databases,
    fingerprint,
    in_place,
    lock,
    moment,
    snapshot,
    suitability,
    swap,
    tools,
)
from opsconsole.engines.postgresql.attending import Attendant, attending
from opsconsole.engines.postgresql.connect import LONG, WRITE, Connection, Connector
from opsconsole.engines.postgresql.snapshot import Snapshot
from opsconsole.exceptions import FenceLost, OperationFailed


class Section(Protocol):
    """Runs a section by name, or some entries of it, with so many jobs; `tick` is called meanwhile and may raise."""

    def __call__(
        self, section: str, *, jobs: int = 1, tick: Callable[[], None], entries: Sequence[str] | None = None
    ) -> None: ...


class PostgresFormat(Format):
    engine: ClassVar[str] = "postgresql"

    @abstractmethod
    def fill(self, target: Staging, archive: Archive, contents: Contents, run: Progress) -> None:
        """Build schema, rows and keys in an empty database. Failpoint: restore.staging_half."""

    @abstractmethod
    def refill(self, target: Staging, session: Connection, archive: Archive, contents: Contents, run: Progress) -> None:
        """Put the rows into freshly made tables, inside the transaction of `session`. Failpoint: inplace.mid."""

    @abstractmethod
    def archive_file(self, archive: Archive, contents: Contents, run: Progress) -> AbstractContextManager[int]:
        """A descriptor of the pg_dump archive that holds (at least) the schema, checked, readable at any place."""

    def moment(self, engine: Engine, run: Progress) -> AbstractContextManager[Snapshot]:
        return snapshot.taken(connector_of(engine))

    # -- may it? --------------------------------------------------------------------------------------------------

    def methods(self, engine: Engine) -> tuple[str, ...]:
        connector = connector_of(engine)
        with connector.session() as session:
            return ("in_place",) if databases.why_no_swap(connector, session) else ("swap", "in_place")

    def refusals(self, engine: Engine, contents: Contents, *, method: str, overwrite: bool) -> Refusals:
        return refusals(connector_of(engine), contents, method=method, overwrite=overwrite)

    def why_no_scratch(self, engine: Engine) -> str:
        connector = connector_of(engine)
        with connector.session() as session:
            return databases.why_no_scratch(connector, session)

    # -- do it ----------------------------------------------------------------------------------------------------

    def prepare(self, engine: Engine, archive: Archive, contents: Contents, run: Progress, *, method: str) -> Prepared:
        if method == "in_place":
            self.read_through(archive, contents, run)  # damage, or a key that does not fit, is found before any lock
            return Prepared(method=method, tables={table.name: table.rows for table in contents.tables})
        connector, maintenance = connector_of(engine), maintenance_of(connector_of(engine))
        name = databases.staging_name(connector.database, connector.label(run.operation_id, run.fence))
        with connector.session(WRITE, database=maintenance) as session, _dropped_on_failure(session, name):
            model = attributes.like(session, connector.database)
            databases.drop(session, name)
            databases.create(session, name, _suited(model, contents))
            if method == SCRATCH:
                databases.close(session, name)
            target = Staging(connector, name, contents)
            self.fill(target, archive, contents, run)
            run.log("Proving the copy: statistics, counts, definitions.")
            counted, same = target.prove(contents, run)
            if method != SCRATCH:
                attributes.dress(session, name, model)
        if not same:
            run.log("The definitions of the copy read differently from those in the manifest.")
        return Prepared(method=method, name=name, tables=counted, detail={"schema_matches": same})

    def ask(self, engine: Engine, prepared: Prepared, statements: Sequence[str], *, seconds: int) -> list[Answer]:
        with connector_of(engine).session(WRITE, database=prepared.name) as session:
            return [asking.ask(session, statement, seconds=seconds) for statement in statements]

    def publish(
        self, engine: Engine, lock: TargetLock, archive: Archive, contents: Contents, prepared: Prepared, run: Progress
    ) -> Mapping[str, Any]:
        if prepared.method == "in_place":
            return self._replace(engine, lock, archive, contents, run)
        connector = connector_of(engine)
        plan = swap.plan_swap(connector, maintenance_of(connector), prepared.name, run.operation_id)
        return carry_out(engine, lock, plan, run) | dict(prepared.detail)

    def _replace(
        self, engine: Engine, lock: TargetLock, archive: Archive, contents: Contents, run: Progress
    ) -> Mapping[str, Any]:
        target = Staging(connector_of(engine), engine.address.name, contents)
        live = tools.choose(engine.identity().version_number, tls=target.connector.needs_tls)
        with self.archive_file(archive, contents, run) as file:
            parts = in_place.scripts(target.connector, live, target.tools, file, target.limits)
        with in_place.transaction(target.connector) as session:
            run.recheck()
            in_place.run_script(session, parts.drops)
            in_place.remove_large_objects(session)
            in_place.run_script(session, parts.before_rows)
            self.refill(target, session, archive, contents, run)
            with target.attended(run, "Building indexes and keys") as attendant:
                attendant.during(session, lambda: in_place.run_script(session, parts.after_rows))
                counted = attendant.during(session, lambda: target.count(session))
            compare(contents, counted)
            same = fingerprint.digest(session) == contents.schema_fingerprint
            lock.confirm()
            witness = in_place.own_number(session)
            run.failpoint("restore.before_swap")
            run.before_commit(witness=witness)
            in_place.commit(session)
        run.after_commit()
        run.failpoint("restore.swapped")
        return witness | {"schema_matches": same}

    # -- afterwards -----------------------------------------------------------------------------------------------

    def landed(self, engine: Engine, witness: Mapping[str, Any]) -> bool | None:
        if not witness:
            return False
        module = swap if witness["method"] == "swap" else in_place
        return module.landed(connector_of(engine), witness)

    def clean_up(self, engine: Engine, operation_id: int, fence: int) -> None:
        connector = connector_of(engine)
        lost = connector.label(operation_id, fence)
        is_own = Label.of(connector.parameters["application_name"]) == lost
        with connector.session(LONG, database=databases.maintenance_of(connector)) as session:
            lock.end_sessions(session, lost if is_own else replace(lost, fence=fence + 1))
            databases.drop_staging(session, connector.database, lost)


class Staging:
    """A database that is being built: where it is, and with which client and settings."""

    def __init__(self, connector: Connector, name: str, contents: Contents) -> None:
        self.connector = connector
        self.name = name
        self.maintenance = databases.maintenance_of(connector)
        with connector.session() as session:
            who = catalogue.identity(session)
            wanted = contents.source.get("roles", ())
            same = who.key == contents.source.get("identity")
            self.tool_settings = suitability.load_settings(session)
            self.settings = LONG | {"row_security": "off"} | dict(self.tool_settings)
            self.limits = archives.Limits(owners=not suitability.roles_out_of_reach(session, wanted), tablespaces=same)
        writer = int(contents.tool.get("version", "0").split(".")[0])
        self.tools = tools.choose(who.version_number, tls=connector.needs_tls, at_least=writer)

    def section(self, archive: int) -> Section:
        """A function that runs one section of an archive in this database."""
        return partial(
            archives.restore_section,
            self.tools,
            self.connector,
            self.name,
            archive,
            limits=self.limits,
            settings=self.tool_settings,
        )

    def build_keys(self, archive: int, run: Progress) -> None:
        """Indexes, keys, triggers: what follows the rows, as parallel as it may be."""
        run.log("Building indexes and keys.")
        section = self.section(archive)
        with self.attended(run, "Building indexes and keys") as attendant:
            for jobs, entries in archives.stages(archives.toc(self.tools, archive)):
                section("post-data", jobs=jobs, tick=attendant.tick, entries=entries)

    def attended(self, run: Progress, step: str) -> AbstractContextManager[Attendant]:
        """Watch over long work of ours on the server: reported as seconds, stopped when the run is cancelled."""

        def report(seconds: int) -> None:
            run.progress(seconds, 0, "seconds", step=step)

        return attending(self.connector, self.maintenance, report=report, check=run.check_cancel)

    def prove(self, contents: Contents, run: Progress) -> tuple[dict[str, int], bool]:
        """Statistics for the planner, then counts (which must equal the manifest's) and definitions."""
        with (
            self.connector.session(self.settings, database=self.name) as session,
            self.attended(run, "Proving the copy") as attendant,
        ):
            attendant.during(session, lambda: session.execute("ANALYZE"))
            counted = attendant.during(session, lambda: self.count(session))
            same = fingerprint.digest(session) == contents.schema_fingerprint
        compare(contents, counted)
        return counted, same

    def count(self, session: Connection) -> dict[str, int]:
        return {table.full_name: table.rows or 0 for table in catalogue.tables(session, exact=True)}


def compare(contents: Contents, counted: Mapping[str, int]) -> None:
    """Raises OperationFailed when a table holds other than the manifest's number of rows."""
    wanted = {table.name: table.rows for table in contents.tables}
    known = wanted if contents.source.get(PART) else {**wanted, **counted}
    if wrong := [name for name in known if wanted.get(name) != counted.get(name)]:
        name = wrong[0]
        raise OperationFailed(
            "counts_differ",
            f"{name} has {counted.get(name)} rows in the copy and {wanted.get(name)} in the manifest"
            f" ({len(wrong)} tables differ).",
            "Nothing was published; restore from another backup.",
        )


def source_facts(session: Connection, who: Identity) -> dict[str, Any]:
    """What a later restore must know about where the backup came from; JSON, no secrets."""
    return {
        "engine": "postgresql",
        "identity": who.key,
        "incarnation": who.incarnation,
        "server_version": who.server_version,
        "version_number": who.version_number,
        "encoding": who.details["encoding"],
        "collation": who.details["collation"],
        "ctype": who.details["ctype"],
        "extensions": suitability.extensions(session),
        "roles": suitability.roles_used(session),
        "size_bytes": catalogue.size_bytes(session),
        "shapes": {
            name: {"columns": [list(column) for column in table.columns], "key": list(table.key)}
            for name, table in moment.stored_tables(session).items()
        },
    }


@contextmanager
def _dropped_on_failure(session: Connection, name: str) -> Iterator[None]:
    """Leave no half copy behind, except when another worker has taken over: then it is that one's to remove."""
    try:
        yield
    except FenceLost:
        raise
    except BaseException:
        databases.drop(session, name)
        raise


def _suited(model: attributes.Like, contents: Contents) -> attributes.Like:
    """The destination's own locale where the encodings agree, else the neutral one under the backup's encoding."""
    encoding = str(contents.source.get("encoding", model.encoding))
    if encoding == model.encoding:
        return model
    return attributes.Like(
        oid=model.oid, owner=model.owner, encoding=encoding, locale={"LC_COLLATE": "C", "LC_CTYPE": "C"}
    )
