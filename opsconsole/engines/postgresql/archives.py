"""pg_dump and pg_restore at work: the schema archive, its parts as SQL, and whole custom archives."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from opsconsole import process
from opsconsole.engines.postgresql import tools
from opsconsole.engines.postgresql.connect import WRITTEN, Connector
from opsconsole.engines.postgresql.ours import EXCLUDED
from opsconsole.engines.postgresql.tool_runs import Tick, Tool, running
from opsconsole.engines.postgresql.tools import Tools

SECTIONS = ("--section=pre-data", "--section=post-data")
# A newer client sets this on every server; an older server does not know it, and nothing depends on it.
_ATTACH = "INDEX ATTACH "
MOST_SCHEMA_BYTES = 256 << 20  # of the archive of a schema, of its list and of its SQL, which are read into memory
LOCAL_SECONDS = 600.0  # for a program that only reads an archive of a schema
HARMLESS = re.compile(r'unrecognized configuration parameter "transaction_timeout"')


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a restore leaves out: owners and rights where the roles are not there, tablespaces on another server."""

    owners: bool = True
    tablespaces: bool = True

    def options(self) -> list[str]:
        left_out = ["--no-subscriptions"]
        left_out += [] if self.owners else ["--no-owner", "--no-privileges"]
        return left_out + ([] if self.tablespaces else ["--no-tablespaces"])


# -- dumping ----------------------------------------------------------------------------------------------------


def schema_argv(found: Tools, snapshot: str) -> list[str | Path]:
    """pg_dump of everything but rows. `--schema-only` would lose the refresh of materialized views."""
    argv: list[str | Path] = [found.pg_dump, "-Fc", *SECTIONS, "--lock-wait-timeout=60000", *EXCLUDED]
    return argv + ([f"--snapshot={snapshot}"] if snapshot else [])


def custom_argv(found: Tools, snapshot: str) -> list[str | Path]:
    """pg_dump of everything, compressed by itself where it knows zstd."""
    packed = "zstd:1" if packs_zstd(found) else "0"
    return [
        found.pg_dump,
        "-Fc",
        f"--compress={packed}",
        "--lock-wait-timeout=60000",
        *EXCLUDED,
        f"--snapshot={snapshot}",
    ]


def packs_zstd(found: Tools) -> bool:
    """Whether this pg_dump was built with zstd (16 and newer can be); it says so before it connects."""
    if found.major < 16:
        return False
    argv: list[str | Path] = [
        found.pg_dump,
        "--dbname=host=/nonexistent",
        "-Fc",
        "--compress=zstd:1",
        "--file=/dev/null",
    ]
    return b"not support compression" not in process.run(argv, timeout=20).stderr


@contextmanager
def dumping(
    connector: Connector, argv: Sequence[str | Path], stdout: int | IO[bytes], *, database: str | None = None
) -> Iterator[Tool]:
    """pg_dump of a database (the connector's own unless named), writing to `stdout`."""
    secret = connector.parameters.get("password", "")
    limit = None if stdout == process.PIPE else MOST_SCHEMA_BYTES
    with tools.access(connector, database) as (env, fds):
        env = env | {"PGOPTIONS": _options(WRITTEN)}
        with running(Tool(argv, env, fds, stdout=stdout, secret=secret, most_file_bytes=limit)) as tool:
            yield tool


@contextmanager
def memory_file(data: bytes = b"") -> Iterator[int]:
    """A descriptor of a file that has no name and no place on disk, for archives of schemas (small)."""
    fd = os.memfd_create("archive")
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def content_of(fd: int) -> bytes:
    os.lseek(fd, 0, os.SEEK_SET)
    with os.fdopen(os.dup(fd), "rb") as file:
        return file.read()


# -- restoring: an archive is a descriptor of a file that can be read at any place ---------------------------------


def restore_section(
    found: Tools,
    connector: Connector,
    database: str,
    archive: int,
    section: str,
    *,
    jobs: int = 1,
    limits: Limits,
    tick: Tick,
    settings: Mapping[str, str],
    entries: Sequence[str] | None = None,
) -> None:
    """Run a section of an archive in `database`, or only some `entries` (lines of `toc`) of it.

    Raises OperationFailed.
    """
    with tools.access(connector, database) as (env, fds), memory_file(_list_of(entries or ())) as chosen:
        argv: list[str | Path] = [
            found.pg_restore,
            f"--dbname={_conninfo(database)}",
            f"--section={section}",
            *([] if entries is None else [f"--use-list=/dev/fd/{chosen}"]),
            f"--jobs={jobs}",
            *limits.options(),
            f"/dev/fd/{archive}",
        ]
        env = env | {"PGOPTIONS": _options(WRITTEN | dict(settings))}
        secret = connector.parameters.get("password", "")
        with running(Tool(argv, env, (archive, chosen, *fds), secret=secret)) as tool:
            tool.finish(tick, harmless=HARMLESS)


