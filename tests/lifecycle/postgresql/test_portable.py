"""Portable backups of PostgreSQL: documents for anybody, out of which every value comes back bit for bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from lifecycle.formats import format_of
from lifecycle.formats.base import SCRATCH, Archive, Contents, Scope
from opsconsole import age_keys
from opsconsole.exceptions import Refused
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


def taken(url: str, base: Path, scope: Scope, archive: Archive | None = None) -> Contents:
    run = worker.run_in(base, fence=1)
    engine = worker.engine(url, label=run.label)
    return PORTABLE.write(engine, archive or worker.archive(base, run.part), run, scope)


def stored(base: Path, key: str) -> Any:
    data = (base / "store" / "backups/x/7" / key).read_bytes()
    return json.loads(zstd.decompress(data) if key.endswith(".zst") else data)


def proven(url: str, base: Path, contents: Contents, archive: Archive | None = None) -> list[str]:
    """What a drill finds: the copy is built, compared and dropped."""
    run, engine = worker.run_in(base, fence=9), worker.engine(url)
    archive = archive or worker.archive(base, run.part)
    PORTABLE.read_through(archive, contents, run)
    prepared = PORTABLE.prepare(engine, archive, contents, run, method=SCRATCH)
    found = PORTABLE.differences(engine, archive, contents, prepared, run)
    PORTABLE.clean_up(engine, run.operation_id, run.fence)
    return found


def test_every_value_is_proven_in_encrypted_files_of_one_table_each(postgres: Any, awkward: str, base: Path) -> None:
    private, public = age_keys.passing()
    archive = replace(worker.archive(base, "7.1"), recipients=(public,), identities=(private,))
    contents = taken(postgres.url(awkward), base, Scope(apart=True), archive)
    assert {item.encryption for item in contents.objects} == {"age"}
    assert len(contents.objects) == len(contents.tables) + 2  # the definitions and the summary
    assert proven(postgres.url(awkward), base, contents, archive) == []


def test_every_value_comes_back_bit_for_bit(postgres: Any, awkward: str, base: Path) -> None:
    url, before = postgres.url(awkward), dumped(postgres, awkward)
    contents = taken(url, base, Scope())
    assert proven(url, base, contents) == []
    run = worker.run_in(base, fence=2)
    with worker.engine(url, label=run.label).hold() as lock:
        archive, engine = worker.archive(base, run.part), worker.engine(url, label=run.label)
        postgres.run("DELETE FROM numbers; DROP TABLE documents", awkward)
        prepared = PORTABLE.prepare(engine, archive, contents, run, method="swap")
        PORTABLE.publish(engine, lock, archive, contents, prepared, run)
    assert dumped(postgres, awkward) == before


def test_a_part_is_proven_without_the_keys_that_lead_out_of_it(ledger: Any, base: Path) -> None:
    contents = taken(ledger.url, base, Scope(tables=("entries",)))
    assert [(table.name, table.rows) for table in contents.tables] == [("public.entries", 5000)]
    assert contents.source["part"] == "1 of 2 tables"
    assert proven(ledger.url, base, contents) == []
    (refused,) = PORTABLE.refusals(worker.engine(ledger.url), contents, method="swap", overwrite=True)
    assert refused[0] == "part"
    with pytest.raises(Refused) as unknown:
        taken(ledger.url, base, Scope(without=("nowhere",)))
    assert unknown.value.code == "unknown_table"


def test_a_document_is_what_any_json_reader_expects(ledger: Any, base: Path) -> None:
    ledger.server.run("CREATE SCHEMA audit; CREATE TABLE audit.log (id int, at timestamptz, data jsonb)", ledger.name)
    ledger.server.run(
        "INSERT INTO audit.log VALUES (1, '2026-01-05 12:00:00.000001+01', '{\"a\": [1.50]}')", ledger.name
    )
    contents = taken(ledger.url, base, Scope())
    whole = stored(base, "document.json.zst")
    assert (whole["version"], whole["exportedAt"][-1], list(whole["tables"])) == (
        None,
        "Z",
        ["audit.log", "entries", "people"],
    )
    assert whole["tables"]["audit.log"] == [{"id": 1, "at": "2026-01-05T11:00:00.000001+00:00", "data": {"a": [1.5]}}]
    assert whole["tables"]["people"][0] == {"id": 1, "name": "person 1"}
    types = contents.source["document"]["tables"][0]["types"]
    assert types == {"id": "integer", "at": "timestamp with time zone", "data": "jsonb"}
