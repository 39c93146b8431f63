"""The data tab: tables and pages of rows, read-only, with sensitive values masked, each view recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from opsconsole import audit
from opsconsole.databases.addresses import cipher, engine_for
from opsconsole.engines.base import Table
from opsconsole.exceptions import OpsError, Refused, Usage
from opsconsole.masking import mask, mask_within, sensitive_columns
from opsconsole.models import Account, Database
from opsconsole.permissions import can

ROWS_A_PAGE = 50
LONGEST_TEXT = 500  # characters of one value that are shown


@dataclass(frozen=True)
class DataPage:
    """Rows of one table as they may be shown: values are None, bool, numbers or text. `next_after` is sealed."""

    table: Table
    columns: tuple[str, ...]
    masked: frozenset[str]
    rows: tuple[tuple[Any, ...], ...]
    next_after: str | None = None


def data_tables(database: Database, account: Account) -> list[Table]:
    """The tables with estimated counts and sizes. Raises Refused, or TargetProblem when the target cannot be read."""
    _may_see_data(database, account)
    tables = engine_for(database).tables()
    audit.record("data.viewed", database=database, subject="the list of tables", data={"rows": 0})
    return tables


def data_page(database: Database, table: str, after: str, account: Account) -> DataPage:
    """One page of a table's rows; `after` is the `next_after` of the page before, or "".

    Raises Refused, TargetProblem, or Usage for an unknown table or a cursor that is not ours.
    """
    _may_see_data(database, account)
    engine = engine_for(database)
    found = _table(engine.tables(), table)
    page = engine.page(found.full_name, limit=ROWS_A_PAGE, after=_opened(after))
    masked = sensitive_columns(found.full_name, page.columns, database.masked_columns)
    hidden = [column in masked for column in page.columns]
    rows = tuple(tuple(map(_shown, row, hidden)) for row in page.rows)
    told = {"table": table, "page": "later" if after else "first", "rows": len(rows), "masked": sorted(masked)}
    audit.record("data.viewed", database=database, subject=table, data=told)
    sealed = cipher().seal(page.next_after) if page.next_after is not None else None
    return DataPage(found, page.columns, masked, rows, sealed)


def _may_see_data(database: Database, account: Account) -> None:
    if can(account, "see_data", database):
        return
    audit.record("denied.data", outcome="denied", database=database, subject="its rows", data={"code": "not_allowed"})
    raise Refused(
        "not_allowed", f"Your role does not let you see the data of {database.name}.",
        f"Ask an administrator for the role of engineer in {database.owner_group}.",
    )  # fmt: skip


def _table(tables: Sequence[Table], wanted: str) -> Table:
    for table in tables:
        if table.full_name == wanted:
            return table
    listed = ", ".join(table.full_name for table in tables[:30]) or "none"
    raise Usage("unknown_table", f"There is no table called {wanted} here.", f"There are: {listed}.")


def _opened(after: str) -> str | None:
    """The engine's cursor; it holds key values, so it travels sealed."""
    try:
        return cipher().open(after) if after else None
    except OpsError:
        raise Usage("bad_cursor", "This address continues no page of rows.", "Begin at the first page.") from None


def _shown(value: Any, is_masked: bool) -> Any:
    if is_masked:
        return mask(value)
    value = mask_within(value)
    if value is None or isinstance(value, bool | int | float | Decimal):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    text = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
