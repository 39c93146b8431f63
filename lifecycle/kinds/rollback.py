"""Rollback: take the last migrations back by the tool's own way back, with the rows of its ledger."""

from __future__ import annotations

from typing import ClassVar

from lifecycle.kinds.migrate import MigrateKind
from lifecycle.migrating import asking, going_back, material, planning
from opsconsole.databases import engine_for
from opsconsole.kinds import Parameter, Request
from opsconsole.models import Database
from opsconsole.plans import Plan


class RollbackKind(MigrateKind):
    name = "rollback"
    label = "Roll back"
    noun = "rollback"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        asking.FOLDER, asking.BROUGHT, asking.ROOT, asking.PATH, asking.TOOL, asking.BACK_TO, *asking.COMMON,
    )  # fmt: skip
    like = "migrate"
    demands_alike = True

    def plan(self, request: Request) -> Plan:
        asking.refuse_bad(request)
        engine = engine_for(request.database)
        subject = material.subject_of(request, engine)
        seen = planning.look(engine, subject)
        planning.refuse(subject, seen)
        back = going_back.back_to(subject, seen, request.parameters["to"])
        return planning.compose(self.name, request, subject, seen, back.units, back.chosen)

    def heading(self, database: Database) -> str:
        return f"Roll back a migration of {database.name}"

    def button(self, database: Database) -> str:
        return ""  # it is offered where a migration was applied
