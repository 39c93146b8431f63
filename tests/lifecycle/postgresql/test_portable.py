"""Portable backups of PostgreSQL: documents for anybody, out of which every value comes back bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from lifecycle.formats import format_of
from lifecycle.formats.base import SCRATCH, Contents, Scope
from tests.lifecycle.postgresql.test_corpus import dumped
from tests.support import postgres_worker as worker

VALUES = (Path(__file__).parent / "values.sql").read_text()
PORTABLE = format_of("postgresql", "json")


@pytest.fixture
def awkward(postgres: Any) -> Any:
    name = postgres.create_database()
    postgres.run(VALUES, name)
    yield name
    for (found,) in postgres.rows(f"SELECT datname FROM pg_database WHERE datname LIKE '{name}%'"):
        postgres.drop_database(found)


def taken(url: str, base: Path, scope: Scope) -> Contents:
    run = worker.run_in(base, fence=1)
    return PORTABLE.write(worker.engine(url, label=run.label), worker.archive(base, run.part), run, scope)


def stored(base: Path, key: str) -> Any:
    data = (base / "store" / "backups/x/7" / key).read_bytes()
    return json.loads(zstd.decompress(data) if key.endswith(".zst") else data)


def proven(url: str, base: Path, contents: Contents) -> list[str]:
    """What a drill finds: the copy is built, compared and dropped."""
    run, engine = worker.run_in(base, fence=9), worker.engine(url)
    archive = worker.archive(base, run.part)
    PORTABLE.read_through(archive, contents, run)
    prepared = PORTABLE.prepare(engine, archive, contents, run, method=SCRATCH)
    found = PORTABLE.differences(engine, archive, contents, prepared, run)
    PORTABLE.clean_up(engine, run.operation_id, run.fence)
    return found


@pytest.mark.parametrize("apart", [False, True])
def test_every_value_comes_back_bit_for_bit(postgres: Any, awkward: str, base: Path, apart: bool) -> None:
    url, before = postgres.url(awkward), dumped(postgres, awkward)
    contents = taken(url, base, Scope(apart=apart))
    assert proven(url, base, contents) == []
    run = worker.run_in(base, fence=2)
    with worker.engine(url, label=run.label).hold() as lock:
        archive, engine = worker.archive(base, run.part), worker.engine(url, label=run.label)
        postgres.run("DELETE FROM numbers; DROP TABLE documents", awkward)
        prepared = PORTABLE.prepare(engine, archive, contents, run, method="swap")
        PORTABLE.publish(engine, lock, archive, contents, prepared, run)
    assert dumped(postgres, awkward) == before
