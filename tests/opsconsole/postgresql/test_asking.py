"""A statement that somebody configured can only read a copy, with the rights of a role that can do nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from opsconsole.engines.base import Answer
from opsconsole.engines.postgresql import asking
from opsconsole.engines.postgresql.connect import WRITE
from opsconsole.exceptions import Refused


@pytest.fixture
def ask(postgres: Any, database: str, open_database: Any) -> Any:
    """A function that asks one statement in a filled database, as the superuser or as a role."""
    postgres.run(
        "CREATE TABLE orders (id int PRIMARY KEY, paid bool); INSERT INTO orders SELECT n, true"
        " FROM generate_series(1, 5) n; CREATE FUNCTION escape() RETURNS text LANGUAGE plpgsql AS"
        " $$BEGIN RESET ROLE; RETURN pg_read_file('PG_VERSION'); END$$",
        database,
    )

    def it(statement: str, *, seconds: int = 5, **options: Any) -> Answer:
        with open_database(**options).connector.session(WRITE) as session:
            return asking.ask(session, statement, seconds=seconds)

    return it


def test_it_gives_the_number_of_rows_and_the_first_value(ask):
    assert ask("SELECT count(*) = 5, 'more' FROM orders -- all\n;") == Answer(rows=1, first="true")
    assert ask('SELECT 100 % 7 AS "odd name"') == Answer(rows=1, first="2")
    assert ask("SELECT id FROM orders WHERE id < 0") == Answer()
    assert ask("SELECT id FROM orders").rows == 5


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM orders RETURNING id",
        "WITH gone AS (DELETE FROM orders RETURNING id) SELECT count(*) FROM gone",
        "SELECT 1) AS x(first); DELETE FROM orders; SELECT count(*), '1' FROM (SELECT 1",
        "SELECT pg_read_file('PG_VERSION')",
        "SELECT set_config('role', 'postgres', true) || pg_read_file('PG_VERSION')",
        "SELECT set_config('session_authorization', 'postgres', true) || pg_read_file('PG_VERSION')",
        "SELECT escape()",
        "SELECT query_to_xml('SET ROLE postgres', true, true, '')::text",
        "SELECT lo_import('/etc/passwd')",
        "COPY orders TO PROGRAM 'true'",
        "SELECT nothing FROM orders",
    ],
)
def test_what_does_more_than_read_is_refused(ask, postgres, database, statement):
    assert ask(statement).error
    assert postgres.rows("SELECT count(*) FROM orders", database) == [(5,)]


def test_what_is_wrong_with_a_statement_is_told_without_the_values_it_met(ask):
    assert ask("SELECT 'canary-7'::text::int") == Answer(error="invalid input syntax for type integer: …")
    assert "nothing" in ask("SELECT * FROM nothing").error


def test_a_statement_without_an_end_is_stopped(ask):
    assert ask("SELECT pg_sleep(30)::text", seconds=1).error == "it took longer than 1 seconds"


def test_an_ordinary_role_asks_with_its_own_rights(ask, postgres, database):
    role = postgres.create_role()
    assert "permission denied" in ask("SELECT count(*) FROM orders", role=role).error
    postgres.run(f'GRANT SELECT ON orders TO "{role.name}"', database)
    assert ask("SELECT count(*) FROM orders", role=role) == Answer(rows=1, first="5")
    assert ask("SELECT 1) AS x(first); SELECT (1", role=role).error


def test_a_role_that_may_run_programs_is_not_used(ask, postgres):
    role = postgres.create_role()
    postgres.run(f'GRANT pg_execute_server_program TO "{role.name}"')
    with pytest.raises(Refused, match="pg_execute_server_program"):
        ask("SELECT 1", role=role)
