"""Smoke statements: confirmed by another person, asked of the copy in a drill, and what they find decides."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle.models import SmokeStatement
from lifecycle.proving import smoke
from opsconsole import operations
from opsconsole.engines.base import Answer
from opsconsole.exceptions import OperationFailed, Usage
from opsconsole.models import Operation
from opsconsole.review import Dialect
from opsconsole.states import State
from tests.lifecycle.test_verify import backed_up, verify
from tests.opsconsole.approvals.scenes import approve
from tests.support.backups import list_backup


def asked(cast: Any, row: Any, name: str, statement: str) -> Operation:
    given = {"database": row.id, "name": name, "statement": statement}
    return operations.request_change(smoke.ACTION, given, account=cast.ada, reason="The shop takes it for granted.")


def confirmed(cast: Any, row: Any, name: str, statement: str) -> Operation:
    return approve(cast.grace, asked(cast, row, name, statement))


def test_a_drill_asks_them_and_one_that_is_not_true_marks_the_backup(console, cast, any_shop):
    _, row = any_shop
    backup = backed_up(console, cast, row)
    confirmed(cast, row, "there are orders", "SELECT count(*) > 100, 'more' FROM orders")
    held = verify(console, cast, row, "V2")
    assert (held.state, "1 of its own statements held" in held.result["summary"]) == (State.SUCCEEDED, True)
    confirmed(cast, row, "there are very many orders", "SELECT count(*) > 100000 FROM orders;")
    failed = verify(console, cast, row, "V2")
    assert (failed.state, failed.failure_code) == (State.FAILED, "smoke_failed")
    assert "there are very many orders" in failed.failure_why
    backup.refresh_from_db()
    assert backup.state == "bad"


def test_one_that_cannot_be_asked_says_so_and_marks_nothing(console, cast, sqlite_shop):
    _, row = sqlite_shop
    backup = backed_up(console, cast, row)
    confirmed(cast, row, "carts are empty", "SELECT count(*) = 0 FROM carts")
    operation = verify(console, cast, row, "V2")
    assert (operation.state, operation.failure_code) == (State.FAILED, "smoke_unusable")
    assert "no such table: carts" in operation.failure_why
    backup.refresh_from_db()
    assert backup.state == "good"


def test_another_person_confirms_it_and_what_it_replaced_is_kept(cast, sqlite_shop):
    _, row = sqlite_shop
    waiting = asked(cast, row, "sound", "SELECT 1")
    assert (waiting.state, smoke.in_force(row)) == (State.PENDING_APPROVAL, [])
    assert waiting.plan.steps[0].sql == "SELECT 1"
    with pytest.raises(Exception, match="own request"):
        approve(cast.ada, waiting)
    approve(cast.grace, waiting)
    confirmed(cast, row, "sound", "SELECT 2")
    assert [found.statement for found in smoke.in_force(row)] == ["SELECT 2"]
    confirmed(cast, row, "sound", "")
    assert (smoke.in_force(row), SmokeStatement.objects.count()) == ([], 2)


def test_words_that_nobody_confirmed_are_not_run(cast, sqlite_shop):
    _, row = sqlite_shop
    list_backup(row, cast.ada)
    confirmed(cast, row, "sound", "SELECT 1")
    SmokeStatement.objects.update(statement="SELECT 2")
    with pytest.raises(OperationFailed) as found:
        operations.request("verify", row, {}, account=cast.ada)
    assert found.value.code == "smoke_changed"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DELETE FROM orders",
        "SELECT 1; SELECT 2",
        "/* SELECT */ DROP TABLE x",
        "SELECT ';' ; DROP TABLE x",
        "SELECT 'x",
    ],
)
@pytest.mark.parametrize("dialect", [Dialect.POSTGRESQL, Dialect.SQLITE])
def test_what_does_not_read_as_one_select_is_refused(text, dialect):
    with pytest.raises(Usage, match="SELECT"):
        smoke.one_select(text, dialect)


def test_semicolons_in_texts_names_and_comments_are_no_second_statement():
    for text in ("SELECT ';' -- ; \n", 'WITH a AS (SELECT 1) SELECT ";" FROM a /* ; */;', "select $x$;$x$"):
        assert smoke.one_select(text, Dialect.POSTGRESQL).rstrip(";") == text.strip().rstrip(";").strip()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(rows=1, first="true"), ""),
        (Answer(rows=1, first="-0.5"), ""),
        (Answer(rows=1, first="0.0"), "smoke_failed"),
        (Answer(rows=1, first="f"), "smoke_failed"),
        (Answer(rows=1), "smoke_failed"),
        (Answer(), "smoke_failed"),
        (Answer(rows=2, first="1"), "smoke_failed"),
        (Answer(rows=1, first="secret words"), "smoke_unusable"),
        (Answer(error="it took longer than 60 seconds"), "smoke_unusable"),
    ],
)
def test_one_row_with_a_true_first_value_holds_and_nothing_else(answer, code):
    try:
        smoke.judge([{"name": "sound", "statement": "SELECT 1"}], [answer])
    except OperationFailed as error:
        assert error.code == code
        assert "secret words" not in error.why
    else:
        assert code == ""
