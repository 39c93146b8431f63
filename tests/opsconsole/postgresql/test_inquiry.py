"""Asking a PostgreSQL database about one moment: rights that are given up, and sessions that are lost."""

from __future__ import annotations

from typing import Any

import pytest

from opsconsole.embedded.postgresql import EmbeddedPostgres
from opsconsole.engines.inquiry import AskFailed
from opsconsole.engines.postgresql import inquiry as inquiry_module
from opsconsole.exceptions import TargetProblem
from tests.opsconsole.postgresql.conftest import engine_of
from tests.support.servers import PostgresServer, shared_folder

ROLE = "SELECT set_config('{}', 'postgres', {}) || "


@pytest.fixture
def filled(postgres: Any, database: str) -> str:
    postgres.run(
        "CREATE TABLE orders (id int PRIMARY KEY, memo text); INSERT INTO orders SELECT n, 'secret ' || n"
        " FROM generate_series(1, 5) n; CREATE SEQUENCE counter; CREATE FUNCTION escape() RETURNS text"
        " LANGUAGE plpgsql AS $$BEGIN RESET ROLE; RETURN pg_read_file('PG_VERSION'); END$$",
        database,
    )
    return database


def failure(inquiry: Any, statement: str) -> AskFailed:
    with pytest.raises(AskFailed) as failed:
        inquiry.ask_people(statement)
    return failed.value


def test_a_superuser_gives_its_rights_up_for_statements_of_people(filled, open_database):
    with open_database().inquiry(seconds=20) as inquiry:
        for statement in (
            "SELECT pg_read_file('PG_VERSION')",
            "SELECT lo_export(1, '/tmp/exported')",
            "SELECT lo_import('/etc/passwd')",
            ROLE.format("role", "true") + "pg_read_file('PG_VERSION')",
            ROLE.format("role", "false") + "pg_read_file('PG_VERSION')",
            ROLE.format("session_authorization", "true") + "pg_read_file('PG_VERSION')",
            "SELECT escape()",
            "SELECT query_to_xml('SET ROLE postgres', true, true, '')::text",
            "SELECT set_config('transaction_read_only', 'off', true) || nextval('counter')",
            "SELECT nextval('counter')",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
            "COPY orders TO PROGRAM 'true'",
        ):
            assert failure(inquiry, statement).code
        assert inquiry.ask_people("SELECT current_user::text AS me, session_user::text AS them") == [
            {"me": "pg_read_all_data", "them": "postgres"}
        ]
        assert inquiry.ask_people("SELECT count(*) AS n FROM orders") == [{"n": 5}]
        assert inquiry.ask_people("SELECT current_setting('temp_file_limit') AS most") == [{"most": "8GB"}]


SHADOWS = {
    "CREATE FUNCTION lower(varchar) RETURNS text LANGUAGE sql AS $$SELECT 'fine'$$": "lower()",
    "CREATE FUNCTION never(varchar, varchar) RETURNS bool LANGUAGE sql AS 'SELECT false';"
    " CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = never)": "=",
}


def test_words_that_somebody_gave_another_meaning_in_the_database_are_not_asked(filled, open_database, postgres):
    asking = "SELECT 1 AS one WHERE lower('BAD'::varchar) IN ('bad')"
    for script, name in SHADOWS.items():
        with open_database().inquiry(seconds=20) as inquiry:
            assert inquiry.ask_people(asking) == [{"one": 1}]
        postgres.run(f"{script}; CREATE FUNCTION lower_all() RETURNS text LANGUAGE sql AS 'SELECT NULL::text'", filled)
        with open_database().inquiry(seconds=20) as inquiry:
            assert f"has {name} of its own" in failure(inquiry, asking).why
            assert inquiry.ask("SELECT lower('BAD'::varchar) = 'bad'::varchar") == [(True,)]
        postgres.run("DROP FUNCTION lower_all; DROP FUNCTION IF EXISTS lower(varchar)", filled)


def test_what_is_said_of_a_value_does_not_quote_it(filled, open_database):
    with open_database().inquiry(seconds=20) as inquiry:
        assert failure(inquiry, "SELECT memo::int FROM orders").why == "invalid input syntax for type integer: …"
        assert failure(inquiry, "SELECT 1 / (id - id) FROM orders").why == "division by zero"
        with pytest.raises(AskFailed, match="…"):
            inquiry.ask("SELECT memo::int FROM public.orders")


def test_an_ordinary_role_asks_with_its_own_rights_and_hidden_rows_are_told_of(filled, open_database, postgres):
    role = postgres.create_role()
    with open_database(role=role).inquiry(seconds=20) as inquiry:
        assert "permission denied" in failure(inquiry, "SELECT * FROM orders").why
    postgres.run(f'GRANT ALL ON orders TO "{role.name}"', filled)
    with open_database(role=role).inquiry(seconds=20) as inquiry:
        assert inquiry.ask_people("SELECT count(*) AS n FROM orders") == [{"n": 5}]
        for statement in (
            "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone",
            "SELECT 1) AS asked; DELETE FROM orders; SELECT * FROM (SELECT 1",
            "SELECT query_to_xml('DELETE FROM orders', true, true, '')::text",
            "SELECT set_config('transaction_read_only', 'off', true)"
            " || query_to_xml('DELETE FROM orders', true, true, '')::text",
        ):
            assert failure(inquiry, statement).code
    postgres.run("ALTER TABLE orders ENABLE ROW LEVEL SECURITY", filled)
    with open_database(role=role).inquiry(seconds=20) as inquiry:
        assert "row-level security" in failure(inquiry, "SELECT count(*) FROM orders").why
        with pytest.raises(AskFailed, match="row-level security"):
            inquiry.ask("SELECT count(*) FROM public.orders")
    assert postgres.rows("SELECT count(*) FROM orders", filled) == [(5,)]