def stages(entries: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Entries of an archive as (jobs, entries) one after the other, none of which may fall over itself.

    Two sessions that attach indexes of partitions on two levels at once each leave it to the other to mark the index
    of the whole table as valid, so that it never is. pg_restore does that when it has two jobs.
    """
    attaching = [place for place, line in enumerate(entries) if _type_of(line).startswith(_ATTACH)]
    if not attaching:
        return [(2, list(entries))]
    last, among = attaching[-1], set(attaching)
    before = [line for place, line in enumerate(entries[:last]) if place not in among]
    found = [(2, before), (1, [entries[place] for place in attaching]), (2, list(entries[last + 1 :]))]
    return [(jobs, some) for jobs, some in found if some]


def _list_of(entries: Sequence[str]) -> bytes:
    return "\n".join(entries).encode() + b"\n"


def _type_of(line: str) -> str:
    """What follows `ID; CATALOGUE OID ` in a line of a table of contents."""
    return line.split("; ", 1)[1].split(" ", 2)[2]


def script(found: Tools, archive: int, options: Sequence[str], entries: Sequence[str]) -> str:
    """The SQL of some entries of an archive (lines of `toc`), ready for one session of ours."""
    with memory_file(_list_of(entries)) as chosen, tempfile.TemporaryFile() as sql:
        argv: list[str | Path] = [
            found.pg_restore,
            "--file=-",
            f"--use-list=/dev/fd/{chosen}",
            *options,
            f"/dev/fd/{archive}",
        ]
        with running(Tool(argv, {}, (archive, chosen), stdout=sql, most_file_bytes=MOST_SCHEMA_BYTES)) as tool:
            tool.finish(lambda: None, seconds=LOCAL_SECONDS)
        sql.seek(0)
        return plain_sql(sql.read().decode())


@contextmanager
def rows_as_sql(found: Tools, archive: int) -> Iterator[Tool]:
    """pg_restore writing the rows of an archive as SQL to its standard output."""
    argv: list[str | Path] = [found.pg_restore, "--file=-", "--section=data", f"/dev/fd/{archive}"]
    with running(Tool(argv, {}, (archive,), stdout=process.PIPE)) as tool:
        yield tool


@contextmanager
def parsing(found: Tools) -> Iterator[Tool]:
    """pg_restore reading a whole archive from its standard input, every row of it, into nothing."""
    argv: list[str | Path] = [found.pg_restore, "--file=/dev/null"]
    with running(Tool(argv, {}, (), stdin=process.PIPE)) as tool:
        yield tool


def toc(found: Tools, archive: int) -> list[str]:
    """The table of contents of an archive, one line an entry (`ID; CATALOGUE OID TYPE SCHEMA NAME OWNER`)."""
    with tempfile.TemporaryFile() as listed:
        argv: list[str | Path] = [found.pg_restore, "--list", f"/dev/fd/{archive}"]
        with running(Tool(argv, {}, (archive,), stdout=listed, most_file_bytes=MOST_SCHEMA_BYTES)) as tool:
            tool.finish(lambda: None, seconds=LOCAL_SECONDS)
        listed.seek(0)
        return [line for line in listed.read().decode().splitlines() if line and not line.startswith(";")]


def plain_sql(text: str) -> str:
    """`text` without the pair of psql commands around it, and without settings of our session's limits."""
    if match := re.search(r"^\\restrict (\w+)$", text, re.MULTILINE):
        text = text.replace(f"\\restrict {match[1]}\n", "", 1)
        head, _, tail = text.rpartition(f"\\unrestrict {match[1]}")
        text = head + tail
    return re.sub(r"\A((?:--.*\n|\s*\n|SET .*;\n|SELECT pg_catalog\.set_config.*;\n)*)", _calm, text, count=1)


def _calm(match: re.Match[str]) -> str:
    return re.sub(
        r"^SET (?:statement|lock|idle_in_transaction_session|transaction)_timeout = 0;\n",
        "",
        match[1],
        flags=re.MULTILINE,
    )


def _conninfo(database: str) -> str:
    """A database's name that cannot be read as a connection string of its own."""
    return "dbname='" + database.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _options(settings: Mapping[str, str]) -> str:
    return " ".join(f"-c {name}={value}" for name, value in settings.items())
