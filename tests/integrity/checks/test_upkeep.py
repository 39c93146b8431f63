"""Vacuum, analyze, much writing, unused room and transaction numbers."""

from __future__ import annotations

from integrity.checks.base import Held, Severity
from integrity.checks.upkeep import MuchWritten, NeedsAnalyze, NeedsVacuum, UnusedRoom
from integrity.checks.wraparound import Wraparound


def test_dead_rows_missing_statistics_and_much_writing_are_told_and_vacuum_sets_it_right(on_postgres):
    on_postgres.change(
        "CREATE TABLE busy (id integer) WITH (autovacuum_enabled = off);"
        "CREATE TABLE calm (id integer) WITH (autovacuum_enabled = off)"
    )
    on_postgres.change(
        "INSERT INTO busy SELECT * FROM generate_series(1, 6000);"
        "INSERT INTO calm SELECT * FROM generate_series(1, 5000)"
    )
    on_postgres.change("DELETE FROM busy WHERE id > 1000; DELETE FROM calm WHERE id > 4500;"
                       "SELECT pg_stat_force_next_flush()")  # fmt: skip
    checks = NeedsVacuum(rows=500), NeedsAnalyze(least=1 << 17), MuchWritten()
    found = {(each.check, each.subject): each for check in checks for each in on_postgres.found(check).values()}
    assert set(found) == {
        ("needs_vacuum", "public.busy"), ("needs_analyze", "public.busy"), ("needs_analyze", "public.calm"),
        ("table_churn", "public.busy"),
    }  # fmt: skip
    vacuum = found["needs_vacuum", "public.busy"]
    assert (vacuum.count, vacuum.of, "switched off" in vacuum.why) == (5000, 6000, True)
    for each in found.values():
        for proposal in each.proposals:
            on_postgres.change(proposal.statement)
    on_postgres.change("SELECT pg_stat_force_next_flush()")
    assert all(isinstance(each, Held) for each in on_postgres.look(*checks[:2]))
    on_postgres.change("UPDATE busy SET id = 0 WHERE id < 600; UPDATE calm SET id = 0 WHERE id < 600")
    on_postgres.change("SELECT pg_stat_force_next_flush()")
    (stale,) = on_postgres.found(NeedsAnalyze(least=1)).values()
    assert stale.sentence.startswith("599 rows of public.busy were changed since it was analyzed")


def test_old_transaction_numbers_name_the_oldest_table_of_the_users(on_postgres):
    on_postgres.change("CREATE TABLE t (id integer)")
    on_postgres.change("INSERT INTO t VALUES (1)")
    told = {each.subject: each for each in on_postgres.look(Wraparound())}
    assert all(isinstance(each, Held) for each in told.values())
    assert set(told) == {"transaction numbers", "multixact numbers"}
    warned = on_postgres.found(Wraparound(warns=1))["transaction numbers"]
    assert warned.severity is Severity.WARNING
    critical = on_postgres.found(Wraparound(warns=1, fails=2))["transaction numbers"]
    assert (critical.severity, "pg_catalog." in critical.sentence) == (Severity.CRITICAL, True)


def test_sqlite_tells_of_unused_room_and_of_missing_statistics(on_sqlite):
    on_sqlite.change(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB); CREATE INDEX by_v ON t (v); CREATE TABLE plain (x);"
        "CREATE TABLE empty (x UNIQUE);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)"
        " INSERT INTO t SELECT i, zeroblob(4000) FROM n; DELETE FROM t WHERE id > 50"
    )
    room = on_sqlite.found(UnusedRoom())["file"]
    statistics = on_sqlite.found(NeedsAnalyze())["statistics"]
    assert (statistics.severity, statistics.sentence) == (
        Severity.INFO, "1 table with indexes was never analyzed: t."
    )  # fmt: skip
    assert not on_sqlite.found(UnusedRoom(), d1=True)["file"].proposals  # D1 refuses VACUUM
    on_sqlite.change(statistics.proposals[0].statement)
    on_sqlite.change(room.proposals[0].statement)
    assert all(isinstance(each, Held) for each in on_sqlite.look(UnusedRoom(), NeedsAnalyze(least=0)))
