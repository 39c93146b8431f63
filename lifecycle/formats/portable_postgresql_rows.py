"""The rows of a portable backup of PostgreSQL: written and digested by workers, loaded line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from lifecycle.documents.base import Document
from lifecycle.documents.portable import begin_of
from lifecycle.formats import portable
from lifecycle.formats.base import Archive, Contents, Progress, Scope
from lifecycle.formats.portable import Source, Written
from lifecycle.formats.portable_fields import line_of
from lifecycle.formats.postgresql_base import Staging
from lifecycle.formats.postgresql_compare import Archived
from lifecycle.formats.postgresql_objects import opener, reading_order, ticker
from lifecycle.formats.postgresql_rows import at_half, by_key
from lifecycle.formats.streams import damaged, stored_object
from opsconsole.engines.object_bytes import AGE
from opsconsole.engines.postgresql import catalogue, in_place, snapshot
from opsconsole.engines.postgresql.connect import LONG, Connection, Connector
from opsconsole.engines.postgresql.copying import JSON, CopyWorkers, Task, nothing, workers_for
from opsconsole.engines.postgresql.json_rows import SETTINGS, JsonTable, json_tables
from opsconsole.engines.postgresql.snapshot import Snapshot
from opsconsole.exceptions import OperationFailed
from opsconsole.storage import ObjectWriter

GATHERED = 1 << 18  # bytes of lines that are given to the server at once


# -- rows out -----------------------------------------------------------------------------------------------------


def chosen_tables(moment: Snapshot, scope: Scope) -> tuple[list[JsonTable], str]:
    """The tables to write by name, and what is left out, in words."""
    names = [table.full_name for table in moment.tables]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise OperationFailed(
            "alike", f"Two tables have names that read alike: {', '.join(twice)}.", "Use format=custom."
        )
    wanted = set(scope.of(sorted(names)))
    tables = sorted((t for t in moment.tables if t.full_name in wanted and t.columns), key=lambda t: t.full_name)
    left_out = snapshot.beside_tables(moment.session)
    return json_tables(moment.session, tables), portable.part_of(scope, len(tables), len(names), left_out)


def orders_for(
    chosen: Sequence[JsonTable], sources: Sequence[Source], keys: Mapping[str, str], shared: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """The orders for each object: tables to remember, and the last one, which writes."""
    found: dict[str, list[dict[str, Any]]] = {key: [] for key in (keys.values() or (portable.DOCUMENT,))}
    for table, source in zip(chosen, sources, strict=True):
        order = {"name": source.name, "begin": begin_of(source.shown).decode(), "sql": table.statement}
        found[keys[source.name]].append(order | {"do": "remember", "replacements": table.replacements()})
    for key, tables in found.items():
        single = tables if len(tables) == 1 else []
        last = {"do": "document", "level": portable.LEVEL, "tables": single, **shared}
        found[key] = [last] if single else [*tables, last]
    return found


def recipients_of(archive: Archive) -> dict[str, list[str]]:
    return {"recipients": list(archive.recipients)} if archive.recipients else {}


def write_rows(
    connector: Connector,
    archive: Archive,
    run: Progress,
    moment: Snapshot,
    chosen: Sequence[JsonTable],
    orders: Mapping[str, Sequence[Mapping[str, Any]]],
) -> Written:
    """Have workers write each object; a document of several tables is the work of one. Failpoint: backup.mid."""
    sizes = {t.table.full_name: t.table.size for t in chosen}
    writers: list[ObjectWriter] = []

    def create(key: str) -> ObjectWriter:
        writers.append(archive.store.create(archive.key(key), part=archive.part))
        return writers[-1]

    tasks = [task for key, some in orders.items() for task in _tasks(key, some, sizes, partial(create, key))]
    tasks = tasks if len(orders) == 1 else sorted(tasks, key=lambda task: -task.size)
    workers = CopyWorkers(
        tick=ticker(run, "Writing rows as JSON", sum(sizes.values())),
        count=workers_for(tasks) if len(orders) > 1 else 1,
        program=JSON,
        connector=connector,
        settings=LONG | SETTINGS,
        statements=("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", f"SET TRANSACTION SNAPSHOT '{moment.id}'"),
    )
    written = Written()
    try:
        with workers:
            for task, handle, facts in workers.run(tasks):
                if task.order["do"] == "remember":
                    handle.close()
                    continue
                run.failpoint("backup.before_fsync")
                handle.publish()
                item = stored_object(task.name, "zstd", AGE if archive.recipients else "", facts["chunks"], facts)
                written.objects[task.name] = item
                written.rows |= {part["table"]: part["rows"] for part in facts["parts"]}
                at_half(run, "backup.mid", len(written.objects), len(orders))
    finally:
        for writer in writers:
            writer.discard()
    return written


def _tasks(key: str, orders: Sequence[Mapping[str, Any]], sizes: Mapping[str, int], create: Any) -> Iterator[Task]:
    size = sum(
        sizes[table["name"]] for order in orders for table in (order, *order.get("tables", ())) if "name" in table
    )
    for order in orders:
        if order["do"] == "remember":
            yield Task(name=order["name"], open=nothing, order=order)
        else:
            yield Task(name=key, open=create, order=order, size=size)


def digests_of(keys: Mapping[str, str], written: Written) -> dict[str, str]:
    """The plain digest of each table that has an object of its own."""
    listed = list(keys.values())
    return {name: written.objects[key].plain_sha256 for name, key in keys.items() if listed.count(key) == 1}


# -- rows in ------------------------------------------------------------------------------------------------------


def load_rows(session: Connection, archive: Archive, contents: Contents, run: Progress, failpoint: str) -> None:
    """Load every table through `session`. Raises OperationFailed."""
    document = portable.document_of(archive, contents, run)
    done, total = 0, sum(table.rows for table in contents.tables)
    places = {table.full_name: table for table in catalogue.tables(session, exact=False)}
    for number, (shown, held) in enumerate(zip(document.summary.tables, contents.tables, strict=True), 1):
        if held.name not in places:
            raise OperationFailed("schema_differs", f"The schema archive did not bring the table {held.name}.")
        place = places[held.name]
        statement = snapshot.load_statement(place.schema, place.name, held.columns, binary=False)
        with _told_as_database(held.name), portable.damage_of("its rows"):
            in_place.load_lines(session, statement, _blocks(document, shown.name, held.columns, run, done, total))
        done += held.rows
        at_half(run, failpoint, number, len(contents.tables))


def _blocks(
    document: Document, table: str, columns: tuple[str, ...], run: Progress, done: int, total: int
) -> Iterator[bytes]:
    types = document.summary.table(table).types
    documents = frozenset(name for name, kind in types.items() if kind == "jsonb")
    gathered = bytearray()
    for number, row in enumerate(document.rows(table), 1):
        try:
            gathered += line_of(row, columns, documents)
        except KeyError as error:
            raise damaged(table, f"a row lacks the column {error}") from error
        if number % portable.CHECK_ROWS == 0:
            run.check_cancel()
            run.progress(done + number, total, "rows", step="Loading rows")
        if len(gathered) >= GATHERED:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


@contextmanager
def _told_as_database(table: str) -> Iterator[None]:
    """What a server says against rows, in the words that it has for them everywhere."""
    try:
        yield
    except OperationFailed as error:
        if error.code != "restore_failed":
            raise
        raise OperationFailed("database", f"Loading {table} failed: {error.why}", error.next_step) from error


def archived_rows(target: Staging, archive: Archive, contents: Contents) -> Archived:
    """How to digest the rows of every document, and of the copy as if it were written into one."""
    objects, summary = by_key(contents), portable.summary_in(contents)
    with target.connector.session(target.settings, database=target.name) as session:
        there = json_tables(session, snapshot.data_tables(session))
    copies = {
        t.table.full_name: {"do": "digest_rows", "sql": t.statement, "replacements": t.replacements()} for t in there
    }
    keys = dict.fromkeys(key for table in contents.tables for key in table.objects)
    return Archived(
        tasks=[
            Task(
                name=key,
                size=objects[key].plain_size,
                open=opener(archive, key),
                order={"do": "digest_document", **reading_order(archive, objects[key])},
            )
            for key in keys
        ],
        encoding="UTF8",
        program=JSON,
        copies=copies,
        names={shown.name: held.name for shown, held in zip(summary.tables, contents.tables, strict=True)},
    )
