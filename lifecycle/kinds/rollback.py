"""Rollback: take the last migrations back by the tool's own way back, with the rows of its ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from lifecycle.kinds.migrate import MigrateKind
from lifecycle.migrating import asking, material, offering, planning, selecting
from lifecycle.migrating.planning import Seen, Subject
from lifecycle.sources.acts import Unit
from lifecycle.sources.base import Entry
from opsconsole.databases import engine_for
from opsconsole.exceptions import Refused
from opsconsole.kinds import Parameter, Request
from opsconsole.models import Database
from opsconsole.plans import Demand, Plan


class RollbackKind(MigrateKind):
    name = "rollback"
    label = "Roll back"
    noun = "rollback"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        asking.FOLDER, asking.BROUGHT, asking.ROOT, asking.PATH, asking.TOOL, asking.BACK_TO, *asking.COMMON,
    )  # fmt: skip
    like = "migrate"

    def plan(self, request: Request) -> Plan:
        asking.refuse_bad(request)
        engine = engine_for(request.database)
        subject = material.subject_of(request, engine)
        seen = planning.look(engine, subject)
        planning.refuse(subject, seen)
        entries = selecting.applied(seen.entries, to=request.parameters["to"])
        units = _units(subject, seen, entries)
        chosen = [entry.migration for entry in entries if entry.migration]
        return planning.compose(self.name, request, subject, seen, units, chosen)

    def evidence_problems(self, plan: Plan, demand: Demand) -> list[tuple[str, str, str]]:
        """None is demanded: a way back is tried in the rehearsal of what it takes back."""
        return []

    def heading(self, database: Database) -> str:
        return f"Roll back a migration of {database.name}"

    def button(self, database: Database) -> str:
        return ""  # it is offered where a migration was applied


def _units(subject: Subject, seen: Seen, entries: Sequence[Entry]) -> list[Unit]:
    """What takes each of them back, the newest first. Raises Refused, with what to do instead."""
    source, ledger, units = subject.source, seen.ledger, list[Unit]()
    for entry in entries:
        try:
            unit = source.down(entry, ledger, seen.place, subject.folder.options)
        except Refused as refused:
            raise Refused(refused.code, refused.why, offering.instead_of_down(subject.database, refused)) from refused
        units.append(unit)
        ledger = source.taken_back(unit, ledger)
    return units
