"""A database of many kinds of tables on a real server, reached by a role that is no superuser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lifecycle import loading
from lifecycle.formats.base import Archive
from lifecycle.loading import Options, RejectObject
from opsconsole.engines.base import Engine
from opsconsole.storage import FolderStore
from tests.support import postgres_worker as worker
from tests.support.fake_run import FakeRun
from tests.support.memory_documents import MemoryDocument

# Mixed case, an enumeration, arrays, jsonb, an identity, a generated column, a ring of two tables, a table that refers
# to itself, keys that wait, a table of parts, and one that nobody covers but that refers to what is covered.
SCHEMA = """
CREATE TYPE mood AS ENUM ('happy', 'sad');
CREATE TABLE tenants (id uuid PRIMARY KEY, name varchar(20) NOT NULL);
CREATE TABLE "User" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "tenantId" uuid NOT NULL REFERENCES tenants,
    "displayName" text NOT NULL UNIQUE, shout text GENERATED ALWAYS AS (upper("displayName")) STORED,
    active boolean NOT NULL DEFAULT true, feeling mood, tags text[], settings jsonb, picture bytea,
    balance numeric(20, 6), born date, "createdAt" timestamp, seen timestamptz, boss bigint REFERENCES "User"
);
CREATE TABLE teams (id serial PRIMARY KEY, name text NOT NULL, lead bigint);
CREATE TABLE members (
    id serial PRIMARY KEY, team int NOT NULL REFERENCES teams, person bigint NOT NULL REFERENCES "User",
    place int NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED
);
ALTER TABLE teams ADD FOREIGN KEY (lead) REFERENCES members;
CREATE TABLE events (id bigint, at date NOT NULL, person bigint REFERENCES "User") PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM ('2000-01-01') TO ('2026-01-01');
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2100-01-01');
CREATE TABLE notes (id serial PRIMARY KEY, person bigint REFERENCES "User" ON DELETE CASCADE, body text);
"""
TENANT = "7d444840-9dc0-11d1-b245-5ffdce74fad2"


class Place:
    """One database of the test server."""

    def __init__(self, server: Any, name: str, role: Any, folder: Path) -> None:
        self.server, self.name, self.role, self.folder = server, name, role, folder

    @property
    def url(self) -> str:
        return str(self.server.url(self.name, role=self.role))

    def engine(self, fence: int = 1) -> Engine:
        return worker.engine(self.url, label=f"opsconsole/7/{fence}")

    def run_sql(self, script: str) -> None:
        self.server.run(script, self.name, role=self.role)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return list(self.server.rows(query, self.name))

    def load(self, document: MemoryDocument, *, run: FakeRun | None = None, **options: Any) -> Any:
        """Look, say yes to what is asked (`accept` unless given), load."""
        options.setdefault("accept", frozenset({"uncovered", "target_column"}))
        asked, run = Options(**options), run or FakeRun(7, 1, workdir=self.folder)
        engine = self.engine()
        found = loading.survey(engine, document, asked)
        with engine.hold() as lock:
            return loading.load(engine, lock, document, found, asked, run, rejects=self.rejects)

    @property
    def rejects(self) -> RejectObject:
        archive = Archive(store=FolderStore(self.folder / "store"), folder="restores/7", part="7.1")
        return RejectObject(archive=archive, key="rejects.jsonl.zst")


@pytest.fixture
def make_place(postgres: Any, tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    """A function that makes a database with a schema; all are dropped at the end."""
    made: list[str] = []
    role = postgres.create_role()

    def make(schema: str) -> Place:
        made.append(postgres.create_database(owner=role))
        place = Place(postgres, made[-1], role, tmp_path)
        postgres.run(f"GRANT CREATE ON SCHEMA public TO {role.name}", place.name)
        place.run_sql(schema)
        return place

    yield make
    for name in made:
        postgres.drop_database(name)


@pytest.fixture
def place(make_place: Callable[[str], Place]) -> Place:
    return make_place(SCHEMA)
