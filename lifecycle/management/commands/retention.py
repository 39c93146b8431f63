"""`manage.py retention plan|run`: which backups stay and which go, and why; and a pass now, without waiting for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandParser

from lifecycle.models import RetentionStop
from lifecycle.retention import passing
from lifecycle.retention.deciding import Candidate, Decision, Fate, too_many
from lifecycle.retention.facts import outlook
from lifecycle.retention.rule import sentence
from lifecycle.retention.rules import in_force, scoped_for
from opsconsole.exceptions import Refused
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, table
from opsconsole.models import Database
from opsconsole.permissions import visible_databases
from opsconsole.templatetags.console import size


class Command(ConsoleCommand):
    help = "Print for each backup whether it stays or goes, and why; or make a pass now."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        planning = self.verb(verbs, "plan", self.plan, "what becomes of each backup, with its reasons; changes nothing")
        planning.add_argument("database", nargs="?", help="one database; without it, all that may be seen")
        self.verb(verbs, "run", self.run, "make the pass now that the ticker makes once an hour")

    def plan(self, options: Options) -> Exit:
        known, found, text = in_force(), [], []
        for database in self.chosen(options["database"]):
            scoped = scoped_for(database, known)
            seen = outlook(database, rule=scoped.rule)
            pairs = list(zip(seen.candidates, seen.decisions, strict=True))
            stopped = too_many(seen.decisions)
            found.append(
                {"database": database.name, "rule": sentence(scoped.rule), "scope": scoped.scope, "stopped": stopped,
                 "backups": [_facts(candidate, decision) for candidate, decision in pairs]}
            )  # fmt: skip
            headings = ("backup", "taken at (UTC)", "stored", "fate", "why")
            text += [f"{database.name}: {sentence(scoped.rule)}.", *([stopped] if stopped else [])]
            text += [table(headings, _cells(pairs)) if pairs else "It has no backup.", ""]
        self.answer({"databases": found}, "\n".join(text).rstrip() or "There is no database.")
        return Exit.OK

    def run(self, options: Options) -> Exit:
        """Refused while retention is paused, like the ticker's own."""
        deleted = passing.tick(now_too=True)
        state = passing.standing()
        if state.paused_at is not None:
            raise Refused(
                "paused", state.paused_why, "Look at /retention/, and ask there for retention to go on."
            )  # fmt: skip
        stops = list(RetentionStop.objects.select_related("database").order_by("database__name"))
        told = [f"Of {stop.database.name}, {stop.going} of {stop.of} would go at once, so none does." for stop in stops]
        facts = {"deleted": deleted, "stopped": [stop.database.name for stop in stops], "at": state.last_at}
        self.answer(facts, "\n".join([f"The pass is made; {deleted} backups were deleted from the trash.", *told]))
        return Exit.OK

    def chosen(self, name: str | None) -> list[Database]:
        """The database of that name, or all that the actor may see."""
        if name:
            return [self.database_called(name)]
        rows = Database.objects.all() if self.account is None else visible_databases(self.account)
        return list(rows.filter(removed_at=None).select_related("environment").order_by("name"))


def _facts(candidate: Candidate, decision: Decision) -> dict[str, Any]:
    return {
        "id": candidate.id, "started_at": candidate.started_at, "stored_bytes": candidate.size,
        "fate": str(decision.fate), "until": candidate.trashed_until,
        "reasons": [{"code": reason.code, "words": reason.words} for reason in decision.reasons],
    }  # fmt: skip


def _cells(pairs: Iterable[tuple[Candidate, Decision]]) -> list[tuple[object, ...]]:
    words = {Fate.KEPT: "stays", Fate.GOING: "goes", Fate.TRASHED: "in the trash", Fate.EXPIRED: "deleted"}
    return [
        (
            candidate.id,
            f"{candidate.started_at:%Y-%m-%d %H:%M:%S}",
            size(candidate.size),
            words[decision.fate],
            "; ".join(reason.words for reason in decision.reasons),
        )
        for candidate, decision in pairs
    ]
