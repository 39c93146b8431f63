"""Orphans along declared foreign keys, and along names that mean a reference."""

from __future__ import annotations

from typing import Any

import pytest

from integrity.checks.base import Found, Held, Severity
from integrity.checks.dangling import DanglingReferences
from integrity.checks.gaps import UnusualNulls
from integrity.checks.inferred import InferredOrphans
from integrity.checks.names import is_table_of
from integrity.checks.orphans import Orphans
from integrity.checks.pages import ForeignKeyCheck
from integrity.rules.in_force import references_of
from integrity.rules.requested import rule_from
from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.review import Dialect
from tests.integrity.conftest import Ground

UNENFORCED = {"sqlite": "PRAGMA foreign_keys=OFF;", "postgresql": "SET session_replication_role = replica;"}
SHOP = """
    CREATE TABLE "User" ("Id" integer PRIMARY KEY, "referredBy" integer REFERENCES "User" ("Id") ON DELETE SET NULL);
    CREATE TABLE shops (region text, number integer, PRIMARY KEY (region, number));
    CREATE TABLE accounts (id integer PRIMARY KEY, user_id integer NOT NULL REFERENCES "User" ("Id"));
    CREATE TABLE lines (id integer PRIMARY KEY, region text, number integer,
        FOREIGN KEY (region, number) REFERENCES shops (region, number));
    INSERT INTO "User" VALUES (1, NULL), (2, 1), (3, 9);
    INSERT INTO accounts VALUES (1, 1), (2, 7), (3, 8);
    INSERT INTO shops VALUES ('north', 1);
    INSERT INTO lines VALUES (1, 'north', 1), (2, 'north', NULL), (3, NULL, 9), (4, 'south', 1);
"""


def bare(found: dict[str, Found]) -> dict[str, Found]:
    """By subjects without PostgreSQL's schema."""
    return {subject.replace("public.", ""): each for subject, each in found.items()}


def actions(found: Found) -> list[str]:
    return [f"{each.action} {each.column}".strip() for each in found.proposals]


def test_rows_without_the_row_that_a_key_leads_to_are_found_and_rows_that_refer_to_nothing_are_not(ground: Ground):
    ground.change(UNENFORCED[ground.vendor] + SHOP)
    found = bare(ground.found(Orphans()))
    assert {subject: each.count for subject, each in found.items()} == {
        "User.referredBy -> User.Id": 1,
        "accounts.user_id -> User.Id": 2,
        "lines (region, number) -> shops (region, number)": 1,
    }
    oneself, accounts, lines = found.values()
    assert {each.severity for each in found.values()} == {Severity.CRITICAL}
    assert (oneself.sample.columns, oneself.sample.rows) == (("Id", "referredBy"), ((3, 9),))
    assert lines.sample.rows == ((4, "south", 1),)
    assert actions(oneself) == ["set_null referredBy", "delete_rows"]  # as the key itself does
    assert actions(accounts) == ["delete_rows"]  # it may not be NULL
    assert actions(lines) == ["delete_rows", "set_null region"]
    assert accounts.sentence.replace("public.", "") == (
        "2 rows of accounts refer by user_id to rows of User that do not exist."
    )
    ground.change(
        'DELETE FROM lines WHERE id = 4; DELETE FROM accounts WHERE id > 1; DELETE FROM "User" WHERE "Id" = 3'
    )
    assert {each.subject.replace("public.", "") for each in ground.look(Orphans()) if isinstance(each, Held)} == {
        *found
    }


