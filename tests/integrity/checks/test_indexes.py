"""Indexes that are broken, twice there, unused or missing."""

from __future__ import annotations

import psycopg
import pytest

from integrity.checks.base import Held, Severity
from integrity.checks.index_faults import DuplicateIndex, InvalidIndex, PrefixIndex, UnusedIndex
from integrity.checks.index_gaps import UnindexedReference, UnindexedUsual

COPIES = """
CREATE TABLE users (id integer PRIMARY KEY, email text UNIQUE, name text, born date);
CREATE INDEX email_again ON users (email);
CREATE INDEX by_name ON users (name); CREATE INDEX by_name_too ON users (name);
CREATE INDEX backwards ON users (name DESC);
CREATE INDEX lower_once ON users (lower(name)); CREATE INDEX lower_twice ON users (lower(name));
CREATE INDEX upper_once ON users (upper(name));
CREATE INDEX partial ON users (born) WHERE name IS NOT NULL; CREATE INDEX others ON users (born) WHERE name IS NULL;
CREATE INDEX born_and_name ON users (born, name); CREATE INDEX by_born ON users (born);
CREATE UNIQUE INDEX unique_born ON users (born); CREATE INDEX of_key ON users (id)
"""


def test_of_two_indexes_that_do_the_same_the_lesser_is_named(ground):
    ground.change(COPIES)
    table = "public.users" if ground.vendor == "postgresql" else "users"
    found = ground.found(DuplicateIndex())
    names = {subject.removeprefix(table): each.sentence.split(" do")[0] for subject, each in found.items()}
    lower = next(subject for subject in names if "lower" in subject)
    assert {subject: name.removeprefix("public.") for subject, name in names.items()} == {
        " (email)": "email_again", " (name)": "by_name_too", lower: "lower_twice", " (born)": "by_born",
        " (id)": "of_key",
    }  # fmt: skip
    (longer,) = ground.found(PrefixIndex()).values()
    assert (longer.subject, longer.severity, longer.count) == (table, Severity.INFO, 1)
    assert "by_born (of " in longer.sentence
    own = "public." if ground.vendor == "postgresql" else ""
    ground.change(
        "; ".join(f"DROP INDEX {own}{name}" for name in ("email_again", "by_name_too", "lower_twice", "of_key"))
    )
    ground.change(f"DROP INDEX {own}by_born")
    told = ground.look(DuplicateIndex(), PrefixIndex())
    assert all(isinstance(each, Held) for each in told)
    assert {*found, table} <= {each.subject for each in told}  # so that each is told as fixed


def test_an_index_that_lets_doubles_in_until_the_end_is_no_copy_of_one_that_does_not(on_postgres):
    on_postgres.change(
        "CREATE TABLE t (a integer, b integer, CONSTRAINT late UNIQUE (a) DEFERRABLE, UNIQUE (b) DEFERRABLE);"
        "CREATE UNIQUE INDEX at_once ON t (a); CREATE INDEX plain ON t (b)"
    )
    assert set(on_postgres.found(DuplicateIndex())) == {"public.t (b)"}


def test_a_failed_concurrent_build_leaves_an_invalid_index(on_postgres):
    on_postgres.change("CREATE TABLE t (a integer, b integer); INSERT INTO t VALUES (1, 1), (1, 2)")
    for name in ("Once", "sound_ccnew1"):
        with pytest.raises(psycopg.errors.UniqueViolation):
            on_postgres.change(f'CREATE UNIQUE INDEX CONCURRENTLY "{name}" ON t (a)')
    on_postgres.change(
        "CREATE INDEX sound ON t (b); CREATE TABLE parted (a integer) PARTITION BY LIST (a);"
        "CREATE TABLE part PARTITION OF parted DEFAULT; CREATE INDEX of_none ON ONLY parted (a)"
    )
    found = on_postgres.found(InvalidIndex())
    assert {subject: len(each.proposals) for subject, each in found.items()} == {
        "public.Once": 1, "public.sound_ccnew1": 0, "public.of_none": 0
    }  # fmt: skip
    on_postgres.change("DELETE FROM t WHERE b = 2; DROP INDEX sound_ccnew1, of_none")
    on_postgres.change(found["public.Once"].proposals[0].statement)
    assert {each.subject for each in on_postgres.look(InvalidIndex()) if isinstance(each, Held)} == {
        "public.Once", "public.sound"
    }  # fmt: skip


