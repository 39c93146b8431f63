"""The native backup of SQLite: the database file as of one moment, compressed into one object.

Without the console: `zstd -d database.sqlite.zst` gives a database file that SQLite opens.

The file is in rollback mode whatever the source's journal mode was (the manifest records it), and lacks `_cf_*`
tables, which belong to the runtime of D1, and our own. A restore builds a proven staging file beside the live one
and copies it over with SQLite's backup API in one transaction; the live `_cf_*` tables stay as they are.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from lifecycle.formats import sqlite_compare, sqlite_refusals
from lifecycle.formats.base import (
    SCRATCH,
    WHOLE,
    Archive,
    Contents,
    Format,
    Prepared,
    Progress,
    Scope,
    StoredObject,
    TableContent,
)
from lifecycle.formats.sqlite_putting import copy_over, paced, remove_staging, settle
from lifecycle.formats.sqlite_refusals import copy_bytes, require_space
from lifecycle.formats.streams import ArchiveWriter, CompressingWriter, plain_bytes
from opsconsole.engines.base import Answer, Engine, TargetLock
from opsconsole.engines.labels import Label
from opsconsole.engines.sqlite import SqliteEngine, asking, copying, examine, files, locks, staging
from opsconsole.engines.sqlite.examine import Examination
from opsconsole.exceptions import OperationFailed, Refused, TargetProblem
from opsconsole.storage import CHUNK_BYTES, disk_errors

OBJECT = "database.sqlite.zst"


@dataclass(frozen=True)
class Copy:
    """A live database as of one moment, in a private file."""

    path: Path
    journal_mode: str  # of the live one
    taken_at: datetime


class SqliteNative(Format):
    """See the module's docstring."""

    name: ClassVar[str] = "native"
    engine: ClassVar[str] = "sqlite"
    label: ClassVar[str] = "SQLite file, compressed"

    def estimate_bytes(self, engine: Engine) -> int:
        return own(engine).size_bytes() + CHUNK_BYTES

    @contextmanager
    def moment(self, engine: Engine, run: Progress) -> Iterator[Copy]:
        source = own(engine)
        copy = run.workdir / f"{run.operation_id}.{run.fence}.copy"
        require_space(run.workdir, source.size_bytes(), "take a copy of the database")
        try:
            with source.spot() as spot:
                mode = copying.snapshot(spot, str(copy), paced(run, "pages", "copy"))
            yield Copy(copy, mode, datetime.now(UTC))
        finally:
            copy.unlink(missing_ok=True)

    def write_from(
        self, moment: Copy, engine: Engine, archive: Archive, run: Progress, scope: Scope = WHOLE
    ) -> Contents:
        stored, found = _pack(moment.path, archive, run)
        return contents_of(self.name, own(engine), (stored,), found, moment.journal_mode)

    def unpack(self, archive: Archive, contents: Contents, path: Path, descriptor: int, run: Progress) -> None:
        """Make the file that a backup holds, in the empty one at `path`; its descriptor is closed at the end."""
        _unpack(archive, contents, descriptor, run)

    def read_through(self, archive: Archive, contents: Contents, run: Progress) -> None:
        proof = run.workdir / f"{run.operation_id}.{run.fence}.proof"
        require_space(run.workdir, contents.objects[0].plain_size, "unpack the backup")
        try:
            self.unpack(archive, contents, proof, os.open(proof, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), run)
            with examine.examining(proof, full=False, digests=False) as examiner:
                require_equal(examiner.result(paced(run, "tables", "check")), contents)
        finally:
            proof.unlink(missing_ok=True)

    def refusals(
        self, engine: Engine, contents: Contents, *, method: str, overwrite: bool
    ) -> list[tuple[str, str, str]]:
        if contents.source.get("engine") != self.engine or not isinstance(engine, SqliteEngine):
            return [sqlite_refusals.wrong_engine(str(contents.source.get("engine")), engine)]
        always = sqlite_refusals.lasting(engine, contents, method)
        return always + (sqlite_refusals.overwriting(engine, contents, overwrite) if method != SCRATCH else [])

    def methods(self, engine: Engine) -> tuple[str, ...]:
        return ("swap",)

    def prepare(self, engine: Engine, archive: Archive, contents: Contents, run: Progress, *, method: str) -> Prepared:
        target = own(engine)
        for refusal in sqlite_refusals.lasting(target, contents, method):
            raise Refused(*refusal)
        token = secrets.token_hex(16)
        with target.spot() as spot:
            name = files.staging_name(spot.name, Label.beside(target.session_label, run.operation_id, run.fence))
            path = Path(spot.folder, name)
            try:
                self.unpack(archive, contents, path, spot.create(name), run)
                with examine.examining(path, full=True, digests=False) as examiner:
                    found = examiner.result(paced(run, "tables", "check"))
                require_equal(found, contents)
                staging.mark(str(path), run.operation_id, run.fence, token)
            except BaseException:
                remove_staging(spot, name)
                raise
        rows = {table.name: table.rows for table in found.tables}
        return Prepared(method=method, name=name, tables=rows, detail={"token": token})

    def why_no_scratch(self, engine: Engine) -> str:
        return ""

    def differences(
        self, engine: Engine, archive: Archive, contents: Contents, prepared: Prepared, run: Progress
    ) -> list[str]:
        with (
            _staged(engine, prepared) as path,
            examine.examining(path, full=True, digests=True) as examiner,
        ):
            return sqlite_compare.differences(examiner.result(paced(run, "tables", "compare")), contents)

    def rows_beside(
        self, engine: Engine, archive: Archive, contents: Contents, prepared: Prepared, run: Progress
    ) -> list[str]:
        other = run.workdir / f"{run.operation_id}.{run.fence}.twin"
        require_space(run.workdir, copy_bytes(contents), "unpack the twin of the backup")
        try:
            self.unpack(archive, contents, other, os.open(other, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), run)
            with (
                _staged(engine, prepared) as path,
                examine.examining(path, full=False, digests=True) as copy,
                examine.examining(other, full=False, digests=True) as twin,
            ):
                step = paced(run, "tables", "compare with the twin")
                return sqlite_compare.row_differences(twin.result(step), copy.result(step))
        finally:
            other.unlink(missing_ok=True)

    def ask(self, engine: Engine, prepared: Prepared, statements: Sequence[str], *, seconds: int) -> list[Answer]:
        with _staged(engine, prepared) as path:
            return asking.ask(path, statements, seconds=seconds)

    def publish(
        self, engine: Engine, lock: TargetLock, archive: Archive, contents: Contents, prepared: Prepared, run: Progress
    ) -> Mapping[str, Any]:
        target = own(engine)
        began = time.monotonic()
        witness = {"identity": target.identity().key, "token": prepared.detail["token"], "staging": prepared.name}
        run.failpoint("restore.before_swap")
        lock.confirm()
        with target.spot() as spot:
            try:
                copy_over(spot, prepared, run, witness)
            finally:
                remove_staging(spot, prepared.name)
        return {"method": "swap", "milliseconds": int((time.monotonic() - began) * 1000)}

    def landed(self, engine: Engine, witness: Mapping[str, Any]) -> bool | None:
        if not witness.get("token"):
            return False  # the run ended before it came so far
        target = own(engine)
        try:
            if target.identity().key != witness.get("identity"):
                return None  # the file itself was replaced since
            with target.reading() as connection:
                return staging.is_marked(connection, str(witness["token"]))
        except TargetProblem:
            return None

    def clean_up(self, engine: Engine, operation_id: int, fence: int) -> None:
        dead = Label.beside(engine.session_label, operation_id, fence)
        with own(engine).spot() as spot:
            for entry in spot.beside():
                if files.staged_by(spot.name, entry, dead):
                    spot.remove(entry)
            locks.discard(spot, dead)
        settle(engine)


