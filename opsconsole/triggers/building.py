"""What guards are built from: refusals of one kind, for any table, in SQL that both backends read alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import Model

from opsconsole.models import Bootstrap, Operation
from opsconsole.states import State
from opsconsole.triggers.guards import Guard

NOT_BY_HAND = "Ask for it in the console; another person confirms it, and then it is done."
AS_A_REQUEST = "it changes only through a request that another person confirms"


def table_of(model: type[Model]) -> str:
    return model._meta.db_table


def guard_on(model: type[Model], event: str, what: str, condition: str, code: str, why: str, next_step: str) -> Guard:
    on = frozenset({"postgresql"}) if event == "TRUNCATE" else frozenset({"postgresql", "sqlite"})
    name = f"{model._meta.model_name}_{event.lower()}_{what}"
    return Guard(name=name, table=table_of(model), event=event, condition=condition, code=code, why=why,
                 next_step=next_step, on=on)  # fmt: skip


def append_only(model: type[Model], events: Iterable[str] = ("UPDATE", "DELETE", "TRUNCATE")) -> Iterator[Guard]:
    """Rows of the model are neither changed nor removed."""
    for event in events:
        yield guard_on(
            model, event, "never", "1 = 1", "append_only",
            f"{table_of(model)} is append-only: its rows are evidence and are neither changed nor removed.",
            "Leave the row as it is and record what is true now as a new one.",
        )  # fmt: skip


def not_replaced(model: type[Model], keys: Iterable[Iterable[str]]) -> Guard:
    """SQLite's INSERT OR REPLACE removes a row without asking its other triggers; a taken key is refused."""
    taken = " OR ".join("(" + " AND ".join(f"t.{column} = NEW.{column}" for column in key) + ")" for key in keys)
    return Guard(
        name=f"{model._meta.model_name}_insert_replace", table=table_of(model), event="INSERT",
        on=frozenset({"sqlite"}), code="replaced",
        condition=f"EXISTS (SELECT 1 FROM {table_of(model)} t WHERE {taken})",
        why=f"A row of {table_of(model)} with this key exists and cannot be replaced.", next_step="Add a new row.",
    )  # fmt: skip


def keys_of(model: type[Model]) -> list[list[str]]:
    """The columns of each unique key that is made of plain columns."""
    fields = model._meta.local_concrete_fields
    single = [[str(field.column)] for field in fields if field.unique]
    column = {field.name: str(field.column) for field in fields}
    several = [[column[name] for name in each.fields] for each in model._meta.total_unique_constraints]
    return single + several


def differs(columns: Iterable[str]) -> str:
    """SQL that is true when an UPDATE changes one of the columns."""
    return " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in columns)


def quoted(states: Iterable[State]) -> str:
    """States as a list in SQL."""
    return ",".join(f"'{state}'" for state in sorted(states))


def confirmed(column: str | None) -> str:
    """While the console is being set up, or within a running change (the one that the column names)."""
    named = f"o.id = {column} AND " if column else ""
    return (
        f"EXISTS (SELECT 1 FROM {table_of(Bootstrap)} b WHERE b.closed_at IS NULL) OR EXISTS "
        f"(SELECT 1 FROM {table_of(Operation)} o WHERE {named}o.kind = 'change' AND o.state = 'running')"
    )