def test_postgresql_keys_of_partitions_match_full_and_hidden_rows_are_told_as_what_they_are(
    postgres: Any, on_postgres: Ground
):
    on_postgres.change("""
        CREATE TABLE users (id integer PRIMARY KEY);
        CREATE TABLE users_of_old () INHERITS (users);
        INSERT INTO users_of_old VALUES (6);
        CREATE TABLE twos (a integer, b integer, PRIMARY KEY (a, b));
        CREATE TABLE logs (user_id integer REFERENCES users (id), day integer) PARTITION BY LIST (day);
        CREATE TABLE logs_1 PARTITION OF logs FOR VALUES IN (1);
        CREATE TABLE halves (id integer PRIMARY KEY, a integer, b integer,
            FOREIGN KEY (a, b) REFERENCES twos (a, b) MATCH FULL);
        CREATE TABLE notes (id integer PRIMARY KEY, user_id integer);
        CREATE TABLE codes (code text COLLATE "C" PRIMARY KEY);
        CREATE TABLE coded (id integer PRIMARY KEY, code text COLLATE "POSIX" REFERENCES codes (code));
        SET session_replication_role = replica;
        INSERT INTO coded VALUES (1, 'a'), (2, NULL);
        INSERT INTO logs VALUES (5, 1), (6, 1), (NULL, 1);
        INSERT INTO halves VALUES (1, NULL, NULL), (2, 1, NULL), (3, 1, 1);
        INSERT INTO notes VALUES (1, 5);
        CREATE TABLE old_halves () INHERITS (halves); INSERT INTO old_halves VALUES (4, 9, 9);
        ALTER TABLE notes ADD CONSTRAINT noted FOREIGN KEY (user_id) REFERENCES users (id) NOT VALID;
    """)
    found = bare(on_postgres.found(Orphans()))
    assert {subject: each.count for subject, each in found.items()} == {
        "logs.user_id -> users.id": 2,  # a row of a table that inherits is no row of the parent for a key
        "halves (a, b) -> twos (a, b)": 3,
        "notes.user_id -> users.id": 1,
        "coded.code -> codes.code": 1,
    }
    assert "noted is NOT VALID" in found["notes.user_id -> users.id"].why
    assert "tables that inherit from public.halves" in found["halves (a, b) -> twos (a, b)"].why
    role, name = postgres.create_role(), on_postgres.engine.address.name
    on_postgres.change(
        f"ALTER TABLE users ENABLE ROW LEVEL SECURITY; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role.name}"
    )
    limited = PostgresEngine(PostgresEngine.parse(postgres.url(name, role=role)))
    told = bare(Ground("", limited, on_postgres.change).found(Orphans()))
    assert {subject for subject, each in told.items() if each.failed} == {
        "Orphans of logs.user_id -> users.id could not be looked at",
        "Orphans of notes.user_id -> users.id could not be looked at",
    }
    assert "halves (a, b) -> twos (a, b)" in told
    on_postgres.change(f"REVOKE SELECT ON notes FROM {role.name}")
    guessing = Ground("", limited, on_postgres.change).found(UnusualNulls())
    assert {subject for subject, each in guessing.items() if each.failed} == {
        "public.users could not be looked at",
        "public.notes could not be looked at",
    }


