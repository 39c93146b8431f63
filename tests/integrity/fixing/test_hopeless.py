"""A statement that would fail, for rows are in the way or rights are lacking, is refused beforehand with the number."""

from __future__ import annotations

import contextlib

import psycopg
import pytest

from integrity.checks.index_faults import InvalidIndex
from integrity.fixing import hopeless
from integrity.fixing.laid import Choice
from integrity.fixing.parts import Part
from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.exceptions import Refused
from tests.integrity.conftest import Ground
from tests.integrity.fixing.conftest import Scene
from tests.support.servers import PostgresServer

BROKEN = """
CREATE DOMAIN "Hours" AS float;
CREATE TABLE shifts (id integer PRIMARY KEY, member_id integer, hours "Hours", "more Hours" "Hours", word text);
INSERT INTO shifts VALUES (1, 1, -1, NULL, NULL), (2, 77, 2, -2, 'a'), (3, 78, 2, 2, 'a');
ALTER TABLE shifts ADD CONSTRAINT of_a_member FOREIGN KEY (member_id) REFERENCES members NOT VALID;
ALTER TABLE shifts ADD CONSTRAINT "has 100%" CHECK (word <> 'a' AND length(word) > 0) NOT VALID;
ALTER TABLE shifts ADD CONSTRAINT sound CHECK ("more Hours" IS DISTINCT FROM 7) NOT VALID;
ALTER DOMAIN "Hours" ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID;
"""


@pytest.mark.serial
@pytest.mark.parametrize("any_shop", ["postgresql"], indirect=True)
def test_rows_that_would_keep_a_constraint_from_being_validated_are_counted_beforehand(scene: Scene) -> None:
    scene.change(BROKEN)
    with contextlib.suppress(psycopg.errors.UniqueViolation), psycopg.connect(scene.shop.url, autocommit=True) as line:
        line.execute('CREATE UNIQUE INDEX CONCURRENTLY "one Word" ON shifts (lower(word)) WHERE id > 0')
    scene.report = scene.check(("weak_constraint", "orphans", "invalid_index", "refused_duplicates"))

    def ask(subject: str, check: str = "weak_constraint") -> str:
        with pytest.raises(Refused) as refused:
            scene.ask(finding=scene.finding(subject, check))
        assert refused.value.code == "would_fail"
        return f"{refused.value.why} {refused.value.next_step}"

    told = ask("of_a_member")
    assert "2 rows of public.shifts refer by member_id" in told and "or of both at once" in told
    assert "2 rows of public.shifts break it" in ask("has 100%")
    assert "1 row of public.shifts breaks it" in ask("positive")
    assert "2 rows of public.shifts share their lower(word)" in ask("one Word", "invalid_index")
    both = f"{scene.finding('of_a_member', 'weak_constraint')},{scene.finding('shifts.member_id')}"
    done = scene.do(finding=f"{both},{scene.finding('sound', 'weak_constraint')}")
    assert [each["after"] for each in done.result["findings"]] == [0, 0, 0]
    assert scene.rows("SELECT conname FROM pg_constraint WHERE NOT convalidated ORDER BY 1") == [
        ("has 100%",),
        ("positive",),
    ]


def test_who_does_not_own_a_table_is_told_so_beforehand(on_postgres: Ground, postgres: PostgresServer) -> None:
    on_postgres.change("CREATE TABLE words (id integer PRIMARY KEY, word text); INSERT INTO words VALUES (1, 'a')")
    on_postgres.change("CREATE INDEX words_word ON words (word)")
    on_postgres.change("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'words_word'::regclass")
    role = postgres.create_role()
    on_postgres.change(f"GRANT ALL ON words TO {role.name}")
    url = postgres.url(on_postgres.url.rpartition("/")[2], role=role)
    other = Ground(url, PostgresEngine(PostgresEngine.parse(url)), on_postgres.change)
    for ground in (on_postgres, other):
        (found,) = ground.found(InvalidIndex()).values()
        choice = Choice(found=found, proposal=found.proposals[0])
        with ground.moment() as moment:
            if ground is on_postgres:
                assert hopeless.refuse_hopeless(moment, [choice], 60) == []
                continue
            with pytest.raises(Refused, match="Only the owner of"):
                hopeless.refuse_hopeless(moment, [choice], 60)
            with pytest.raises(Refused, match="may not make a table in the schema public"):
                hopeless.refuse_homeless(moment, [Part(table="public.words")])
