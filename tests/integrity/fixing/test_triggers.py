"""Triggers that rewrite the rows of a fix neither keep it from being taken back nor leave a trace in these rows."""

from __future__ import annotations

from typing import Any

import pytest

from integrity.fixing import parts
from opsconsole.exceptions import Refused
from opsconsole.states import State
from tests.integrity.fixing.conftest import MEMBERS, Scene
from tests.integrity.fixing.test_along import bad
from tests.integrity.test_rule_changes import confirmed
from tests.support.cases import work
from tests.support.console import Console
from tests.support.registering import register
from tests.support.shops import PostgresShop

pytestmark = pytest.mark.serial
# Who wrote a row last, when; and, at the very end of a transaction, how often. A journal tells each change.
STAMPED = """
ALTER TABLE members ADD COLUMN updated_at text; ALTER TABLE members ADD COLUMN times integer DEFAULT 0;
ALTER TABLE badges ADD COLUMN updated_at text;
UPDATE members SET updated_at = 'long ago', times = 7; UPDATE badges SET updated_at = 'long ago, too';
CREATE TABLE journal (id integer, said text);
"""
TRIGGERS = {
    "sqlite": """
        CREATE TRIGGER "stamp it" AFTER UPDATE ON members BEGIN
         UPDATE members SET updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now'), times = times + 1 WHERE id = NEW.id;
        END;
        CREATE TRIGGER told AFTER UPDATE ON members BEGIN INSERT INTO journal VALUES (NEW.id, 'updated'); END;
        CREATE TRIGGER "If Not Exists" AFTER INSERT ON badges BEGIN
         UPDATE badges SET updated_at = 'now' WHERE id = NEW.id; INSERT INTO journal VALUES (NEW.id, 'badge'); END;
    """,
    "postgresql": """
        CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN NEW.updated_at := clock_timestamp(); RETURN NEW; END';
        CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN INSERT INTO public.journal VALUES (NEW.id, lower(TG_OP)); RETURN NULL; END';
        CREATE FUNCTION count_up() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN UPDATE public.members SET times = times + 1 WHERE id = NEW.id; RETURN NULL; END';
        CREATE TRIGGER "stamp it" BEFORE INSERT OR UPDATE ON members FOR EACH ROW EXECUTE FUNCTION stamp();
        CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON badges FOR EACH ROW EXECUTE FUNCTION stamp();
        CREATE TRIGGER told AFTER UPDATE OF group_id ON members FOR EACH ROW EXECUTE FUNCTION tell();
        ALTER TABLE members ENABLE ALWAYS TRIGGER told;
        CREATE TRIGGER off BEFORE UPDATE ON members FOR EACH ROW EXECUTE FUNCTION tell();
        ALTER TABLE members DISABLE TRIGGER off;
        CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON members DEFERRABLE INITIALLY DEFERRED
         FOR EACH ROW WHEN (NEW.times = OLD.times) EXECUTE FUNCTION count_up();
    """,
}
STATES = {
    "sqlite": "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid",
    "postgresql": "SELECT tgname::text, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, tgrelid",
}


def test_rows_that_a_trigger_stamps_come_back_as_they_were_and_it_stamps_the_next_change(scene: Scene) -> None:
    scene.change(STAMPED)
    scene.shop.change(TRIGGERS[scene.shop.engine])
    before, triggers = scene.everything(), scene.rows(STATES[scene.shop.engine])
    done = scene.do(finding=scene.finding("members.group_id"), action="set_null")
    assert "what they do elsewhere is not taken back" in str(done.plan.risk_reasons)
    stamped = scene.rows("SELECT updated_at, times FROM members WHERE id IN (3, 4)")
    assert all((stamp > "2026", times > 7) == (True, True) for stamp, times in stamped)
    journal = scene.rows("SELECT count(*) FROM journal")
    undo = scene.ask("unfix")
    (part,) = parts.opened(undo.plan)
    again = dict(zip(part.titles, part.shown[0], strict=True))
    assert [str(again[f"{name}, again"]) for name in ("group_id", "updated_at", "times")] == ["9", "long ago", "7"]
    assert again["group_id"] is None and again["updated_at"] > "2026" and "word, again" not in again
    assert work(scene.console, undo).state == State.SUCCEEDED
    assert scene.everything() == before
    assert scene.rows("SELECT count(*) FROM journal") > journal  # whoever listens was told
    scene.do(finding=scene.finding("members.group_id"), action="delete_rows")
    scene.do("unfix")
    assert scene.everything() == before
    assert scene.rows(STATES[scene.shop.engine]) == triggers
    scene.shop.change("UPDATE members SET word = 'new' WHERE id = 1")
    assert scene.rows("SELECT updated_at FROM members WHERE id = 1") > [("2026",)]


FEW = "CREATE TABLE few (id int PRIMARY KEY, word text, updated_at text); INSERT INTO few VALUES (1, 'bad', 'long ago')"
OWN = """
DO $$ DECLARE t text; BEGIN FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
 EXECUTE format('ALTER TABLE public.%I OWNER TO {0}', t); END LOOP; END $$;
GRANT CREATE ON SCHEMA public TO {0};
CREATE TRIGGER stamp BEFORE UPDATE ON few FOR EACH ROW EXECUTE FUNCTION stamp();
"""


@pytest.mark.nightly
def test_an_owner_who_is_no_superuser_takes_back_what_the_plan_promised(
    console: Console, cast: Any, postgres: Any
) -> None:
    shop, role = PostgresShop.make(postgres), postgres.create_role()
    scene = Scene.__new__(Scene)
    scene.console, scene.cast, scene.shop = console, cast, shop
    for script in (MEMBERS, STAMPED, FEW):
        scene.change(script)
    shop.change(TRIGGERS["postgresql"] + OWN.format(role.name))
    scene.database = register("shop", str(postgres.url(shop.name, role=role)), environment="development")
    scene.report = scene.check()
    before = scene.rows("SELECT * FROM few")
    good = {"action": "set_value", "column": "word", "value": "'good'"}
    confirmed(cast, scene.database, {**bad("public.few"), "fix": good})
    scene.do(names="bad")
    assert scene.rows("SELECT updated_at > '2026' FROM few") == [(True,)]
    scene.do("unfix")
    assert scene.rows("SELECT * FROM few") == before
    fix = scene.do(finding=scene.finding("members.group_id"), action="set_null")
    assert "could not put back rows that refer to nothing" in fix.plan.way_back
    with pytest.raises(Refused, match="which an enforced foreign key forbids"):
        scene.ask("unfix")
