"""Constraints that do not hold for every row: not validated, not enforced, or switched off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from integrity.checks.base import SCHEMA, Moment, Outcome, Proposal, Severity, quoted
from integrity.checks.telling import Telling

# `conenforced` came with PostgreSQL 18, hence the detour by JSON. What a part has from its whole is judged there.
_CONSTRAINTS = """
SELECT n.nspname, coalesce(c.relname, t.typname), k.contypid <> 0, k.conname, k.contype::text, k.convalidated,
  coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true),
  EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgisinternal AND g.tgenabled IN ('D', 'R'))
FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_type t ON t.oid = k.contypid
WHERE k.coninhcount = 0 AND k.contype IN ('c', 'f', 'n') ORDER BY 1, 2, 4
"""
_KINDS = {"c": "check", "f": "foreign key", "n": "NOT NULL constraint"}


class WeakConstraint(Telling):
    name: ClassVar[str] = "weak_constraint"
    label: ClassVar[str] = "Constraints that do not hold for every row"
    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = SCHEMA
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql"})  # SQLite's always hold, or are `dangling_references`

    def look(self, moment: Moment) -> Iterator[Outcome]:
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
