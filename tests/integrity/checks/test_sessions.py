"""What the server tells of other sessions and of statements; what a role without rights is not told."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from integrity.checks.base import Found, Held, Severity
from integrity.checks.constraints import WeakConstraint
from integrity.checks.gaps import UnusualNulls
from integrity.checks.known import CHECKS
from integrity.checks.sessions import IdleInTransaction, LongTransaction, PreparedTransaction
from integrity.checks.statements import SlowStatement, without_values
from tests.integrity.conftest import on_server
from tests.support.servers import LoginRole, PostgresServer
from tests.support.waiting import wait_until

OF_STATE = frozenset(
    f"integrity.checks.{name}"
    for name in (
        "keys", "constraints", "sequences", "exhaustion", "index_faults", "index_gaps", "upkeep", "wraparound",
        "sessions", "statements",
    )
)  # fmt: skip


def test_open_transactions_are_told_by_program_and_role_without_their_text(on_postgres, postgres):
    checks = LongTransaction(minutes=0), IdleInTransaction(minutes=0)
    assert all(isinstance(each, Held) for each in on_postgres.look(*checks))
    name = on_postgres.engine.address.name
    with closing(postgres.connect(name)) as idle, closing(postgres.connect(name)) as busy:
        idle.execute("SET application_name = 'a shop'; BEGIN; SELECT 'secret'")
        busy.execute("SET application_name = 'a report'")
        busy.pgconn.send_query(b"SELECT pg_sleep(30)")
        active = f"SELECT 1 FROM pg_stat_activity WHERE pid = {busy.info.backend_pid} AND state = 'active'"
        wait_until(lambda: bool(postgres.rows(active)), "the report runs")
        for check, program in zip(checks, ("a report", "a shop"), strict=True):
            (found,) = on_postgres.found(check).values()
            assert (found.subject, found.count, found.severity) == ("sessions", 1, Severity.WARNING)
            assert f"{program} of postgres for" in found.sentence
            assert "secret" not in found.sentence
        assert all(isinstance(each, Held) for each in on_postgres.look(LongTransaction(), IdleInTransaction()))
        busy.cancel_safe()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SELECT *\n FROM t  WHERE a='it''s' AND b=$1 -- c\n OR d>1e3", "SELECT * FROM t WHERE a=? AND b=? OR d>?"),
        ("UPDATE \"T 1\" SET x = E'\\'a' || $q$ secret $q$ /* secret */", 'UPDATE "T 1" SET x = ? || ?'),
        ("SELECT 'never ends", "SELECT …"),
    ],
)  # fmt: skip
def test_a_statement_is_shown_without_its_values(text, shown):
    assert without_values(text) == shown


def test_slow_statements_and_prepared_transactions_are_told_where_there_are_any(debian_postgres):
    ground = on_server(debian_postgres, debian_postgres.create_database())
    assert not ground.look(SlowStatement())
    ground.change('CREATE SCHEMA "Of Extensions"; CREATE EXTENSION pg_stat_statements SCHEMA "Of Extensions"')
    ground.change("SELECT pg_sleep(0.02) WHERE 'secret' <> ''")
    slow = [each.sentence for each in ground.found(SlowStatement(mean=15, calls=1)).values()]
    assert any("SELECT pg_sleep(?) WHERE ? <> ?" in sentence for sentence in slow)
    assert not any("secret" in sentence for sentence in slow)
    (held,) = ground.look(SlowStatement())
    assert isinstance(held, Held)
    stranger = on_server(debian_postgres, ground.engine.address.name, debian_postgres.create_role())
    debian_postgres.run('GRANT USAGE ON SCHEMA "Of Extensions" TO PUBLIC', ground.engine.address.name)
    told = stranger.found(SlowStatement(mean=15, calls=1))
    assert told["Statements of other roles could not be looked at"].failed
    assert not any("pg_sleep" in each.sentence for each in told.values())
    check = PreparedTransaction(minutes=0)
    assert all(isinstance(each, Held) for each in ground.look(check))
    ground.change("BEGIN; CREATE TABLE t (id integer); PREPARE TRANSACTION 'half done'")
    assert "half done of postgres for" in ground.found(check)["sessions"].sentence
    assert all(isinstance(each, Held) for each in ground.look(PreparedTransaction()))
    ground.change("ROLLBACK PREPARED 'half done'")


def everything(server: PostgresServer, role: LoginRole | None = None) -> dict[str, Any]:
    """What all checks of schema and server could not look at, in a database with tables of several sorts."""
    name = server.create_database()
    server.run(
        """
        CREATE SCHEMA closed; CREATE TABLE closed.t (id serial PRIMARY KEY, code smallint UNIQUE);
        CREATE TABLE secret (id serial PRIMARY KEY, code smallint UNIQUE);
        CREATE TABLE rows_hidden (id serial PRIMARY KEY); ALTER TABLE rows_hidden ENABLE ROW LEVEL SECURITY;
        CREATE TABLE open (id serial PRIMARY KEY, user_id integer REFERENCES secret);
        GRANT SELECT ON open, open_id_seq, rows_hidden, rows_hidden_id_seq TO PUBLIC
        """,
        name,
    )
    checks = [check for check in CHECKS if type(check).__module__ in OF_STATE and "postgresql" in check.engines]
    with server.connect(name):
        told = on_server(server, name, role).look(*checks)
    return {f"{each.check} {each.subject}": each for each in told if getattr(each, "failed", False)}


def test_a_role_without_rights_is_told_what_it_could_not_look_at(postgres):
    role = postgres.create_role()
    failed = everything(postgres, role)
    assert {each.severity for each in failed.values()} == {Severity.INFO}
    assert set(failed) == {
        f"{check} {what} could not be looked at"
        for check, subjects in {
            "sequence_behind": ("public.secret.id", "public.rows_hidden.id", "closed.t.id"),
            "sequence_near_end": ("public.secret_id_seq", "closed.t_id_seq"),
            "key_exhaustion": ("public.secret.code", "closed.t.code"),
            "long_transaction": ("Transactions of other roles",),
            "idle_in_transaction": ("Idle sessions in a transaction of other roles",),
        }.items()
        for what in subjects
    }


def test_a_superuser_may_look_at_everything(postgres):
    assert not everything(postgres)


@pytest.mark.nightly
@pytest.mark.parametrize("server", ["debian_postgres", "postgres18"])
def test_every_check_works_on_an_older_and_on_the_newest_server(server, request):
    assert not everything(request.getfixturevalue(server))


@pytest.mark.nightly
def test_constraints_of_postgresql_18_are_understood(postgres18):
    ground = on_server(postgres18, postgres18.create_database())
    ground.change(
        """
        CREATE TABLE t (a integer CONSTRAINT loose CHECK (a > 0) NOT ENFORCED, b integer, c integer NOT NULL);
        INSERT INTO t VALUES (-1, NULL, 1), (2, 2, 2);
        ALTER TABLE t ADD CONSTRAINT given NOT NULL b NOT VALID
        """
    )
    found = ground.found(WeakConstraint())
    assert {subject: len(each.proposals) for subject, each in found.items()} == {
        "public.t: loose": 0, "public.t: given": 1
    }  # fmt: skip
    (broken,) = ground.found(UnusualNulls()).values()
    assert (broken.subject, broken.count, "NOT NULL for new rows" in broken.sentence) == ("public.t.b", 1, True)
    ground.change("UPDATE t SET b = 1 WHERE b IS NULL")
    assert not ground.found(UnusualNulls())
    ground.change(found["public.t: given"].proposals[0].statement)
    told = ground.look(WeakConstraint())
    assert {each.subject for each in told if isinstance(each, Found)} == {"public.t: loose"}
    assert {each.subject for each in told if isinstance(each, Held)} == {"public.t: given", "public.t: t_c_not_null"}