@pytest.mark.parametrize("power", ["pg_read_server_files", "postgres"])
def test_a_role_that_may_become_a_mighty_one_runs_no_statements_of_people(power, filled, open_database, postgres):
    role = postgres.create_role()
    postgres.run(f'ALTER ROLE "{role.name}" NOINHERIT; GRANT {power} TO "{role.name}"')
    with open_database(role=role).inquiry(seconds=20) as inquiry:
        assert power in failure(inquiry, "SELECT 1").why
        assert inquiry.ask("SELECT 1") == [(1,)]


def test_nothing_stays_behind_and_nobody_is_called(debian_postgres):
    database = debian_postgres.create_database()
    debian_postgres.run("CREATE EXTENSION dblink; CREATE TABLE orders (id int)", database)
    with engine_of(debian_postgres.url(database)).inquiry(seconds=20) as inquiry:
        loop = f"host=127.0.0.1 port={debian_postgres.port} dbname={database}"
        statement = f"SELECT * FROM dblink('{loop}', 'INSERT INTO orders VALUES (1) RETURNING id') AS t(id int)"
        assert "password" in failure(inquiry, statement).why
        if debian_postgres.major < 16:  # which refuses it in a transaction that only reads
            assert inquiry.ask_people("SELECT lo_create(4242)::text AS made") == [{"made": "4242"}]
        inquiry.ask_people("SELECT pg_advisory_lock(7)::text")
        assert debian_postgres.rows("SELECT pg_try_advisory_lock(7)", database) == [(True,)]
    assert debian_postgres.rows("SELECT count(*) FROM orders", database) == [(0,)]
    assert debian_postgres.rows("SELECT count(*) FROM pg_largeobject_metadata", database) == [(0,)]


def test_a_lost_session_of_people_is_opened_again_and_a_lost_moment_is_a_problem(filled, open_database, postgres):
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND {}"
    ours = kill.format(filled, "application_name = 'opsconsole'")
    with pytest.raises(TargetProblem, match="connection"), open_database().inquiry(seconds=20) as inquiry:
        assert inquiry.ask_people("SELECT 1 AS one") == [{"one": 1}]
        postgres.rows(f"{ours} AND state = 'idle'")
        with pytest.raises(AskFailed, match="connection"):
            inquiry.ask_people("SELECT 2 AS two")
        assert inquiry.ask_people("SELECT 2 AS two") == [{"two": 2}]
        postgres.rows(ours)
        inquiry.ask("SELECT 1")


def test_a_locked_table_is_told_of_and_others_are_answered(filled, open_database, postgres, monkeypatch):
    monkeypatch.setitem(inquiry_module._OURS, "lock_timeout", "200ms")
    with postgres.connect(filled) as holder, open_database().inquiry(seconds=20) as inquiry:
        holder.execute("BEGIN; LOCK TABLE orders")
        with pytest.raises(AskFailed) as failed:
            inquiry.ask("SELECT count(*) FROM public.orders")
        assert failed.value.locked
        assert inquiry.ask("SELECT 1") == [(1,)]


def test_a_pooler_is_explained(filled, pgbouncer):
    with pytest.raises(TargetProblem) as refused, engine_of(pgbouncer.url(filled)).inquiry(seconds=20):
        pass
    assert refused.value.code == "pooler"


@pytest.mark.nightly
def test_a_standby_answers_ours_and_explains_what_it_cannot_run():
    with shared_folder() as folder:
        primary = EmbeddedPostgres(folder / "pg", major=16, durable=False)
        primary.start(log=folder / "log")
        server = PostgresServer(primary)
        server.run(
            "CREATE TABLE orders (id int); CREATE ROLE reader LOGIN PASSWORD 'reading';"
            " GRANT pg_read_all_data TO reader"
        )
        primary.stop()
        (primary.data / "standby.signal").touch()
        primary.start(log=folder / "log")
        try:
            with engine_of(server.url()).inquiry(seconds=20) as inquiry, inquiry.beside() as other:
                assert other.ask("SELECT count(*) FROM public.orders") == [(0,)]
                assert "standby" in failure(inquiry, "SELECT 1").why
            role = type("Role", (), {"name": "reader", "password": "reading"})
            with engine_of(server.url(role=role)).inquiry(seconds=20) as inquiry:
                assert inquiry.ask_people("SELECT count(*) AS n FROM orders") == [{"n": 0}]
        finally:
            primary.stop()
