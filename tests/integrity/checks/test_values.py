"""Rows that share what tells rows apart, and NULLs where the other rows have a value."""

from __future__ import annotations

import psycopg
import pytest

from integrity.checks.base import Held, Severity
from integrity.checks.duplicates import RefusedDuplicates
from integrity.checks.gaps import UnusualNulls
from integrity.checks.likely_keys import LikelyDuplicates
from tests.integrity.checks.test_references import bare
from tests.integrity.conftest import Ground


def numbered(rows: int, values: str) -> str:
    """`values` for each number from 1 on, with the number in place of #."""
    return ", ".join(f"({values.replace('#', str(number))})" for number in range(1, rows + 1))


def test_rows_that_an_unfinished_unique_index_would_refuse_are_found_by_its_own_words(on_postgres: Ground):
    on_postgres.change("""
        CREATE TABLE coupons (id integer PRIMARY KEY, code text, shop integer, gone boolean NOT NULL DEFAULT false);
        INSERT INTO coupons VALUES (1, 'A', 1), (2, 'a', 1), (3, 'a', 2), (4, NULL, 1), (5, NULL, 1), (6, 'b', 1);
        INSERT INTO coupons VALUES (7, 'b', 1, true);
    """)
    with pytest.raises(psycopg.errors.UniqueViolation):
        on_postgres.change("CREATE UNIQUE INDEX CONCURRENTLY by_code ON coupons (lower(code), shop) WHERE NOT gone")
    (found,) = on_postgres.found(RefusedDuplicates()).values()
    assert (found.subject, found.severity, found.count) == ("public.coupons: by_code", Severity.CRITICAL, 2)
    assert found.sample is not None and sorted(row[0] for row in found.sample.rows) == [1, 2]
    on_postgres.change("DELETE FROM coupons WHERE id = 1")
    (held,) = on_postgres.look(RefusedDuplicates())
    assert isinstance(held, Held) and held.fingerprint == found.fingerprint
    on_postgres.change("DROP INDEX by_code")
    assert on_postgres.look(RefusedDuplicates()) == []


def test_names_and_values_tell_which_columns_hold_rows_apart(ground: Ground):
    ground.change(f"""
        CREATE TABLE users (id integer PRIMARY KEY, email text UNIQUE, token text);
        CREATE TABLE orders (id integer PRIMARY KEY, email text);
        CREATE TABLE pages (id integer PRIMARY KEY, tenant integer, slug text, UNIQUE (tenant, slug));
        CREATE TABLE sessions (id integer PRIMARY KEY, token text, username text);
        CREATE TABLE keepers (id integer PRIMARY KEY, token json); INSERT INTO keepers VALUES (1, '1'), (2, '1');
        CREATE TABLE members (id integer PRIMARY KEY, email text, gone integer);
        CREATE UNIQUE INDEX one_of_those_here ON members (lower(email)) WHERE gone IS NULL;
        INSERT INTO members VALUES (1, 'ada@example.com', 1), (2, 'ada@example.com', NULL), (3, 'b', 1), (4, 'c', 1);
        INSERT INTO users VALUES (1, 'Ada@example.com', ''), (2, 'ada@example.com', ''), (3, 'bob@example.com', NULL);
        INSERT INTO orders VALUES {numbered(30, "#, 'ada@example.com'")};
        INSERT INTO pages VALUES (1, 1, 'home'), (2, 2, 'home');
        INSERT INTO sessions VALUES {numbered(40, "#, 'token-#', 'name #'")};
        UPDATE sessions SET token = 'token-1' WHERE id = 2;
        UPDATE sessions SET token = 'TOKEN-4' WHERE id = 5;
        UPDATE sessions SET username = '' WHERE id < 10;
    """)
    found = bare(ground.found(LikelyDuplicates()))
    assert {subject: each.count for subject, each in found.items()} == {"users.email": 2, "sessions.token": 2}
    assert {each.severity for each in found.values()} == {Severity.WARNING}
    token = found["sessions.token"].sample
    assert token is not None and sorted(token.rows) == [(1, "token-1"), (2, "token-1")]
    held = {each.subject.replace("public.", "") for each in ground.look(LikelyDuplicates()) if isinstance(each, Held)}
    # no word of pages.slug and members.email: a unique index says what they are
    assert held - {"keepers.token"} == {"users.token", "orders.email", "sessions.username"}


def test_few_nulls_in_a_full_column_are_told_and_those_that_mean_something_are_not(ground: Ground):
    ground.change(f"""
        CREATE TABLE customers (id integer PRIMARY KEY, name text, phone text, created_at text, finished_at text,
            parent_id integer, boss integer REFERENCES customers (id), city text NOT NULL);
        CREATE TABLE few (id integer PRIMARY KEY, name text);
        INSERT INTO customers VALUES {numbered(60, "#, 'n', 'p', 'c', 'f', 1, 1, 'x'")};
        UPDATE customers SET name = NULL, finished_at = NULL, parent_id = NULL, boss = NULL WHERE id = 7;
        UPDATE customers SET created_at = NULL WHERE id = 8;
        UPDATE customers SET phone = NULL WHERE id < 20;
        INSERT INTO few VALUES (1, 'a'), (2, NULL);
    """)
    found = bare(ground.found(UnusualNulls()))
    assert {subject: (each.count, each.of) for subject, each in found.items()} == {
        "customers.name": (1, 60),
        "customers.created_at": (1, 60),
    }
    name = found["customers.name"]
    assert name.sample is not None and name.sample.rows == ((7, None),)
    assert name.sentence.replace("public.", "") == "1 row of customers has no name; the other 59 have one."
    held = {each.subject.replace("public.", "") for each in ground.look(UnusualNulls()) if isinstance(each, Held)}
    assert held - {"customers.id", "few.id"} == {"customers.phone", "few.name"}


def test_a_primary_key_of_sqlite_that_let_nulls_in_is_told_however_few_rows_there_are(on_sqlite: Ground):
    on_sqlite.change("""
        CREATE TABLE loose (code TEXT PRIMARY KEY, v); INSERT INTO loose VALUES (NULL, 1), (NULL, 2), ('a', 3);
        CREATE TABLE pairs (parent_id INTEGER, b TEXT, PRIMARY KEY (parent_id, b));
        INSERT INTO pairs VALUES (NULL, 'x');
        CREATE TABLE strict (code TEXT PRIMARY KEY) WITHOUT ROWID; INSERT INTO strict VALUES ('a');
        CREATE TABLE counted (id INTEGER PRIMARY KEY); INSERT INTO counted VALUES (NULL);
    """)
    found = on_sqlite.found(UnusualNulls())
    assert {subject: each.count for subject, each in found.items()} == {"loose.code": 2, "pairs.parent_id": 1}
