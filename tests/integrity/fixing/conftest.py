"""A shop with faults in it that checks find, on either engine, and what tests ask of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import psycopg
import pytest

from integrity.checks.base import Moment
from integrity.checks.known import CHECKS
from integrity.models import Report
from integrity.reporting import composing, keeping
from integrity.scanning.answering import Budget
from integrity.scanning.examining import examine
from integrity.scanning.selecting import Selection
from opsconsole import operations
from opsconsole.clock import now
from opsconsole.databases import engine_for
from opsconsole.states import State
from tests.lifecycle.conftest import any_shop as any_shop
from tests.lifecycle.conftest import postgres_shop as postgres_shop
from tests.lifecycle.conftest import sqlite_shop as sqlite_shop
from tests.support.cases import work
from tests.support.console import Console

MEMBERS = """
CREATE TABLE groups (id integer PRIMARY KEY, name text);
CREATE TABLE members (id integer PRIMARY KEY, group_id integer REFERENCES groups(id), word text, hours float);
CREATE TABLE badges (id integer PRIMARY KEY, member_id integer NOT NULL REFERENCES members(id) ON DELETE CASCADE);
CREATE TABLE notes (id integer PRIMARY KEY, member_id integer REFERENCES members(id) ON DELETE SET NULL, said text);
INSERT INTO groups VALUES (1, 'rowers');
INSERT INTO members VALUES (1, 1, 'kept', 0.1), (2, NULL, 'kept, too', 0.2), (3, 9, 'it''s lost \\ é', 0.3),
 (4, 9, NULL, 1e300);
INSERT INTO badges VALUES (1, 1), (2, 3), (3, 3);
INSERT INTO notes VALUES (1, 1, 'a'), (2, 4, 'b');
"""
UNCHECKED = {
    "sqlite": "{}",
    "postgresql": "SET session_replication_role = replica; {}; SET session_replication_role = origin;",
}
CHECKED = ("orphans", "sequence_behind")
EVERYTHING = (
    "SELECT * FROM members ORDER BY id",
    "SELECT * FROM badges ORDER BY id",
    "SELECT * FROM notes ORDER BY id",
)


class Scene:
    """Members 3 and 4 are orphans; badges 2 and 3 go along with member 3, note 2 loses its member 4."""

    def __init__(self, console: Console, cast: Any, shop: Any, database: Any) -> None:
        self.console, self.cast, self.shop, self.database = console, cast, shop, database
        self.change(MEMBERS)
        self.report = self.check()

    def change(self, script: str) -> None:
        """Run SQL with no foreign key looked at."""
        self.shop.change(UNCHECKED[self.shop.engine].format(script))

    def rows(self, statement: str) -> list[Any]:
        if self.shop.engine == "sqlite":
            with closing(sqlite3.connect(self.shop.path)) as line:
                return [tuple(row) for row in line.execute(statement).fetchall()]
        with psycopg.connect(self.shop.url) as line:
            return line.execute(statement).fetchall()

    def everything(self) -> list[list[Any]]:
        return [self.rows(statement) for statement in EVERYTHING]

    def check(self, names: Sequence[str] = CHECKED) -> Report:
        """A report of what fixes are asked for here, as a run of a check keeps it."""
        operation = operations.request("check", self.database, {}, account=self.cast.ada)
        engine = engine_for(self.database)
        checks = tuple(check for check in CHECKS if check.name in names and self.shop.engine in check.engines)
        with engine.inquiry(seconds=60) as inquiry:
            moment = Moment(inquiry=inquiry, engine=engine, structure=engine.structure(), name="shop")
            found = examine(moment, Selection(checks=checks, rules=()), Budget())
        composed = composing.compose(found.outcomes, {}, now())
        return keeping.keep(operation, self.database, composed, began=now(), rows=found.rows, facts={})

    def finding(self, subject: str, check: str = "orphans") -> str:
        return str(self.report.findings.get(check_name=check, subject__contains=subject).fingerprint)

    def ask(self, kind: str = "fix", **given: str) -> Any:
        return operations.request(kind, self.database, given, account=self.cast.ada, confirm="shop")

    def do(self, kind: str = "fix", **given: str) -> Any:
        done = work(self.console, self.ask(kind, **given))
        assert done.state == State.SUCCEEDED, done.failure_why
        return done

    def ask_for_orphans(self, action: str = "delete_rows") -> Any:
        return self.ask(finding=self.finding("members.group_id"), action=action)


@pytest.fixture
def scene(console: Console, cast: Any, any_shop: Any) -> Scene:
    return Scene(console, cast, *any_shop)