def _pack(copy: Path, archive: Archive, run: Progress) -> tuple[StoredObject, Examination]:
    """Compress the copy into the store while a child process looks through it; published when both are well."""
    total, half = copy.stat().st_size, False
    with (
        examine.examining(copy, full=False, digests=True) as examiner,
        ArchiveWriter(archive, OBJECT) as writer,
        copy.open("rb", buffering=0) as plain,
    ):
        packer = CompressingWriter(writer)
        while data := plain.read(CHUNK_BYTES):
            packer.write(data)
            run.check_cancel()
            run.progress(packer.plain_size, total, "bytes", step="compress")
            if not half and packer.plain_size * 2 >= total:
                half = True
                run.failpoint("backup.mid")
        stored = packer.finish()
        run.failpoint("backup.before_fsync")
        writer.sync()
        found = examiner.result(paced(run, "tables", "check"))
        require_sound(found)
        writer.publish()
        run.failpoint("backup.data_renamed")
    return stored, found


def contents_of(
    format: str, source: SqliteEngine, objects: tuple[StoredObject, ...], found: Examination, journal_mode: str
) -> Contents:
    """The contents of a backup of everything that was found in a copy; every object holds every table."""
    identity = source.identity()
    facts = {name: value for name, value in found.facts.items() if name != "journal_mode"}
    return Contents(
        format=format,
        format_version=1,
        objects=objects,
        tables=tuple(
            TableContent(
                name=t.name,
                rows=t.rows,
                digest=t.digest,
                objects=tuple(item.key for item in objects),
                columns=t.columns,
            )
            for t in found.tables
        ),
        schema_fingerprint=found.fingerprint,
        sequences=found.sequences,
        source={
            "engine": SqliteNative.engine,
            "identity": identity.key,
            "server_version": identity.server_version,
            "version_number": identity.version_number,
            "journal_mode": journal_mode,
            "flavour": identity.details["flavour"],
            **facts,
        },
        tool={"path": "sqlite3 (library)", "version": identity.server_version},
        snapshot={"quick_check": "ok", "foreign_key_violations": str(found.orphans)},
    )


