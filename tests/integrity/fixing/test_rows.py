"""Rows of any kind are named, compared, taken away and put back exactly, by either engine."""

from __future__ import annotations

from typing import Any

import pytest

from integrity.checks.base import named, quoted
from integrity.checks.index_gaps import UnindexedReference
from integrity.fixing import statements
from integrity.fixing.statements import Statement
from opsconsole.engines.fixing import Aim, key_of
from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.engines.scripting import ScriptFailed
from opsconsole.exceptions import OperationFailed
from tests.integrity.conftest import Ground
from tests.support.fake_run import FakeRun

ODD = {
    "sqlite": """
        CREATE TABLE "odd ""%s" ("a'b" TEXT, "%s" REAL, t BLOB, n, twice INTEGER AS (n * 2) STORED,
         PRIMARY KEY ("a'b", "%s")) WITHOUT ROWID;
        INSERT INTO "odd ""%s" VALUES ('it''s \\ é', 0.1, x'00ff', 9007199254740993), ('', 1e300, NULL, NULL);
    """,
    "postgresql": """
        CREATE TYPE mood AS ENUM ('so, so', 'fine'); CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
        CREATE TABLE "odd ""%s" ("a'b" char(9), "%s" uuid, t bytea, n numeric, twice numeric GENERATED ALWAYS AS (n * 2)
         STORED, id bigint GENERATED ALWAYS AS IDENTITY, moods mood[], at timestamptz, facts jsonb, p positive,
         PRIMARY KEY ("a'b", "%s"));
        INSERT INTO "odd ""%s" ("a'b", "%s", t, n, moods, at, facts, p) VALUES
         ('it''s \\ é', '00000000-0000-0000-0000-000000000001', '\\x00ff', 0.10, '{"so, so",NULL}', 'now',
          '{"a\\\\\\"": [1]}', 3),
         ('', '00000000-0000-0000-0000-000000000002', NULL, 'NaN', NULL, '-infinity', NULL, NULL);
    """,
}


def test_rows_of_odd_names_and_values_go_and_come_back_as_they_were(ground: Ground) -> None:
    ground.change(ODD[ground.vendor])
    engine, fingerprint = ground.engine, ground.engine.schema_fingerprint()
    (relation,) = engine.structure().relations.values()
    with ground.moment() as moment:
        wording = engine.wording
        keys = ", ".join(wording.column(name, "t") for name in key_of(relation))
        name = named(moment.structure, relation.full_name)
        found = [tuple(row) for row in moment.inquiry.ask(f"SELECT {keys} FROM {name} AS t ORDER BY 1, 2")]
    with engine.fixing([relation], home=relation.schema) as fixing:
        images = fixing.images(relation, found)
        on_postgres = ground.vendor == "postgresql"
        fields = [field.name for field in relation.fields if on_postgres or not field.generated]
        text = "CASE WHEN t.{0} IS NOT NULL THEN format('%s', t.{0}) END" if on_postgres else "t.{0}"
        cells = ", ".join(text.format(quoted(field)) for field in fields)
        held = [wording.held(relation, image.content) for image in images]
        assert {tuple(each.values()) for each in held} == set(fixing.ask(f"SELECT {cells} FROM {name} AS t"))
        assert [list(each) for each in held] == [fields] * 2
        aims = [Aim(key=image.key, digest=image.digest, values=(None,)) for image in images]
        wrong = [Aim(key=aim.key, digest="0" * 64, values=(None,)) for aim in aims]
        assert (fixing.delete(relation, wrong), fixing.update(relation, ["n"], wrong)) == (0, 0)
        assert fixing.update(relation, ["n"], aims) == 2
        changed = {image.key: image.digest for image in fixing.images(relation, found)}
        back = [Aim(key=image.key, digest=changed[image.key]) for image in images]
        assert fixing.put_back(relation, back, [image.content for image in images]) == 2
        assert fixing.delete(relation, aims) == 2
        assert fixing.images(relation, found) == []
        assert fixing.insert(relation, [image.content for image in images]) == 2
        fixing.settle()
        assert sorted(fixing.images(relation, found), key=lambda image: image.key) == sorted(
            images, key=lambda image: image.key
        )
        fixing.commit()
    assert engine.schema_fingerprint() == fingerprint


