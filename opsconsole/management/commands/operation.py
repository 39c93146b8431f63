"""`manage.py operation list|show|wait|cancel`: look at operations, wait for one, stop one."""

from __future__ import annotations

import json
import math
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import QuerySet

from opsconsole import operations
from opsconsole.exceptions import Usage
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import (
    Exit,
    address_of,
    operation_facts,
    operation_sentence,
    plan_text,
    table,
)
from opsconsole.management.waiting import wait_for
from opsconsole.models import Operation
from opsconsole.permissions import visible_operations
from opsconsole.row_numbers import row_number
from opsconsole.states import State


class Command(ConsoleCommand):
    help = "Look at operations, wait for the end of one, or cancel one."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        listing = self.verb(verbs, "list", self.list, "the newest operations")
        listing.add_argument("--database", default="", metavar="NAME")
        listing.add_argument("--state", default="", choices=["", *State])
        listing.add_argument("--limit", type=int, default=20, metavar="N")
        self.verb(verbs, "show", self.show, "one operation with its plan and result").add_argument("id")
        waiting = self.verb(verbs, "wait", self.wait, "wait for the end of one; the exit code tells how it ended")
        waiting.add_argument("id")
        waiting.add_argument("seconds", nargs="?", type=float, default=math.inf)
        cancelling = self.verb(verbs, "cancel", self.cancel, "stop one, unless it has passed its commit point")
        cancelling.add_argument("id")
        cancelling.add_argument("--reason", default="")

    def list(self, options: Options) -> Exit:
        rows = self.visible()
        if options["database"]:
            rows = rows.filter(database=self.database_called(options["database"]))
        if options["state"]:
            rows = rows.filter(state=options["state"])
        found = rows[: max(1, options["limit"])]
        text = table(
            ("id", "kind", "database", "state", "asked at (UTC)", "by"),
            [(r.id, r.kind, r.database, r.face.word, f"{r.created_at:%Y-%m-%d %H:%M:%S}", r.requester) for r in found],
        )
        self.answer({"operations": [operation_facts(row) for row in found]}, text)
        return Exit.OK

    def show(self, options: Options) -> Exit:
        row = self.operation(options["id"])
        lines = [line.text for line in row.lines.all()]
        facts = {**operation_facts(row), "plan": json.loads(row.plan_text), "progress": row.progress, "log": lines}
        parts = [operation_sentence(row), address_of(row.get_absolute_url()), "", plan_text(row.plan, summary=False)]
        self.answer(facts, "\n".join([*parts, *(["", *lines] if lines else [])]))
        return Exit.OK

    def wait(self, options: Options) -> Exit:
        return self.answer_ending(wait_for(self.operation(options["id"]), options["seconds"]))

    def cancel(self, options: Options) -> Exit:
        account = self.signed_in()
        row = operations.cancel(self.operation(options["id"]), account=account, reason=options["reason"])
        self.answer(operation_facts(row), operation_sentence(row))
        return Exit.OK

    def visible(self) -> QuerySet[Operation]:
        """The operations that the token's owner may see; all of them at a shell without a token."""
        if self.account is not None:
            return visible_operations(self.account).select_related("database", "requester")
        return Operation.objects.select_related("database", "requester")

    def operation(self, given: Any) -> Operation:
        """The operation of that id. Raises Usage with the newest ones that there are."""
        rows = self.visible()
        found = rows.filter(pk=row_number(str(given))).first()
        if found is None:
            newest = ", ".join(map(str, rows.values_list("id", flat=True)[:10])) or "none yet"
            raise Usage("unknown_operation", f"There is no operation {given}.", f"The newest are: {newest}.")
        return found
