"""A portable backup of everything that PostgreSQL can hold, loaded over what is there: bit for bit the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lifecycle import loading
from lifecycle.documents.stored import open_stored
from lifecycle.formats.base import Contents
from lifecycle.loading import Options
from tests.support import postgres_worker as worker
from tests.support.fake_run import FakeRun

CORPUS = Path(__file__).parents[1] / "postgresql" / "corpus.sql"
YES = frozenset({"uncovered", "target_column"})


def digests(contents: Contents) -> dict[str, tuple[int, str]]:
    return {table.name: (table.rows, table.digest) for table in contents.tables}


def test_a_portable_backup_loaded_into_its_tables_leaves_every_bit_as_it_was(postgres: Any, tmp_path: Path) -> None:
    name = postgres.create_database()
    postgres.run(CORPUS.read_text(), name)
    postgres.run("ALTER TABLE tree DISABLE TRIGGER USER", name)  # one that lets nothing in
    url = str(postgres.url(name))
    bases = [worker.make_base(tmp_path / word) for word in ("before", "portable", "after")]
    before = worker.backup(url, bases[0])
    portable = worker.backup(url, bases[1], format="json")
    document = open_stored(worker.archive(bases[1], ""), portable, workdir=bases[1] / "work")
    engine, options = worker.engine(url, label="opsconsole/7/4"), Options(accept=YES)
    with engine.hold() as lock:
        found = loading.survey(engine, document, options)
        loading.load(engine, lock, document, found, options, FakeRun(7, 4))
    after = worker.backup(url, bases[2], fence=5)
    assert digests(after) == digests(before)
    assert after.sequences == before.sequences
    postgres.drop_database(name)
