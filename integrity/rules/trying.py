"""Trying a rule before anybody asks for it: once, read-only and for a short time, on the database itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrity.checks import moments
from integrity.checks.base import Found, Outcome
from integrity.reporting.composing import masked
from integrity.reporting.standing import rows_before
from integrity.rules.base import Spec
from integrity.rules.compiling import compile_rules
from integrity.rules.requested import as_json
from integrity.scanning.answering import Budget
from integrity.scanning.examining import examine
from integrity.scanning.selecting import Selection
from opsconsole import audit
from opsconsole.databases import engine_for
from opsconsole.models import Database
from opsconsole.plans import canonical_json, digest_of

SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What a rule says of a database now; `sample` is masked, None where there is none.

    `outcome` is its first finding, or that it holds; `more` are sentences of further findings, of kinds that tell
    several things apart.
    """

    outcome: Outcome
    sql: str
    sample: Mapping[str, Any] | None
    more: tuple[str, ...] = ()

    @property
    def found(self) -> Found | None:
        return self.outcome if isinstance(self.outcome, Found) else None


def try_rule(database: Database, rule: Spec) -> Tried:
    """Ask it. Whoever asks reads data, if only a number of rows: that is an event. Raises TargetProblem."""
    before = rows_before(database)
    with moments.opened(engine_for(database), database.name, seconds=SECONDS, before=before) as moment:
        budget = Budget(seconds=SECONDS, sessions=1)
        outcomes = examine(moment, Selection(checks=(), rules=(rule,)), budget).outcomes
    found = [each for each in outcomes if isinstance(each, Found)]
    outcome = found[0] if found else outcomes[0]
    sample = masked(outcome.sample, outcome.table, database.masked_columns) if isinstance(outcome, Found) else None
    told = {"kind": rule.kind, "words": digest_of(canonical_json(as_json(rule)))}
    audit.record("rule.tried", database=database, subject=rule.name, data=told)
    sql = compile_rules(database, [rule])[rule.name].sql
    return Tried(outcome=outcome, sql=sql, sample=sample, more=tuple(each.sentence for each in found[1:]))
