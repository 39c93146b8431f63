"""How many rows an UPDATE or DELETE reaches, and what else a write sets off."""

from __future__ import annotations

from dataclasses import dataclass

from opsconsole.review.conditions import is_always_true, looks_at_rows
from opsconsole.review.context import Context, number_in_words, rows_in_words
from opsconsole.review.findings import Severity
from opsconsole.review.lexing import Token
from opsconsole.review.reading import NUMBER, STRING, Reader, Unreadable

FEW_ROWS = 10  # so many may always be named in a WHERE
SHARE = 10  # per cent of a table's rows, above which a statement is destructive
_DOES = {"update": "Changes", "delete": "Deletes"}
_CATALOGUES = ("pg_catalog.", "information_schema.", "pg_", "sqlite_", "temp.sqlite_")
_NUMBERS = ("sqlite_sequence",)


@dataclass(frozen=True)
class Change:
    """An UPDATE or DELETE. `names` are those of its table, `columns` the ones that SET names."""

    verb: str  # update, delete
    table: str
    names: frozenset[str]
    where: Reader | None
    whole: Reader
    token: Token
    columns: tuple[str, ...] = ()


def judge(context: Context, change: Change, rule: str) -> None:
    """The finding for the rows themselves: `rule` inside WITH, else by the WHERE and by what is known of the table."""
    table, does = change.table, _DOES[change.verb]
    if rule:
        context.add(rule, table, f"{does} rows of {table} inside WITH.", change.token)
    elif context.is_own(table):
        return
    elif why := _reaches_all(context, change):
        backfills = bool(change.columns) and all((table, name) in context.own_columns for name in change.columns)
        every = rows_in_words(context.live.rows_of(table)) or "rows"
        severity = Severity.WARNING if backfills else None
        context.add(
            f"{change.verb}-without-where", table, f"{does} all {every} of {table}. {why}", change.token, severity
        )
    else:
        _share(context, change)


def written(context: Context, table: str, event: str, token: Token) -> None:
    """What any write to a table sets off: the catalogue of the database, and triggers."""
    if table in _NUMBERS:
        context.add("restart-sequence", table, "Numbers of AUTOINCREMENT go on from somewhere else.", token)
    elif table.startswith(_CATALOGUES) and not table.startswith("sqlite_stat"):
        context.add("catalogue", table, f"Writes to {table}, which the database keeps for itself.", token)
    if event in context.triggers.get(table, ()):
        reason = f"Runs a trigger of {table} that this text made; nobody knows here what it does."
        context.add("fires-triggers", table, reason, token, Severity.UNKNOWN)
    relation = context.live.relation(table)
    names = [trigger.name for trigger in relation.triggers if event in trigger.events] if relation else []
    if names:
        defined = Severity.UNKNOWN if context.functions else None  # they may be what the triggers call
        context.add("fires-triggers", table, f"Runs triggers of {table}: {', '.join(names)}.", token, defined)


def _reaches_all(context: Context, change: Change) -> str:
    """Why every row is reached, in words; "" when only some are."""
    if change.where is None:
        return "There is no WHERE."
    if is_always_true(context, change.table, change.where, change.whole):
        return "Its WHERE is always true."
    if change.where.words[:2] != ["CURRENT", "OF"] and not looks_at_rows(change.where, change.names):
        return "Its WHERE does not look at them."
    return ""


def _share(context: Context, change: Change) -> None:
    table, does = change.table, _DOES[change.verb]
    counted = context.live.matching.get(context.piece.statement.number)
    hit = 1 if counted is None and _is_by_key(context, change) else counted
    total = context.live.rows_of(table)
    of = "" if total is None else f" of {number_in_words(total)}"
    if hit is None:
        context.add(change.verb, table, f"{does} those{of} rows of {table} that its WHERE names.", change.token)
        return
    grave = hit > FEW_ROWS and (total is None or hit * 100 > total * SHARE)
    most, tried = ("at most ", "") if counted is None else ("", ", as counted in the rehearsal")
    reason = f"{does} {most}{rows_in_words(hit)}{of} of {table}{tried}."
    context.add(change.verb, table, reason, change.token, Severity.DESTRUCTIVE if grave else None)


def tried_on(context: Context) -> str:
    """How many rows a statement that inserts or changes wrote when it was tried; which of them it changed is open."""
    counted = context.live.matching.get(context.piece.statement.number)
    return "" if counted is None else f" In the rehearsal it wrote {rows_in_words(counted)}, new ones included."


def _is_by_key(context: Context, change: Change) -> bool:
    """Whether the WHERE is `key = value`, for a key of one column."""
    relation, where = context.live.relation(change.table), change.where
    if relation is None or where is None or where.words[1:] not in (["=", STRING], ["=", NUMBER]):
        return False
    try:
        return (where.part(0, 1).name(),) in {key.columns for key in relation.keys}
    except Unreadable:
        return False
