"""Constraints that do not hold for every row: not validated, not enforced, switched off, or without a parent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from typing import ClassVar

from integrity.checks.base import SCHEMA, Moment, Outcome, Proposal, Severity, quoted
from integrity.checks.telling import Telling
from opsconsole.engines.structure import Relation

# `conenforced` came with PostgreSQL 18, hence the detour by JSON. What a part has from its whole is judged there.
_CONSTRAINTS = """
SELECT n.nspname, coalesce(c.relname, t.typname), k.contypid <> 0, k.conname, k.contype::text, k.convalidated,
  coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true),
  EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgisinternal AND g.tgenabled IN ('D', 'R'))
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid
WHERE k.coninhcount = 0 AND (k.contype IN ('c', 'f') OR k.contype = 'n' AND NOT k.convalidated) ORDER BY 1, 2, 4
"""
_KINDS = {"c": "check", "f": "foreign key", "n": "NOT NULL constraint"}
_REFERENCES = """
SELECT t.value, f.id, f."table", f."from", f."to"
FROM json_each(?) AS t JOIN pragma_foreign_key_list(t.value) AS f ORDER BY 1, 2, f.seq
"""


class WeakConstraint(Telling):
    name: ClassVar[str] = "weak_constraint"
    label: ClassVar[str] = "Constraints that do not hold for every row"
    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = SCHEMA

    def look(self, moment: Moment) -> Iterator[Outcome]:
        yield from self._on_postgresql(moment) if moment.vendor == "postgresql" else self._on_sqlite(moment)

    def _on_postgresql(self, moment: Moment) -> Iterator[Outcome]:
        tables = moment.structure.relations
        for schema, owner, of_domain, name, kind, *state in moment.inquiry.ask(_CONSTRAINTS):
            full = f"{schema}.{owner}"
            if of_domain:
                if not schema.startswith("pg_") and schema != "information_schema":
                    yield self._told(_KINDS[kind], "DOMAIN", "", f"domain {full}", (schema, owner, name), *state)
            elif full in tables:
                yield self._told(_KINDS[kind], "TABLE", full, full, (schema, owner, name), *state)

    def _told(
        self, kind: str, sort: str, table: str, of: str, names: tuple[str, str, str], valid: bool, kept: bool, off: bool
    ) -> Outcome:
        schema, owner, name = names
        subject, words = f"{of}: {name}", f"The {kind} {name} of {of}"
        if not kept:
            return self.found(
                subject,
                f"{words} is NOT ENFORCED: the server does not check it.",
                table=table,
                why="It reads like a promise of the schema, and rows may break it at any time.",
                next_step="Make it ENFORCED in a migration, or drop it when nothing is meant to rely on it.",
            )
        if off:
            return self.found(
                subject,
                f"{words} is switched off: its triggers are disabled.",
                table=table,
                why="Rows without their parents can be written, and nothing looks at them again afterwards.",
                next_step=f"Look for orphans, then run ALTER TABLE ... ENABLE TRIGGER ALL for {of} and for the table "
                "that it refers to.",
            )
        if valid:
            return self.held(subject, f"{words} holds for every row.")
        statement = f"ALTER {sort} {quoted(schema)}.{quoted(owner)} VALIDATE CONSTRAINT {quoted(name)}"
        return self.found(
            subject,
            f"{words} was never validated (NOT VALID): only new and changed rows are held to it.",
            table=table,
            why="Rows that were there before may break it. An UPDATE of such a row fails, and so does a restore.",
            next_step="Set right the rows that break it, if there are any, then validate it. That reads the table and "
            "keeps nobody from reading or writing.",
            proposals=(
                Proposal(
                    action="validate_constraint", words=f"Validate {name} of {of}", table=table, statement=statement
                ),
            ),
        )

    def _on_sqlite(self, moment: Moment) -> Iterator[Outcome]:
        relations = moment.structure.relations
        by_lower = {name.lower(): name for name in relations}
        asked = moment.inquiry.ask(_REFERENCES, [json.dumps(list(relations))])
        for (table, _), parts in groupby(asked, key=lambda row: row[:2]):
            rows = list(parts)
            own = ", ".join(row[3] for row in rows)
            parent, theirs = rows[0][2], [row[4] for row in rows if row[4] is not None]
            subject, words = f"{table}: {own}", f"The foreign key on {own} of {table}"
            there = by_lower.get(parent.lower())
            if there is None:
                yield self._broken(subject, table, f"{words} refers to {parent}, which is not a table here.")
            elif _is_key(relations[there], theirs, len(rows)):
                yield self.held(subject, f"{words} refers to a key of {there}.")
            else:
                columns = f"{', '.join(theirs)} of {there}" if theirs else f"the primary key of {there}"
                yield self._broken(subject, table, f"{words} refers to {columns}, and no such key is there.")

    def _broken(self, subject: str, table: str, sentence: str) -> Outcome:
        return self.found(
            subject,
            sentence,
            table=table,
            why="With foreign keys on, every write of such a row fails; with foreign keys off, nothing is checked.",
            next_step="Name an existing table and a key of it in a migration, which makes the table anew.",
        )


def _is_key(parent: Relation, columns: list[str], count: int) -> bool:
    """Whether SQLite can look a reference up: in the primary key when no columns are named, else in a unique one."""
    if not columns:
        return any(key.primary and len(key.columns) == count for key in parent.keys)
    wanted = {column.lower() for column in columns}
    return any({column.lower() for column in key.columns} == wanted for key in parent.keys)