def test_sqlite_is_asked_with_what_its_own_keys_go_by_and_keys_that_lead_nowhere_are_told(on_sqlite: Ground):
    on_sqlite.change("""
        CREATE TABLE tags (name TEXT COLLATE NOCASE PRIMARY KEY, place INTEGER);
        CREATE TABLE marks (id INTEGER PRIMARY KEY, tag INTEGER REFERENCES tags, loose TEXT REFERENCES tags (name));
        INSERT INTO tags VALUES ('ada', 1), ('7', 2);
        INSERT INTO marks VALUES (1, 7, 'ADA'), (2, 8, 'bob'), (3, NULL, 'Ada');
    """)
    found = on_sqlite.found(Orphans(), ForeignKeyCheck(), DanglingReferences())
    assert {subject: each.count for subject, each in found.items()} == {
        "marks.tag -> tags.name": 1,
        "marks.loose -> tags.name": 1,
        "PRAGMA foreign_key_check": 2,
    }
    on_sqlite.change("""
        CREATE VIEW seen AS SELECT 1 AS id;
        CREATE TABLE keyless (x);
        CREATE TABLE lost (a INTEGER REFERENCES nowhere (id), b INTEGER REFERENCES tags (place),
            c INTEGER REFERENCES tags (colour), d INTEGER REFERENCES TAGS (Name), e REFERENCES seen (id),
            f REFERENCES keyless);
    """)
    assert sorted(each.sentence for each in on_sqlite.found(DanglingReferences()).values()) == [
        "lost.a refers to nowhere, which does not exist.",
        "lost.b refers to tags, where place is not unique.",
        "lost.c refers to tags, which has no column colour.",
        "lost.e refers to seen, which is a view.",
        "lost.f refers to keyless, which has no primary key of as many columns.",
    ]
    held = {each.subject for each in on_sqlite.look(DanglingReferences()) if isinstance(each, Held)}
    assert held == {"lost.d -> TAGS.Name", "marks.loose -> tags.name", "marks.tag -> tags"}
    own_word = on_sqlite.found(ForeignKeyCheck())
    assert {subject: each.count for subject, each in own_word.items()} == {
        "PRAGMA foreign_key_check": 2,
        "Foreign keys of lost could not be looked at": 1,
    }
    assert len(on_sqlite.found(Orphans())) == 2  # what leads to no key hinders nobody from following the others


def test_a_name_that_means_a_table_is_a_guess_that_a_person_may_confirm(ground: Ground):
    elsewhere = ", ".join(f"({number}, {1000 + number})" for number in range(30))
    ground.change(f"""
        CREATE TABLE users (id integer PRIMARY KEY, referred_by integer);
        CREATE TABLE customers (id integer PRIMARY KEY);
        CREATE TABLE accounts (id integer PRIMARY KEY, "userId" integer, stripe_customer_id text,
            customer_id integer REFERENCES customers (id));
        CREATE TABLE likes (id integer PRIMARY KEY, user_id integer, user_type text);
        CREATE TABLE imports (id integer PRIMARY KEY, user_id integer);
        INSERT INTO users VALUES (1, NULL), (2, 1), (3, 99);
        INSERT INTO accounts VALUES (1, 1, 'cus_1', NULL), (2, 5, 'cus_2', NULL), (3, NULL, 'cus_3', NULL);
        INSERT INTO likes VALUES (1, 77, 'bot');
        INSERT INTO imports VALUES {elsewhere};
    """)
    found = bare(ground.found(InferredOrphans()))
    assert {subject: each.count for subject, each in found.items()} == {
        "accounts.userId -> users.id": 1,
        "users.referred_by -> users.id": 1,
    }
    guess = found["accounts.userId -> users.id"]
    table = "accounts" if ground.vendor == "sqlite" else "public.accounts"
    assert (guess.severity, guess.proposals, guess.sample.rows) == (Severity.INFO, (), ((2, 5),))
    assert guess.rule is not None
    assert (guess.rule["name"], guess.rule["kind"]) == ("orphan-accounts-user-id", "orphan")
    assert guess.rule["spec"]["child"] == table and guess.rule["spec"]["column"] == "userId"
    rules = [rule_from(guess.rule, Dialect(ground.vendor))]
    assert references_of(rules) == {(table, "userid")}
    confirmed = bare(ground.found(InferredOrphans(), ruled=references_of(rules)))
    assert [*confirmed] == ["users.referred_by -> users.id"]


@pytest.mark.parametrize(
    ("table", "thing", "is_it"),
    [
        ("users", ["user"], True), ("User", ["user"], True), ("order_categories", ["order", "category"], True),
        ("boxes", ["box"], True), ("people", ["person"], True), ("user_roles", ["user"], False),
        ("uses", ["user"], False),
    ],
)  # fmt: skip
def test_tables_are_called_after_what_a_row_is(table: str, thing: list[str], is_it: bool):
    assert is_table_of(table, thing) is is_it
