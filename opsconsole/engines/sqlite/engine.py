"""SQLite as an engine of the console."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from opsconsole.engines.base import ASKING_SECONDS, Address, Check, Engine, Identity, Likeness, Page, Table
from opsconsole.engines.scripting import USUAL, Patience
from opsconsole.engines.sqlite import (
    catalogue,
    connections,
    fixing,
    inquiry,
    locks,
    probe,
    script,
    staging,
    structure,
    surveying,
    vitals,
)
from opsconsole.engines.sqlite.address import SqliteAddress, likeness, parse
from opsconsole.engines.sqlite.files import LOCK_SUFFIX, Spot, found, sound, staging_owner
from opsconsole.engines.sqlite.fixing import SqliteFixing, SqliteWording
from opsconsole.engines.sqlite.inquiry import SqliteInquiry
from opsconsole.engines.sqlite.script import SqliteScript
from opsconsole.engines.structure import ForeignKey, Relation, Structure
from opsconsole.engines.surveying import Survey
from opsconsole.engines.vitals import Vitals
from opsconsole.exceptions import OpsError, TargetProblem

PAGE_SECONDS = 5.0
COUNT_SECONDS = 300.0
SURVEY_SECONDS = 6 * 3600.0
CHECK_SECONDS = 2.0  # how long `check` looks into the file itself


class SqliteEngine(Engine):
    """One SQLite file; with the D1 flavour, one of Cloudflare's or of its local runtime."""

    name: ClassVar[str] = "sqlite"
    label: ClassVar[str] = "SQLite"
    capabilities: ClassVar[frozenset[str]] = frozenset({"swap"})
    url_schemes: ClassVar[frozenset[str]] = frozenset({"sqlite"})
    address: SqliteAddress

    def __init__(self, address: Address, *, session_label: str = "opsconsole") -> None:
        if not isinstance(address, SqliteAddress):
            raise TypeError("an SqliteEngine is built from the address that its own parse gave")
        super().__init__(address, session_label=session_label)

    @classmethod
    def parse(cls, url: str, *, roots: Sequence[Path] = ()) -> SqliteAddress:
        return parse(url, roots)

    @classmethod
    def likeness(cls, one: str, other: str, *, look: bool = False) -> Likeness:
        return likeness(one, other, look=look)

    def identity(self) -> Identity:
        with self.reading() as connection, self.spot() as spot:
            facts = spot.stat()
            flavour = self._flavour(connection)
            details = {name: str(value) for name, value in probe.facts(connection).items()}
        key = f"sqlite:{facts.st_dev}:{facts.st_ino}:{spot.path}"
        return Identity(
            key=key,
            incarnation=key,
            server_version=sqlite3.sqlite_version,
            version_number=version_number(),
            details=details | {"flavour": flavour},
        )

    def check(self) -> list[Check]:
        try:
            with self.spot() as spot:
                sound(spot)
                _require_writable(spot)
                return [self._look_inside(spot)]
        except OpsError as problem:
            return [Check(code=problem.code, ok=False, detail=problem.why, next_step=problem.next_step)]

    def tables(self, *, exact: bool = False) -> list[Table]:
        with self.reading(seconds=COUNT_SECONDS) as connection:
            return catalogue.tables(connection, exact=exact, seconds=COUNT_SECONDS)

    def structure(self) -> Structure:
        with self.reading() as connection:
            return structure.read(connection)

    def ddl(self) -> tuple[str, ...]:
        with self.reading() as connection:
            return probe.definitions(connection)

    def schema_fingerprint(self) -> str:
        with self.reading() as connection:
            return probe.fingerprint(connection)

    def size_bytes(self) -> int:
        """Bytes of the file and of its write-ahead log."""
        with self.spot() as spot:
            return spot.stat().st_size + spot.size_of(f"{spot.name}-wal")

    def page(self, table: str, *, limit: int = 50, after: str | None = None) -> Page:
        with self.reading(seconds=PAGE_SECONDS) as connection:
            return catalogue.page(connection, table, limit_rows=limit, after=after)

    @contextmanager
    def script(
        self, patience: Patience = USUAL, *, read_only: bool = False, foreign_keys: bool | None = None
    ) -> Iterator[SqliteScript]:
        enforced = self.is_d1 if foreign_keys is None else foreign_keys
        with self.spot() as spot, script.opened(spot, patience, read_only=read_only, foreign_keys=enforced) as opened:
            yield opened

    @contextmanager
    def inquiry(self, *, seconds: float = ASKING_SECONDS) -> Iterator[SqliteInquiry]:
        with self.spot() as spot, inquiry.opened(spot, seconds=seconds) as opened:
            yield opened

    def vitals(self, *, seconds: float) -> Vitals:
        with self.spot() as spot:
            return vitals.read(spot, seconds=seconds)

    @property
    def wording(self) -> SqliteWording:
        return SqliteWording()

    @contextmanager
    def fixing(
        self, tables: Sequence[Relation], *, home: str, loose: Sequence[ForeignKey] = ()
    ) -> Iterator[SqliteFixing]:
        identity = self.identity().key
        with self.spot() as spot, fixing.opened(spot, tables, identity, enforced=not loose) as opened:
            yield opened

    def landed(self, witness: Mapping[str, Any]) -> bool | None:
        try:
            if self.identity().key != witness.get("identity"):
                return None  # the file itself was replaced since
            with self.reading() as connection:
                return staging.is_marked(connection, str(witness["token"]))
        except TargetProblem:
            return None

    def definitions(self) -> Mapping[str, str]:
        with self.reading() as connection:
            return surveying.definitions(connection)

    def survey(self, tick: Callable[[], None], *, like: Survey | None = None) -> Survey:
        with self.reading(seconds=SURVEY_SECONDS) as connection:
            return surveying.survey(connection, self.size_bytes(), tick, like)

    def hold(self) -> AbstractContextManager[locks.FileLock]:
        return self._hold()

    def leftovers(self) -> list[str]:
        """Staging files beside the database, and a lock file that nobody holds."""
        with self.spot() as spot:
            names = [name for name in spot.beside() if staging_owner(spot.name, name)]
            if spot.name + LOCK_SUFFIX in spot.beside() and locks.holder(spot) is None:
                names.append(spot.name + LOCK_SUFFIX)
        return names

    @property
    def is_d1(self) -> bool:
        """Whether this is a D1 database, by its address or by the tables of D1's runtime and tool."""
        with self.reading() as connection:
            return self._flavour(connection) == "d1"

    @contextmanager
    def reading(self, *, seconds: float = connections.DEADLINE_SECONDS) -> Iterator[sqlite3.Connection]:
        """A connection that cannot write, with a deadline."""
        with self.spot() as spot, connections.reading(spot, seconds=seconds) as connection:
            yield connection

    def spot(self) -> AbstractContextManager[Spot]:
        """The file and its folder, held by descriptor."""
        return found(self.address)

    @contextmanager
    def _hold(self) -> Iterator[locks.FileLock]:
        with self.spot() as spot:
            sound(spot)
            with locks.held(spot, self.session_label) as lock:
                yield lock

    def _flavour(self, connection: sqlite3.Connection) -> str:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        marked = any(name == "d1_migrations" or name.lower().startswith("_cf_") for name in names)
        return self.address.flavour or ("d1" if marked else "")

    def _look_inside(self, spot: Spot) -> Check:
        with connections.reading(spot) as connection:
            facts, flavour = probe.facts(connection), self._flavour(connection)
            count = len(probe.table_names(connection))
            with connections.interrupted_after(connection, CHECK_SECONDS):
                damage = _damage(connection)
        if damage:
            raise TargetProblem("not_a_database", f"{spot.path} is damaged: {damage}.", "Restore it from a backup.")
        kind = "D1 database" if flavour == "d1" else "database"
        detail = f"SQLite {sqlite3.sqlite_version}, {kind} with {count} tables, journal mode {facts['journal_mode']}."
        return Check(code="ok", ok=True, detail=detail)


def version_number() -> int:
    """The version of the SQLite library as one number: 3040001 for 3.40.1."""
    major, minor, patch = sqlite3.sqlite_version_info
    return major * 1_000_000 + minor * 1000 + patch


def _damage(connection: sqlite3.Connection) -> str:
    """The first thing that a quick check finds within its deadline, "" when there is none."""
    try:
        finding = probe.checked(connection, probe.CHECKS[0], 1)[0]
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        return ""
    return "" if finding == "ok" else finding


def _require_writable(spot: Spot) -> None:
    for name, what in ((spot.name, spot.path), (".", spot.folder)):
        if not os.access(name, os.R_OK | os.W_OK, dir_fd=spot.folder_fd):
            raise TargetProblem(
                "permission",
                f"The console may not read and write {what}.",
                "Give the user that runs the console read and write access to the file and its folder.",
            )
