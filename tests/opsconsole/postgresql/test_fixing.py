"""What the role of the console may keep from standing in the way of rows that are put back: foreign keys, triggers."""

from __future__ import annotations

import pytest

from opsconsole.engines.fixing import Aim
from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.exceptions import OperationFailed
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


PARTED = """
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.said := ''stamped''; RETURN NEW; END';
    CREATE TABLE people (id int PRIMARY KEY, said text) PARTITION BY RANGE (id);
    CREATE TABLE "People A" PARTITION OF people FOR VALUES FROM (0) TO (100);
    CREATE TRIGGER stamp BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION stamp();
    CREATE TRIGGER "own one" BEFORE UPDATE ON "People A" FOR EACH ROW EXECUTE FUNCTION stamp();
    ALTER TABLE "People A" ENABLE REPLICA TRIGGER "own one";
    INSERT INTO people VALUES (1, 'a');
"""
STATES = "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger ORDER BY 1, 2"


def test_triggers_of_a_table_and_its_parts_are_kept_quiet_by_its_owner_and_are_then_as_they_were(
    postgres: PostgresServer,
) -> None:
    owner, other = postgres.create_role(), postgres.create_role()
    name = postgres.create_database(owner=owner)
    postgres.run(f"CREATE SCHEMA app AUTHORIZATION {owner.name}", name)
    postgres.run(f"SET search_path = app; {PARTED}", name, role=owner)
    postgres.run(f"GRANT USAGE ON SCHEMA app TO {other.name}", name)
    postgres.run(f"GRANT ALL ON ALL TABLES IN SCHEMA app TO {other.name}", name)
    for role in (owner, other):
        engine = PostgresEngine(PostgresEngine.parse(postgres.url(name, role=role)))
        relation = engine.structure().relations["app.people"]
        assert engine.unquiet([relation]) == ([] if role is owner else [relation])
        with engine.fixing([relation], home="app") as fixing:
            states = fixing.ask(STATES)
            (image,) = fixing.images(relation, [("1",)])
            aims = [Aim(key=image.key, digest=image.digest, values=("b",))]
            fixing.hasten()
            if role is other:
                with pytest.raises(OperationFailed, match="only its owner"), fixing.quiet(relation):
                    pass
                continue
            with fixing.quiet(relation):
                assert fixing.update(relation, ["said"], aims) == 1
            assert fixing.ask("SELECT said FROM app.people") == [("b",)]
            assert fixing.ask(STATES) == states
