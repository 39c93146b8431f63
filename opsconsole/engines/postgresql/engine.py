"""PostgreSQL as an engine: each method opens a short session of its own and closes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from opsconsole.engines.base import ASKING_SECONDS, Address, Check, Engine, Identity, Likeness, Page, Table
from opsconsole.engines.postgresql import (
    address,
    catalogue,
    check,
    databases,
    fingerprint,
    fixing,
    in_place,
    inquiry,
    lock,
    loosening,
    quieting,
    rows,
    script,
    structure,
    surveying,
    vitals,
)
from opsconsole.engines.postgresql.connect import LONG, LOOK, Connector
from opsconsole.engines.postgresql.fixing import PostgresFixing, PostgresWording
from opsconsole.engines.postgresql.inquiry import PostgresInquiry
from opsconsole.engines.postgresql.lock import PostgresLock
from opsconsole.engines.postgresql.raw_texts import take_raw
from opsconsole.engines.postgresql.script import PostgresScript
from opsconsole.engines.scripting import USUAL, Patience, Script
from opsconsole.engines.structure import ForeignKey, Relation, Structure
from opsconsole.engines.surveying import Held, Survey
from opsconsole.engines.vitals import Vitals
from opsconsole.exceptions import Usage


class PostgresEngine(Engine):
    name: ClassVar[str] = "postgresql"
    label: ClassVar[str] = "PostgreSQL"
    capabilities: ClassVar[frozenset[str]] = frozenset({"schemas", "sequences", "swap", "in_place", "snapshot"})
    url_schemes: ClassVar[frozenset[str]] = address.SCHEMES

    @classmethod
    def parse(cls, url: str, *, roots: Sequence[Path] = ()) -> Address:
        return address.parse(url, roots)

    @classmethod
    def likeness(cls, one: str, other: str, *, look: bool = False) -> Likeness:
        return address.likeness(one, other, look=look)

    @cached_property
    def connector(self) -> Connector:
        """How this engine opens its sessions; the formats of PostgreSQL use it too."""
        return Connector(self.address, self.session_label)

    def identity(self) -> Identity:
        with self.connector.session() as session:
            return catalogue.identity(session)

    def check(self) -> list[Check]:
        return check.check(self.connector)

    def tables(self, *, exact: bool = False) -> list[Table]:
        patience = LONG | {"lock_timeout": LOOK["lock_timeout"]}  # somebody may be waiting for the plan
        with self.connector.session(patience) as session, session.transaction():
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return catalogue.tables(session, exact=exact)

    def structure(self) -> Structure:
        with self.connector.session() as session:
            take_raw(session)
            with session.transaction():
                session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                return structure.read(session)

    def schema_fingerprint(self) -> str:
        with self.connector.session() as session, session.transaction():
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return fingerprint.digest(session)

    def size_bytes(self) -> int:
        with self.connector.session() as session:
            return catalogue.size_bytes(session)

    def page(self, table: str, *, limit: int = 50, after: str | None = None) -> Page:
        with self.connector.session() as session:
            found = [item for item in catalogue.tables(session, exact=False) if item.full_name == table]
            if not found:
                raise Usage(
                    "unknown_table", f"There is no table {table} in this database.", "Choose one from the list."
                )
            return rows.page(session, found[0], limit=limit, after=after)

    def sessions(self) -> list[str]:
        with self.connector.session() as session:
            return catalogue.sessions(session)

    def writes(self) -> str:
        with self.connector.session() as session:
            return catalogue.writes(session)

    def beside(self, name: str) -> PostgresEngine:
        """The engine of another database on the same server, reached as this one is."""
        return PostgresEngine(replace(self.address, name=name), session_label=self.session_label)

    @contextmanager
    def script(
        self, patience: Patience = USUAL, *, read_only: bool = False, foreign_keys: bool | None = None
    ) -> Iterator[PostgresScript]:
        with script.opened(self.connector, patience, read_only=read_only) as opened:
            yield opened

    @contextmanager
    def inquiry(self, *, seconds: float = ASKING_SECONDS) -> Iterator[PostgresInquiry]:
        with inquiry.opened(self.connector, seconds=seconds) as opened:
            yield opened

    def vitals(self, *, seconds: float) -> Vitals:
        return vitals.read(self.connector, seconds=seconds)

    @property
    def wording(self) -> PostgresWording:
        return PostgresWording()

    @contextmanager
    def fixing(
        self, tables: Sequence[Relation], *, home: str, loose: Sequence[ForeignKey] = ()
    ) -> Iterator[PostgresFixing]:
        with fixing.opened(self.connector, tables, home, loose) as opened:
            yield opened

    def enforces(self, keys: Sequence[ForeignKey]) -> list[ForeignKey]:
        with self.connector.session() as session:
            return loosening.enforced(session, keys)

    def unquiet(self, relations: Sequence[Relation]) -> list[Relation]:
        with self.connector.session() as session:
            return quieting.unquiet(session, relations)

    def landed(self, witness: Mapping[str, Any]) -> bool | None:
        return in_place.landed(self.connector, witness)

    def definitions(self) -> Mapping[str, str]:
        with self.connector.session() as session, session.transaction():
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return fingerprint.by_name(session)

    def survey(self, tick: Callable[[], None], *, like: Survey | None = None) -> Survey:
        return surveying.survey(self.connector, tick, like)

    @contextmanager
    def watching(self, script: Script) -> Iterator[Callable[[], Held]]:
        ((process,),) = script.ask("SELECT pg_backend_pid()")
        with surveying.watching(self.connector, process) as look:
            yield look

    @contextmanager
    def hold(self) -> Iterator[PostgresLock]:
        with lock.hold(self.connector, databases.maintenance_of(self.connector)) as held:
            yield held

    def leftovers(self) -> list[str]:
        with self.connector.session() as session:
            return databases.leftovers(session, self.address.name, self.session_label)