def test_a_role_without_powers_puts_orphans_back_under_a_key_that_never_held_for_them(postgres: Any) -> None:
    role = postgres.create_role()
    name = postgres.create_database(postgres.fresh_name("loose"), owner=role)
    script = """
        SET ROLE {role};
        CREATE SCHEMA s; CREATE TABLE s.groups (id integer PRIMARY KEY);
        CREATE TABLE s.members (id integer PRIMARY KEY, group_id integer); INSERT INTO s.members VALUES (1, 9);
        ALTER TABLE s.members ADD CONSTRAINT "of %" FOREIGN KEY (group_id) REFERENCES s.groups NOT VALID;
        CREATE TABLE s.strict (id integer PRIMARY KEY, group_id integer CONSTRAINT held REFERENCES s.groups);
    """
    postgres.run(script.format(role=role.name), name)
    engine = PostgresEngine(PostgresEngine.parse(str(postgres.url(name, role=role))))
    structure, fingerprint = engine.structure(), engine.schema_fingerprint()
    members = structure.relations["s.members"]
    keys = {key.name: key for key in structure.foreign_keys}
    with engine.fixing([members], home="s", loose=[keys["of %"]]) as fixing:
        (image,) = fixing.images(members, [("1",)])
        assert fixing.delete(members, [Aim(key=image.key, digest=image.digest)]) == 1
        assert fixing.insert(members, [image.content]) == 1
        fixing.settle()
        fixing.commit()
    assert engine.schema_fingerprint() == fingerprint
    with (
        pytest.raises(OperationFailed, match="The foreign key held"),
        engine.fixing([structure.relations["s.strict"]], home="s", loose=[keys["held"]]),
    ):
        pass


def test_an_index_that_a_try_left_half_built_is_removed_before_the_next_and_no_other_is(
    on_postgres: Ground,
) -> None:
    on_postgres.change("CREATE TABLE owners (id integer PRIMARY KEY); INSERT INTO owners VALUES (1)")
    on_postgres.change("CREATE TABLE tasks (id integer PRIMARY KEY, owner integer REFERENCES owners)")
    on_postgres.change("INSERT INTO tasks VALUES (1, 1), (2, 1); CREATE INDEX tasks_owner_idx ON tasks (owner)")
    on_postgres.change("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'tasks_owner_idx'::regclass")
    with on_postgres.engine.script() as script:
        with pytest.raises(ScriptFailed):
            script.run('CREATE UNIQUE INDEX CONCURRENTLY "theirs" ON public.tasks ("owner")')
        found = on_postgres.found(UnindexedReference())["public.tasks (owner)"]
        (proposal,) = found.proposals
        assert '"tasks_owner_idx"' in proposal.statement  # whose name is free again then
        statement = Statement(
            check=found.check, subject=found.subject, action=proposal.action, words=proposal.words,
            table=proposal.table, sql=proposal.statement,
        )  # fmt: skip
        assert statements.left_by(on_postgres.engine, statement) == ["public.tasks_owner_idx"]
        run = FakeRun()
        statements.remove_unfinished(script, statement, run)  # type: ignore[arg-type]
        assert "which an earlier try left unfinished" in run.lines[0]
        script.run(statement.sql)
        assert script.ask(
            "SELECT indexrelid::regclass::text, indisvalid FROM pg_index i JOIN pg_class c ON"
            " c.oid = i.indrelid WHERE c.relname = 'tasks' AND NOT indisprimary ORDER BY 1"
        ) == [("tasks_owner_idx", True), ("theirs", False)]
    assert statements.left_by(on_postgres.engine, statement) == []
