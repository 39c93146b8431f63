"""Which foreign keys stand in the way of rows that are put back, for a role that may not write as a replica."""

from __future__ import annotations

from opsconsole.engines.postgresql import PostgresEngine
from tests.support.servers import PostgresServer

TABLES = """
    CREATE TABLE groups (id int PRIMARY KEY);
    CREATE TABLE members (group_id int CONSTRAINT proven REFERENCES groups);
    CREATE TABLE notes (group_id int);
    ALTER TABLE notes ADD CONSTRAINT unproven FOREIGN KEY (group_id) REFERENCES groups NOT VALID;
"""


def test_a_proven_key_stands_in_the_way_of_a_role_that_may_not_write_as_a_replica(postgres: PostgresServer) -> None:
    owner = postgres.create_role()
    name = postgres.create_database(owner=owner)
    postgres.run(f"CREATE SCHEMA app AUTHORIZATION {owner.name}", name)
    postgres.run(f"SET search_path = app; {TABLES}", name, role=owner)
    for role, expected in ((owner, ["proven"]), (None, [])):
        engine = PostgresEngine(PostgresEngine.parse(postgres.url(name, role=role)))
        keys = engine.structure().foreign_keys
        assert [key.name for key in keys] == ["proven", "unproven"]
        assert [key.name for key in engine.enforces(keys)] == expected
