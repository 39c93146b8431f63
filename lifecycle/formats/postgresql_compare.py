"""Is a restored copy what the backup holds? Rows by digests in any order, sequences, definitions, foreign keys.

The rows of the archive are digested from its objects, those of the copy from the same COPY statements; both by workers
that know nothing of Django, two tables at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lifecycle.formats.base import Contents, Progress
from lifecycle.formats.postgresql_base import Staging
from lifecycle.formats.postgresql_objects import ticker
from opsconsole.engines.base import Table
from opsconsole.engines.postgresql import archives, catalogue, fingerprint, proofs, snapshot
from opsconsole.engines.postgresql.connect import Connection, major_of
from opsconsole.engines.postgresql.copying import DIGESTS, CopyWorkers, Task, nothing, workers_for
from opsconsole.engines.postgresql.snapshot import DataTable
from opsconsole.exceptions import OperationFailed

_COPY = "copy of "  # begins the names of tasks that digest the copy
_PART = r'("(?:[^"]|"")+"|[^\s."(]+)'
_TABLE = re.compile(rf"{_PART}\.{_PART} ")
# What a table of contents lists beside definitions: rows, values of sequences, rights, what a restore leaves out.
_NO_DEFINITION = re.compile(
    r"(TABLE DATA|SEQUENCE SET|BLOBS?|BLOB METADATA|ACL|DEFAULT ACL|SUBSCRIPTION|STATISTICS DATA|DATABASE.*|COMMENT) "
)


@dataclass(frozen=True)
class Digest:
    """Rows in any order: how many, and the sum of their hashes modulo 2^128."""

    rows: int = 0
    total: int = 0

    def __add__(self, other: Digest) -> Digest:
        return Digest(self.rows + other.rows, (self.total + other.total) % (1 << 128))


@dataclass(frozen=True, kw_only=True)
class Archived:
    """How to digest an archive: tasks on an object of one table each (`tables`), or on SQL that names its tables.

    `binary` says by table in which form its rows travel, `arrays` which columns of binary ones name types by number.
    With `copies` these are the orders that digest the copy's tables, and `names` those of the archive's parts.
    """

    tasks: Sequence[Task]
    encoding: str
    program: Path = DIGESTS
    copies: Mapping[str, Mapping[str, Any]] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    binary: Mapping[str, bool] = field(default_factory=dict)
    arrays: Mapping[str, Sequence[int]] = field(default_factory=dict)
    tables: Mapping[str, str] = field(default_factory=dict)  # by object


def row_differences(target: Staging, contents: Contents, run: Progress, archived: Archived) -> list[str]:
    """How the tables of the copy differ from the archive and its manifest, in words."""
    held: dict[str, Digest] = {}
    restored: dict[str, Digest] = {}
    tasks = sorted([*archived.tasks, *_copy_tasks(target, contents, archived)], key=lambda task: -task.size)
    workers = CopyWorkers(
        tick=ticker(run, "Comparing rows", sum(task.size for task in tasks)),
        count=workers_for(tasks),
        program=archived.program,
        connector=target.connector,
        database=target.name,
        settings=dict(target.settings) | {"client_encoding": archived.encoding},
    )
    with workers:
        for task, handle, facts in workers.run(tasks):
            handle.close()
            known = restored if task.name.startswith(_COPY) else held
            for table, digest in _digests(task, facts, archived):
                known[table] = known.get(table, Digest()) + digest
    wanted = {table.name: table.rows for table in contents.tables if table.columns}
    found = (_difference(name, rows, held.get(name), restored.get(name)) for name, rows in wanted.items())
    return [words for words in found if words]


def fact_differences(target: Staging, contents: Contents, run: Progress, archive: int) -> list[str]:
    """How sequences, definitions and foreign keys differ; `archive` is a descriptor of the one with the schema."""
    with (
        target.connector.session(target.settings, database=target.name) as session,
        target.attended(run, "Comparing definitions and keys") as attendant,
    ):
        found = sequence_differences(contents.sequences, snapshot.sequences(session))
        if fingerprint.digest(session) != contents.schema_fingerprint:
            found += _definition_differences(target, session, contents, archive, run)
        for key in proofs.foreign_keys(session):
            if broken := attendant.during(session, partial(proofs.orphans, session, key)):
                found.append(f"{broken} rows break {key.words}")
    return found


def places_of_arrays(target: Staging, contents: Contents) -> dict[str, list[int]]:
    """By table, the numbers of the columns whose binary form names a type by its number."""
    with target.connector.session(database=target.name) as session:
        numbered = proofs.numbered_columns(session)
    by_name = {f"{schema}.{table}": columns for (schema, table), columns in numbered.items()}
    return {
        held.name: [place for place, name in enumerate(held.columns) if name in by_name.get(held.name, ())]
        for held in contents.tables
    }


def _copy_tasks(target: Staging, contents: Contents, archived: Archived) -> Iterator[Task]:
    with target.connector.session(database=target.name) as session:
        there = {table.full_name: table for table in catalogue.tables(session, exact=False)}
    for held in contents.tables:
        if held.columns and held.name in there:
            table = there[held.name]
            order = (
                _copy_order(table, held.columns, archived) if archived.copies is None else archived.copies[held.name]
            )
            yield Task(name=_COPY + held.name, size=table.size_bytes or 0, open=nothing, order=order)


def _copy_order(table: Table, columns: tuple[str, ...], archived: Archived) -> Mapping[str, Any]:
    binary, arrays = archived.binary.get(table.full_name, False), archived.arrays.get(table.full_name, ())
    return {
        "do": "digest_table", "sql": _copy_out(table, columns, binary), "binary": binary, "arrays": list(arrays),
    }  # fmt: skip


def _copy_out(table: Table, columns: tuple[str, ...], binary: bool) -> str:
    whole = DataTable(oid=0, schema=table.schema, name=table.name, columns=columns, binary=binary, size=0, pages=0)
    return whole.statements()[0].decode()


def _digests(task: Task, facts: Mapping[str, Any], archived: Archived) -> Iterator[tuple[str, Digest]]:
    if task.name.startswith(_COPY):
        yield task.name.removeprefix(_COPY), _digest(facts)
    elif task.name in archived.tables:
        yield archived.tables[task.name], _digest(facts)
    for part in facts["parts"]:
        yield archived.names.get(part["table"]) or _name_in(part["table"]), _digest(part)


def _digest(facts: Mapping[str, Any]) -> Digest:
    return Digest(int(facts["rows"]), int(facts["digest"], 16))


def _name_in(heading: str) -> str:
    """`schema.table` of what stands between COPY and FROM. Raises OperationFailed when that cannot be read."""
    match = _TABLE.match(heading)
    if match is None:
        raise OperationFailed("not_comparable", f"pg_restore wrote a table that cannot be read: {heading[:100]}.")
    return ".".join(name[1:-1].replace('""', '"') if name.startswith('"') else name for name in match.groups())


def _difference(name: str, rows: int, held: Digest | None, restored: Digest | None) -> str:
    if (held or Digest()).rows != rows:
        return f"the backup holds {(held or Digest()).rows} rows of {name}, and its manifest says {rows}"
    if restored is None:
        return f"{name} is gone from the copy"
    if restored.rows != rows:
        return f"{name} has {restored.rows} rows in the copy instead of {rows}"
    return "" if restored == (held or Digest()) else f"rows of {name} have other values in the copy than in the backup"


def sequence_differences(wanted: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    return [
        f"the sequence {name} is at {there.get(name, 'nothing')} in the copy instead of {wanted.get(name, 'nothing')}"
        for name in sorted({**wanted, **there})
        if wanted.get(name) != there.get(name)
    ]


def _definition_differences(
    target: Staging, session: Connection, contents: Contents, archive: int, run: Progress
) -> list[str]:
    """What the archive defines and the copy lacks, or the other way round, by name.

    Another version of the server writes definitions in other words; only then is a difference in words no difference.
    """
    with (
        archives.memory_file() as file,
        archives.dumping(target.connector, archives.schema_argv(target.tools, ""), file, database=target.name) as dump,
    ):
        dump.finish(run.check_cancel)
        there = _defined(archives.toc(target.tools, file), target, contents)
    wanted = _defined(archives.toc(target.tools, archive), target, contents)
    found = [f"the copy lacks {name}" for name in sorted(wanted - there)]
    found += [f"the copy has {name}, which the backup does not" for name in sorted(there - wanted)]
    here, written = catalogue.identity(session).version_number, int(contents.source["version_number"])
    if not found and major_of(here) == major_of(written):
        return ["a definition in the copy is not the one that was backed up"]
    return found


def _defined(lines: Sequence[str], target: Staging, contents: Contents) -> set[str]:
    """`TYPE SCHEMA NAME` of each definition in a table of contents; owners are left out."""
    owners = sorted([*contents.source.get("roles", ()), target.connector.parameters["user"]], key=len, reverse=True)
    found = set()
    for line in lines:
        entry = line.split("; ", 1)[1].split(" ", 2)[2]
        if not _NO_DEFINITION.match(entry):
            owner = next((name for name in owners if entry.endswith(f" {name}")), "")
            found.add(entry.removesuffix(f" {owner}") if owner else entry)
    return found
