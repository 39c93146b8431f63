"""What is set right by one statement without rows goes through a whole fix, and the same check then holds."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
import pytest

from integrity.checks.known import CHECKS
from integrity.models import Report
from opsconsole import operations
from opsconsole.states import State
from tests.integrity.fixing.conftest import Scene
from tests.support.cases import work

pytestmark = pytest.mark.serial
LARGE = """
    CREATE TABLE papers (id integer PRIMARY KEY, said text);
    CREATE INDEX papers_said ON papers (said);
"""
ON_POSTGRES = """
    ALTER TABLE papers SET (autovacuum_enabled = false);
    INSERT INTO papers SELECT n, repeat('word ', 20) || n FROM generate_series(1, 12000) n;
    CREATE TABLE pages (id integer PRIMARY KEY, paper integer);
    ALTER TABLE pages ADD CONSTRAINT of_a_paper FOREIGN KEY (paper) REFERENCES papers NOT VALID;
    INSERT INTO pages SELECT n, n FROM generate_series(1, 3000) n;
"""
ON_SQLITE = """
    WITH RECURSIVE k(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM k WHERE n < 30000)
    INSERT INTO papers SELECT n, printf('%0100d', n) FROM k;
    DELETE FROM papers WHERE id > 12000;
    CREATE TABLE pages (id integer PRIMARY KEY, paper integer REFERENCES papers (id));
"""
WANTED = {
    "postgresql": {
        "weak_constraint": "validate_constraint", "foreign_key_without_index": "create_index",
        "invalid_index": "reindex", "needs_analyze": "analyze",
    },
    "sqlite": {"foreign_key_without_index": "create_index", "needs_analyze": "analyze", "unused_room": "vacuum"},
}  # fmt: skip


def checked(scene: Scene, name: str = "") -> Report:
    """A check by that name alone, or by all."""
    operation = work(scene.console, operations.request("check", scene.database, {"rule": name}, account=scene.cast.ada))
    assert operation.state == State.SUCCEEDED, operation.failure_why
    return Report.objects.get(pk=operation.pk)


def about(report: Report) -> list[Any]:
    return [each for each in report.findings.all() if "papers" in each.sentence or "pages" in each.sentence]


def leave_an_index_half_built(scene: Scene) -> None:
    """As a unique one is that found doubled values, which are gone since."""
    with psycopg.connect(scene.shop.url, autocommit=True) as line:
        line.execute("INSERT INTO pages VALUES (3001, 1)")
        with contextlib.suppress(psycopg.errors.UniqueViolation):
            line.execute("CREATE UNIQUE INDEX CONCURRENTLY one_page_each ON pages (paper)")
        line.execute("DELETE FROM pages WHERE id = 3001")


def test_each_statement_sets_its_finding_right(scene: Scene) -> None:
    scene.shop.change(LARGE + (ON_SQLITE if scene.shop.engine == "sqlite" else ON_POSTGRES))
    if scene.shop.engine == "postgresql":
        leave_an_index_half_built(scene)
    assert set(WANTED[scene.shop.engine]) <= {check.name for check in CHECKS}
    mended = set[str]()
    for name, action in WANTED[scene.shop.engine].items():
        report = checked(scene, name)
        found = [each for each in report.findings.all() if each.proposals and each.proposals[0]["action"] == action]
        named = [each for each in found if each in about(report)] or found
        assert named, f"{name} finds nothing to set right"
        done = scene.do(report=str(report.pk), finding=named[0].fingerprint, action=action)
        assert [each["after"] for each in done.result["findings"]] == [0], name
        mended.add(named[0].fingerprint)
    assert not mended & {each.fingerprint for each in checked(scene).findings.all()}
