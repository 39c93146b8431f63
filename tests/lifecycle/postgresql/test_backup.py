"""What a backup holds: one moment, every row, digests that notice any change of a byte."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lifecycle.formats import format_of
from lifecycle.formats.base import Contents
from opsconsole.engines.postgresql import copying, snapshot
from opsconsole.exceptions import Cancelled, OperationFailed, TargetProblem
from tests.lifecycle.postgresql.conftest import Ledger
from tests.support import postgres_worker as worker
from tests.support.waiting import wait_until

formats = pytest.mark.parametrize("format", ["native", "custom"])


def read_through(contents: Contents, base: Path) -> None:
    format_of("postgresql", contents.format).read_through(worker.archive(base, "7.1"), contents, worker.run_in(base))


def rows_in(contents: Contents) -> dict[str, int]:
    return {table.name: table.rows for table in contents.tables}


@formats
def test_rows_are_counted_and_everything_reads_through(ledger: Ledger, base: Path, format: str) -> None:
    contents = worker.backup(ledger.url, base, format=format)
    assert rows_in(contents) == {"public.entries": 5000, "public.people": 500}
    assert contents.source["identity"] == worker.engine(ledger.url).identity().key
    read_through(contents, base)


@formats
def test_the_counts_are_those_of_the_snapshot_while_others_write(ledger: Ledger, base: Path, format: str) -> None:
    over = threading.Event()

    def write() -> None:
        with ledger.server.connect(ledger.name) as app:
            while not over.is_set():
                with app.transaction():
                    app.execute("INSERT INTO people (name) SELECT gen_random_uuid()")
                    app.execute("INSERT INTO entries (person, word) SELECT max(id), 'new' FROM people")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        contents = worker.backup(ledger.url, base, format=format)
    finally:
        over.set()
        writer.join()
    worker.restore(ledger.url, base, worker.run_in(base, fence=2))
    assert ledger.server.rows("SELECT count(*) FROM entries", ledger.name) == [(rows_in(contents)["public.entries"],)]
    assert rows_in(contents)["public.entries"] - 5000 == rows_in(contents)["public.people"] - 500


def test_big_tables_are_copied_in_chunks_that_hold_every_row_once(
    ledger: Ledger, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "CHUNK_PAGES", 5)
    ledger.server.run("DELETE FROM entries WHERE id % 3 = 0; UPDATE entries SET at = NULL", ledger.name)
    contents = worker.backup(ledger.url, base)
    entries = next(table for table in contents.tables if table.name == "public.entries")
    assert len(entries.objects) > 5
    assert entries.rows == 3334
    read_through(contents, base)
    worker.restore(ledger.url, base, worker.run_in(base, fence=2))
    assert ledger.server.rows("SELECT count(DISTINCT id) FROM entries", ledger.name) == [(3334,)]


@formats
def test_one_changed_byte_anywhere_is_found(ledger: Ledger, base: Path, format: str) -> None:
    contents = worker.backup(ledger.url, base, format=format)
    store = worker.archive(base, "7.1").store
    for item in contents.objects:
        path = base / "store" / "backups/x/7" / item.key
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :])
        with pytest.raises(OperationFailed) as damaged:
            read_through(contents, base)
        assert damaged.value.code == "backup_damaged"
        path.write_bytes(whole)
    assert len(store.keys("backups/x/7")) == len(contents.objects)


@formats
@pytest.mark.parametrize("spoil", [lambda whole: whole[:-1], lambda whole: whole + b"x", lambda whole: b""])
def test_a_cut_or_padded_object_is_found(
    ledger: Ledger, base: Path, format: str, spoil: Callable[[bytes], bytes]
) -> None:
    contents = worker.backup(ledger.url, base, format=format)
    path = base / "store" / "backups/x/7" / contents.objects[-1].key
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(OperationFailed, match=r"damaged|differ|cut off"):
        read_through(contents, base)


@formats
def test_a_missing_object_is_found(ledger: Ledger, base: Path, format: str) -> None:
    contents = worker.backup(ledger.url, base, format=format)
    (base / "store" / "backups/x/7" / contents.objects[-1].key).unlink()
    with pytest.raises(OperationFailed) as damaged:
        read_through(contents, base)
    assert damaged.value.code == "backup_damaged"


def test_a_table_left_out_of_the_manifest_is_found_by_the_restore(ledger: Ledger, base: Path) -> None:
    contents = worker.backup(ledger.url, base)
    people = tuple(table for table in contents.tables if table.name == "public.people")
    engine, run = worker.engine(ledger.url, label="opsconsole/7/2"), worker.run_in(base)
    with pytest.raises(OperationFailed, match=r"public\.entries has 0 rows"):
        format_of("postgresql", "native").prepare(
            engine, worker.archive(base, "7.2"), replace(contents, tables=people), run, method="swap"
        )
    assert ledger.databases() == [""]


def test_large_objects_fall_back_to_the_custom_format_and_come_back(ledger: Ledger, base: Path) -> None:
    ledger.server.run("SELECT lo_from_bytea(4242, convert_to(repeat('x', 100000), 'UTF8'))", ledger.name)
    contents = worker.backup(ledger.url, base)
    assert (contents.format, contents.fallback_reason) == ("custom", "1 large objects")
    read_through(contents, base)
    for fence, method in ((2, "swap"), (3, "in_place")):
        ledger.server.run("SELECT lo_unlink(4242); SELECT lo_from_bytea(1, 'other')", ledger.name)
        worker.restore(ledger.url, base, worker.run_in(base, fence=fence), method=method)
        found = ledger.server.rows("SELECT oid::int, length(lo_get(oid)) FROM pg_largeobject_metadata", ledger.name)
        assert found == [(4242, 100000)]


def test_rows_that_the_role_may_not_see_are_a_refusal_and_not_a_hole(ledger: Ledger, base: Path) -> None:
    role = ledger.server.create_role()
    ledger.server.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC", ledger.name)
    ledger.server.run("ALTER TABLE entries ENABLE ROW LEVEL SECURITY", ledger.name)
    with pytest.raises(TargetProblem) as refused:
        worker.backup(str(ledger.server.url(ledger.name, role=role)), base)
    assert refused.value.code == "permission"


def test_a_cancelled_backup_leaves_no_part_and_no_process(ledger: Ledger, base: Path) -> None:
    run = worker.run_in(base)
    run.cancel = True
    engine = worker.engine(ledger.url, label=run.label)
    with pytest.raises(Cancelled):
        format_of("postgresql", "native").write(engine, worker.archive(base, run.part), run)
    assert [path for path in (base / "store").rglob("*") if path.is_file()] == []
    wait_until(lambda: engine.leftovers() == [], "the sessions have ended")


def test_a_full_disk_is_said_to_be_one(ledger: Ledger, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.server.run("UPDATE entries SET word = gen_random_uuid()::text || gen_random_uuid()", ledger.name)
    run, real = worker.run_in(base), copying.process.spawn
    monkeypatch.setattr(copying.process, "spawn", lambda argv, **options: real(limited(argv), **options))
    with pytest.raises(OperationFailed) as full:
        format_of("postgresql", "native").write(
            worker.engine(ledger.url, label=run.label), worker.archive(base, run.part), run
        )
    assert full.value.code == "disk_full"
    assert list((base / "store").rglob("*.part")) == []


def limited(argv: Any) -> list[Any]:
    """The copy worker under a limit of 50 KB a file; pg_dump as it is."""
    if not str(argv[0]).endswith("python"):
        return list(argv)
    wrapper = "trap '' XFSZ; ulimit -f 100; exec \"$@\""
    return ["/bin/sh", "-c", wrapper, "sh", *argv]


def test_a_worker_that_dies_ends_the_backup(ledger: Ledger, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = copying._start
    monkeypatch.setattr(copying, "_start", lambda program: real(Path(os.devnull)))
    with pytest.raises(OperationFailed) as died:
        worker.backup(ledger.url, base)
    assert died.value.code == "worker_died"


def test_copy_workers_stay_small(postgres: Any, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = postgres.create_database()
    postgres.run(
        "CREATE TABLE big AS SELECT n, md5(n::text) || md5((n + 1)::text) AS t FROM generate_series(1, 400000) n;"
        " CREATE TABLE fat AS SELECT repeat(md5(n::text), 250000) AS t FROM generate_series(1, 4) n",
        name,
    )
    peaks: list[int] = []
    real = copying.CopyWorkers._stop
    monkeypatch.setattr(
        copying.CopyWorkers, "_stop", lambda self: (peaks.extend(map(peak, self._seats)), real(self))[1]
    )
    worker.backup(str(postgres.url(name)), base)
    worker.restore(str(postgres.url(name)), base, worker.run_in(base, fence=2))
    assert len(peaks) == 4
    assert max(peaks) < 96 * 1024, peaks  # 64 MiB, and three copies of the largest value: 8 MB
    for (found,) in postgres.rows(f"SELECT datname FROM pg_database WHERE datname LIKE '{name}%'"):
        postgres.drop_database(found)


def peak(seat: Any) -> int:
    """The largest memory that a worker has used, in KiB."""
    status = Path(f"/proc/{seat.child.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
