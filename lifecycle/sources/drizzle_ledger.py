"""The table in which both ages of Drizzle remember what was applied.

0.x has (id, hash, created_at); 1.x added (name, applied_at), also to tables that 0.x had made. `created_at` is the
migration's own time in milliseconds, not that of its application. On SQLite 0.x leaves id NULL in every row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lifecycle.sources import reading
from lifecycle.sources.acts import Act, Given, Phase, Unit
from lifecycle.sources.base import Ledger, Migration, Place, Refusal, Row
from opsconsole.engines.scripting import Script
from opsconsole.exceptions import Refused

TABLE, SCHEMA = "__drizzle_migrations", "drizzle"
COLUMNS = frozenset({"id", "hash", "created_at"})


def table(place: Place, options: Mapping[str, str]) -> str:
    """The ledger as people read it: drizzle.__drizzle_migrations, without a schema on SQLite."""
    name = reading.plain(options.get("table") or TABLE, "ledger")
    if place.engine == "sqlite":
        return name
    return f"{reading.plain(options.get('schema') or SCHEMA, 'schema of the ledger')}.{name}"


def read(script: Script, place: Place, options: Mapping[str, str]) -> Ledger:
    """Every row in the order of its time; `facts["columns"]` tells which age the table is of."""
    name = table(place, options)
    columns = reading.columns(script, name)
    facts = {"columns": list(columns)}
    if not columns or not set(columns) >= COLUMNS:
        return Ledger(table=name, exists=bool(columns), facts=facts)
    order = "ORDER BY created_at, id" if place.engine == "postgresql" else "ORDER BY created_at, rowid"
    found = [reading.as_json(row) for row in reading.rows(script, name, columns, order)]
    return Ledger(table=name, exists=True, rows=_keyed(found), facts=facts)


def is_upgraded(ledger: Ledger) -> bool:
    """Whether the table is, or was made, one of 1.x."""
    return "name" in ledger.facts.get("columns", ())


def foreign(ledger: Ledger) -> list[Refusal]:
    """Why a table of that name is no ledger of Drizzle's."""
    missing = sorted(COLUMNS - set(ledger.facts.get("columns", ())))
    if not ledger.exists or not missing:
        return []
    return [
        (
            "ledger_foreign",
            f"{ledger.table} is no ledger of Drizzle: it lacks {', '.join(missing)}.",
            "Give the ledger's name as migrations.table (and migrations.schema) in drizzle.config.",
        )
    ]


def milliseconds(row: Row) -> int | None:
    """A row's `created_at` as the number that Drizzle reads; None for NULL and for what is none."""
    value = row.raw["created_at"]
    try:
        return None if value is None else int(value) if isinstance(value, int) else int(float(value))
    except (ValueError, OverflowError):
        return None


def created(ledger: Ledger, place: Place, options: Mapping[str, str], create: str) -> tuple[Phase, ...]:
    """What makes the ledger, in the tool's own text, which SQLite keeps. Nothing where there is one."""
    if ledger.exists:
        return ()
    name = table(place, options)
    acts = [Act(sql=create.format(table=reading.quoted(name)))]
    if place.engine == "postgresql":
        acts.insert(0, Act(sql=f"CREATE SCHEMA IF NOT EXISTS {reading.quoted(name.split('.')[0])}"))
    return (Phase(acts=tuple(acts)),)


def inserted(place: Place, options: Mapping[str, str], values: Mapping[str, Given]) -> Act:
    """One new row."""
    columns = ", ".join(reading.quoted(column) for column in values)
    marks = ", ".join("?" * len(values))
    sql = f"INSERT INTO {reading.quoted(table(place, options))} ({columns}) VALUES ({marks})"
    return Act(sql=sql, values=tuple(values.values()))


def together(pending: Sequence[Migration], acts: Sequence[Act], always: tuple[Phase, ...]) -> tuple[Unit, ...]:
    """One transaction over everything, as both ages do."""
    if not pending:
        return ()
    first, last = pending[0].name, pending[-1].name
    title = f"Apply {first}" if len(pending) == 1 else f"Apply {len(pending)} in one transaction, {first} to {last}"
    keys = tuple(migration.key for migration in pending)
    return (Unit(title=title, migrations=keys, always=always, phases=(Phase(transaction=True, acts=tuple(acts)),)),)


def marked(migration: Migration, act: Act, always: tuple[Phase, ...]) -> Unit:
    """A row without its text being run."""
    return Unit(
        title=f"Mark {migration.name} as applied",
        migrations=(migration.key,),
        direction="none",
        always=always,
        phases=(Phase(transaction=True, acts=(act,)),),
    )


def forgotten(row: Row, name: str, place: Place, options: Mapping[str, str]) -> Unit:
    """Delete one row: by its id, or where SQLite has none by what it holds."""
    where, values = identified(row)
    act = Act(sql=f"DELETE FROM {reading.quoted(table(place, options))} WHERE {where}", values=values)
    return Unit(
        title=f"Forget {name}",
        migrations=(row.key,),
        direction="none",
        phases=(Phase(transaction=True, acts=(act,)),),
    )


def identified(row: Row) -> tuple[str, tuple[Any, ...]]:
    """The condition that finds a row again, and its values."""
    if row.raw["id"] is not None:
        return '"id" = ?', (row.raw["id"],)
    if row.raw["created_at"] is None:
        return '"hash" = ? AND "created_at" IS NULL', (row.raw["hash"],)
    return '"hash" = ? AND "created_at" = ?', (row.raw["hash"], row.raw["created_at"])


def require_absent(migration: Migration, held: bool) -> None:
    """Raises Refused for a migration that the ledger holds."""
    if held:
        raise Refused("already_applied", f"{migration.name} is in the ledger.", "There is nothing to mark.")


def require(refusals: Sequence[Refusal]) -> None:
    """Raises the first of these as Refused."""
    for refusal in refusals:
        raise Refused(*refusal)


def own_key(wanted: str, taken: set[str]) -> str:
    """`wanted`, or `wanted/2` and so on where it is taken; it is taken then."""
    key, number = wanted, 1
    while key in taken:
        number += 1
        key = f"{wanted}/{number}"
    taken.add(key)
    return key


def _keyed(found: Sequence[dict[str, Any]]) -> tuple[Row, ...]:
    """Rows with a key of their own each: their name in 1.x, otherwise their time, counted on where it stands twice."""
    taken: set[str] = set()
    return tuple(
        Row(
            key=own_key(str(raw.get("name") or raw["created_at"]), taken),
            name=raw.get("name") or "",
            applied_at=reading.moment(raw["applied_at"]) if raw.get("applied_at") else None,
            checksum=str(raw["hash"]),
            raw=raw,
        )
        for raw in found
    )