def test_an_unused_index_is_told_only_when_the_server_has_counted_for_long(on_postgres):
    on_postgres.change(
        "CREATE TABLE t (id integer PRIMARY KEY, a integer, b integer UNIQUE); CREATE INDEX never ON t (a)"
    )
    assert set(on_postgres.found(UnusedIndex(days=0, least=0))) == {"public.never"}
    assert not on_postgres.found(UnusedIndex(days=0))  # too small to matter
    (young,) = on_postgres.found(UnusedIndex(least=0)).values()
    assert (young.failed, young.severity) == (True, Severity.INFO)
    on_postgres.change("SET enable_seqscan = off; SELECT * FROM t WHERE a = 1; SELECT pg_stat_force_next_flush()")
    on_postgres.change(
        "CREATE TABLE lines (b integer REFERENCES t (b)); CREATE INDEX of_key ON lines (b);"
        "CREATE INDEX of_no_key ON lines ((b + 1))"
    )
    assert set(on_postgres.found(UnusedIndex(days=0, least=0))) == {"public.of_no_key"}
    held = {each.subject for each in on_postgres.look(UnusedIndex(days=0, least=0)) if isinstance(each, Held)}
    assert held == {"public.never", "public.of_key"}  # it was used; a foreign key should not be without one


def test_a_reference_needs_an_index_that_begins_with_its_columns(ground):
    ground.change(
        """
        CREATE TABLE users (id integer PRIMARY KEY, a integer, b integer, email text, status text, UNIQUE (a, b));
        CREATE TABLE bare (id integer PRIMARY KEY, user_id integer REFERENCES users);
        CREATE TABLE second (id integer PRIMARY KEY, user_id integer REFERENCES users);
        CREATE INDEX not_first ON second (id, user_id);
        CREATE TABLE partly (id integer PRIMARY KEY, user_id integer REFERENCES users);
        CREATE INDEX partial ON partly (user_id) WHERE id > 5;
        CREATE TABLE computed (id integer PRIMARY KEY, user_id integer REFERENCES users);
        CREATE INDEX on_expression ON computed ((user_id + 0));
        CREATE TABLE sound (id integer PRIMARY KEY, user_id integer REFERENCES users);
        CREATE INDEX given ON sound (user_id) WHERE user_id IS NOT NULL;
        CREATE TABLE members (user_id integer REFERENCES users, club integer, PRIMARY KEY (user_id, club));
        CREATE TABLE pairs (a integer, b integer, FOREIGN KEY (a, b) REFERENCES users (a, b));
        CREATE INDEX turned ON pairs (b, a); CREATE INDEX of_state ON users (lower(status));
        """
    )
    prefix = "public." if ground.vendor == "postgresql" else ""
    found = ground.found(UnindexedReference())
    assert set(found) == {f"{prefix}{table} (user_id)" for table in ("bare", "second", "partly", "computed")}
    assert {each.severity for each in found.values()} == {Severity.INFO}  # they are small
    usual = ground.found(UnindexedUsual())
    assert set(usual) == {f"{prefix}users.email"}  # bare.user_id is told already
    for each in found.values():
        ground.change(each.proposals[0].statement)
    ground.change(usual[f"{prefix}users.email"].proposals[0].statement)
    assert not ground.found(UnindexedReference(), UnindexedUsual())


def test_an_index_that_is_not_valid_is_none(on_postgres):
    on_postgres.change(
        "CREATE TABLE users (id integer PRIMARY KEY, email text);"
        "CREATE TABLE visits (id integer PRIMARY KEY, user_id integer REFERENCES users);"
        "CREATE INDEX of_email ON users (email); CREATE INDEX of_user ON visits (user_id);"
        "CREATE INDEX of_user_too ON visits (user_id);"
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN ('of_email'::regclass, 'of_user_too'::regclass)"
    )
    checks = UnindexedReference(), UnindexedUsual(), DuplicateIndex(), UnusedIndex(days=0, least=0)
    assert set(on_postgres.found(*checks)) == {"public.users.email"}
    on_postgres.change("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'of_user'::regclass")
    assert set(on_postgres.found(*checks)) == {"public.users.email", "public.visits (user_id)"}


def test_a_reference_of_many_rows_without_index_is_a_warning(ground):
    ground.change(
        "CREATE TABLE users (id integer PRIMARY KEY); INSERT INTO users VALUES (1);"
        "CREATE TABLE visits (user_id integer REFERENCES users);"
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)"
        " INSERT INTO visits SELECT 1 FROM n; ANALYZE visits"
    )
    (found,) = ground.found(UnindexedReference()).values()
    assert found.severity is Severity.WARNING