def _unpack(archive: Archive, contents: Contents, descriptor: int, run: Progress) -> None:
    """Write the plain file to a descriptor, which is closed at the end."""
    stored, done, half = contents.objects[0], 0, False
    with open(descriptor, "wb", buffering=0) as file, disk_errors("the unpacked backup"):
        for data in plain_bytes(archive, stored):
            file.write(data)
            done += len(data)
            run.check_cancel()
            run.progress(done, stored.plain_size, "bytes", step="unpack")
            if not half and done * 2 >= stored.plain_size:
                half = True
                run.failpoint("restore.staging_half")


def require_sound(found: Examination) -> None:
    if found.damage:
        raise OperationFailed(
            "target_damaged",
            f"The database is damaged: {found.damage[0]}.",
            "Restore it from its last good backup, or repair it with the sqlite3 shell's .recover.",
        )


def require_equal(found: Examination, contents: Contents) -> None:
    """The unpacked file holds what the manifest says. Raises OperationFailed("backup_damaged")."""
    if differences := sqlite_compare.differences(found, contents):
        raise OperationFailed("backup_damaged", f"The backup is damaged: {differences[0]}.", "Use another backup.")


@contextmanager
def _staged(engine: Engine, prepared: Prepared) -> Iterator[Path]:
    """The file of a prepared copy, while its folder is held."""
    with own(engine).spot() as spot:
        yield Path(spot.folder, prepared.name)


def own(engine: Engine) -> SqliteEngine:
    if not isinstance(engine, SqliteEngine):
        raise Refused(*sqlite_refusals.wrong_engine("sqlite", engine))
    return engine
