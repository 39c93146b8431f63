"""What the restore of Tasklets was proven to get wrong (its scripts, run against a copy), done right with its file.

Theirs fails on every timestamp, clears 24 tables that the backup never held, leaves sequences where they were, needs a
superuser to switch references off, and after all that says that it succeeded.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import pytest

from lifecycle import loading
from lifecycle.loading import Options
from opsconsole.exceptions import OperationFailed, Refused
from tests.lifecycle.loading.conftest import Place
from tests.support.documents import TASKLETS, read
from tests.support.memory_documents import MemoryDocument

SCHEMA = """
CREATE TABLE tenants (
    id serial PRIMARY KEY, name text NOT NULL, plan text, is_active boolean NOT NULL, created_at timestamp NOT NULL
);
CREATE TABLE clients (
    id serial PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenants, name text NOT NULL, domain text, type text,
    tier text, gatekeeper_enabled boolean, is_active boolean, created_at timestamp NOT NULL
);
CREATE TABLE users (
    id serial PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenants, client_id int REFERENCES clients,
    email text NOT NULL UNIQUE, password_hash text NOT NULL, name text, role text, is_active boolean,
    require_password_change boolean, created_at timestamp NOT NULL
);
CREATE TABLE epics (
    id serial PRIMARY KEY, tenant_id int NOT NULL REFERENCES tenants, title text NOT NULL, labels text[],
    metadata jsonb, created_by int REFERENCES users, created_at timestamp NOT NULL, updated_at timestamp NOT NULL
);
CREATE TABLE comments (id serial PRIMARY KEY, epic_id int REFERENCES epics, body text);
CREATE TABLE attachments (id serial PRIMARY KEY, name text);
INSERT INTO attachments (name) VALUES ('plan.pdf');
"""
YES = frozenset({"uncovered", "absent", "document_column", "target_column"})


@pytest.fixture
def tasklets(make_place: Callable[[str], Place]) -> Place:
    return make_place(SCHEMA)


@pytest.fixture
def backup() -> MemoryDocument:
    """The file, after the clock of the machine that wrote it counted a user in the middle of a second."""
    found = read(*TASKLETS.glob("backup-2026-01-08*.json"))
    tables = {name: [dict(row) for row in rows] for name, rows in found.tables.items()}
    tables["users"][0]["createdAt"] = "2026-01-08T14:30:45.123456Z"
    return MemoryDocument(tables, engine=found.heading.engine)


def test_every_row_comes_back_with_its_times_names_and_lists(tasklets: Place, backup: MemoryDocument) -> None:
    facts = tasklets.load(backup, accept=YES)
    assert facts["rows"] == 4
    assert tasklets.rows("SELECT email, password_hash, created_at FROM users") == [
        ("dev@example.test", "$2a$10$synthetic", datetime(2026, 1, 8, 14, 30, 45, 123456))
    ]
    assert tasklets.rows("SELECT labels, metadata, created_at FROM epics") == [
        (["a;b", "c,d", "{x}"], {"k": [1, {"n": None}]}, datetime(2026, 1, 8, 14, 30, 45))
    ]


def test_what_the_backup_never_held_is_listed_and_not_cleared(tasklets: Place, backup: MemoryDocument) -> None:
    tasklets.load(backup, accept=YES)
    tasklets.run_sql("INSERT INTO comments (epic_id, body) VALUES (3, 'only here')")
    found = loading.survey(tasklets.engine(), backup, Options())
    assert [item.table for item in found.uncovered] == ["public.attachments", "public.comments"]
    assert "absent:mysteryTable" in {question.key for question in found.open_questions}
    with pytest.raises(Refused, match=r"1 row of public.comments refer to public.epics"):
        tasklets.load(backup, accept=YES)
    assert tasklets.rows("SELECT (SELECT count(*) FROM comments), (SELECT count(*) FROM attachments)") == [(1, 1)]


def test_the_next_row_gets_the_next_number(tasklets: Place, backup: MemoryDocument) -> None:
    tasklets.load(backup, accept=YES)
    tasklets.run_sql("INSERT INTO tenants (name, is_active, created_at) VALUES ('next', true, now())")
    tasklets.run_sql("INSERT INTO users (tenant_id, email, password_hash, created_at) VALUES (1, 'b', '', now())")
    assert tasklets.rows("SELECT max(id), (SELECT max(id) FROM users) FROM tenants") == [(2, 10)]


def test_without_a_superuser_references_hold_and_a_failure_changes_nothing(
    tasklets: Place, backup: MemoryDocument
) -> None:
    assert tasklets.rows(f"SELECT rolsuper FROM pg_roles WHERE rolname = '{tasklets.role.name}'") == [(False,)]
    tasklets.load(backup, accept=YES)
    rows = {table.name: [dict(row) for row in backup.rows(table.name)] for table in backup.summary.tables}
    rows["epics"][0]["createdBy"] = 99
    before = tasklets.rows("SELECT to_jsonb(u) FROM users u")
    with pytest.raises(OperationFailed, match=r"Row 1 of public.epics .*refers to a row that is not there") as failed:
        tasklets.load(MemoryDocument(rows, engine="postgresql"), accept=YES)
    assert "99" not in json.dumps(failed.value.as_dict())
    assert tasklets.rows("SELECT to_jsonb(u) FROM users u") == before
    assert tasklets.rows("SELECT count(*) FROM epics") == [(1,)]
