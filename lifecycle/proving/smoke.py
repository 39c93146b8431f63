"""A database's own smoke statements: each one SELECT that gives one row whose first value is true, or not zero.

What runs is what another person confirmed: the words of a row count only while they are those of its change's plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation

from lifecycle.models import SmokeStatement
from opsconsole.clock import now
from opsconsole.engines.base import Answer
from opsconsole.exceptions import OperationFailed, Usage
from opsconsole.models import Database, Operation
from opsconsole.review.lexing import Dialect, Kind, tokens
from opsconsole.states import State

ACTION = "smoke.set"  # the change that sets, replaces or removes one
SECONDS = 60  # that one statement may take
MOST = 20  # statements of one database
LONGEST, LONGEST_NAME = 4000, 60


def in_force(database: Database) -> list[SmokeStatement]:
    """The statements of a database by name. Raises OperationFailed when one is not what was confirmed."""
    rows = SmokeStatement.objects.filter(database=database, replaced_by=None).select_related("operation")
    for row in rows:
        _require_confirmed(row)
    return list(rows)


def current(database: Database, name: str) -> str:
    """The statement of that name, empty when there is none."""
    row = SmokeStatement.objects.filter(database=database, name=name, replaced_by=None).first()
    return row.statement if row else ""


def refuse_odd(database: Database, name: str, before: str, statement: str) -> None:
    """Raise Usage for a change that changes nothing, a name that is too long, or one statement too many."""
    if before == statement:
        why = "That is what it says already." if statement else f"{database.name} has no smoke statement {name}."
        raise Usage("nothing_to_do", why, "Look at the list on the database's page.")
    if len(name) > LONGEST_NAME:
        raise Usage("bad_name", f"A name has at most {LONGEST_NAME} characters.", "Say in a few words what must hold.")
    if not before and SmokeStatement.objects.filter(database=database, replaced_by=None).count() >= MOST:
        raise Usage("too_many", f"A database has at most {MOST} smoke statements.", "Replace or remove one.")


def put(database: Database, name: str, statement: str, operation: Operation) -> None:
    """Carry out a confirmed change; an empty statement removes. What it replaces stays as history."""
    rows = SmokeStatement.objects.filter(database=database, name=name, replaced_by=None)
    rows.update(replaced_by=operation)
    if statement:
        SmokeStatement.objects.create(
            database=database, name=name, statement=statement, operation=operation, set_at=now()
        )


def one_select(text: str, dialect: Dialect) -> str:
    """The statement without the blanks around it. Raises Usage unless it reads as one SELECT.

    This is for the eye: what holds a statement back is how it is run (`Format.ask`), so it may call functions of the
    database's own.
    """
    statement = text.strip().rstrip(";").rstrip()
    found = list(tokens(statement, dialect))
    if not found or found[0].word not in ("SELECT", "WITH"):
        raise Usage("not_a_select", "A smoke statement is one SELECT.", "Begin it with SELECT, or WITH ... SELECT.")
    if odd := [token.text for token in found if token.kind in (Kind.BROKEN, Kind.META)]:
        raise Usage("not_a_select", f"That is no SELECT: it holds {odd[0]}.", "Correct the statement.")
    if any(token.text == ";" and token.kind is Kind.SIGN for token in found):
        raise Usage("not_a_select", "That is more than one statement.", "Leave one SELECT, without a semicolon.")
    if len(statement) > LONGEST:
        raise Usage("too_long", f"A smoke statement has at most {LONGEST} characters.", "Ask for less at once.")
    return statement


def judge(statements: Sequence[Mapping[str, str]], answers: Sequence[Answer]) -> None:
    """Raises OperationFailed: smoke_failed when an answer is not true, smoke_unusable when it is none."""
    for given, answer in zip(statements, answers, strict=True):
        if answer.error or (answer.rows == 1 and answer.first is not None and _truth(answer.first) is None):
            why = answer.error or "its first value is neither true, false nor a number"
            raise OperationFailed(
                "smoke_unusable",
                f"The smoke statement {given['name']} cannot be judged in the restored copy: {why}.",
                "Correct the statement on the database's page, then verify again; the backup is not marked.",
            )
        if answer.rows != 1 or answer.first is None or not _truth(answer.first):
            gave = f"{answer.rows} rows" if answer.rows != 1 else "NULL" if answer.first is None else "not true"
            raise OperationFailed(
                "smoke_failed",
                f"The smoke statement {given['name']} does not hold in the restored copy: it gave {gave}.",
                "Look at what the backup holds; take a fresh backup once the database is right.",
            )


def _truth(value: str) -> bool | None:
    """Whether a value counts as true; None for a text that is neither a truth value nor a number."""
    if value.lower() in ("true", "t", "false", "f"):
        return value.lower().startswith("t")
    try:
        return Decimal(value) != 0
    except InvalidOperation:
        return None


def _require_confirmed(row: SmokeStatement) -> None:
    asked = row.operation.plan.parameters
    confirmed = (asked.get("action"), asked.get("database"), asked.get("name"), asked.get("statement"))
    if row.operation.state != State.SUCCEEDED or confirmed != (ACTION, row.database_id, row.name, row.statement):
        raise OperationFailed(
            "smoke_changed",
            f"The smoke statement {row.name} is not the one that was confirmed in operation {row.operation_id}.",
            "Look in the audit history for who changed it, then set it again.",
        )
