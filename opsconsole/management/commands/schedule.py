"""`manage.py schedule list|show|set|off`: what starts by itself, and asking for another schedule."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Any

from django.core.management.base import CommandParser

from opsconsole import operations
from opsconsole.clock import now
from opsconsole.exceptions import Usage
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, address_of, table
from opsconsole.models import Schedule, ScheduleSlot
from opsconsole.scheduling import standing

NEXT, SLOTS = 5, 20
SET = 'manage.py schedule set nightly --kind backup --cron "30 1 * * *" --reason "after the batch"'


class Command(ConsoleCommand):
    help = "List the schedules, look at one, ask for a new one or for one to be switched off."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        self.verb(verbs, "list", self.list, "every schedule with its next time")
        self.verb(verbs, "show", self.show, "one schedule: next times, last times").add_argument("name")
        setting = self.verb(verbs, "set", self.set, "ask for a schedule, or for a new version of one", SET)
        setting.add_argument("name")
        for option in ("title", "kind", "cron", "timezone", "missed", "late-minutes", "approval"):
            setting.add_argument(f"--{option}", default=None)
        for option in ("databases", "environments", "tags"):
            setting.add_argument(f"--{option}", default=None, help="names with commas; empty for all")
        setting.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the kind")
        switching = self.verb(verbs, "off", self.off, "ask for a schedule to be switched off")
        switching.add_argument("name")
        for verb in (setting, switching):
            verb.add_argument("--reason", default="")

    def list(self, options: Options) -> Exit:
        rows = standing.newest()
        text = table(("name", "", "next (UTC)", "what"), [_cells(row) for row in rows])
        self.answer({"schedules": [_facts(row) for row in rows]}, text)
        return Exit.OK

    def show(self, options: Options) -> Exit:
        row = next((each for each in standing.newest() if each.name == options["name"]), None)
        if row is None:
            raise Usage(
                "unknown_schedule", f"There is no schedule {options['name']}.", "See `manage.py schedule list`."
            )
        slots = ScheduleSlot.objects.filter(schedule=row.name).select_related("database", "operation")[:SLOTS]
        past = table(
            ("due (UTC)", "database", "", "operation"),
            [
                (f"{s.slot:%Y-%m-%d %H:%M}", s.database.name, s.why or s.get_state_display(), s.operation_id)
                for s in slots
            ],
        )
        facts = _facts(row) | {
            "slots": [
                {
                    "slot": s.slot,
                    "database": s.database.name,
                    "state": s.state,
                    "operation": s.operation_id,
                    "why": s.why,
                }
                for s in slots
            ]
        }
        self.answer(facts, f"{standing.sentence(row)}.\n{_approved(row)}\n{past}")
        return Exit.OK

    def set(self, options: Options) -> Exit:
        keys = (
            "title",
            "kind",
            "cron",
            "timezone",
            "missed",
            "late_minutes",
            "approval",
            "databases",
            "environments",
            "tags",
        )
        wanted: dict[str, Any] = {key: options[key] for key in keys if options[key] is not None}
        if options["set"]:
            wanted["parameters"] = dict(_pair(text) for text in options["set"])
        return self._ask("schedule.set", {"name": options["name"], **wanted}, options)

    def off(self, options: Options) -> Exit:
        return self._ask("schedule.off", {"name": options["name"]}, options)

    def _ask(self, action: str, parameters: dict[str, Any], options: Options) -> Exit:
        asked = operations.request_change(action, parameters, account=self.account, reason=options["reason"])
        return self.answer_operation(asked)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise Usage("bad_value", f"{text!r} is no setting.", "Write --set key=value.")
    return name, value


def _next(row: Schedule) -> list[Any]:
    return list(islice(standing.times_of(row).after(now()), NEXT)) if row.enabled else []


def _facts(row: Schedule) -> dict[str, Any]:
    return {
        "name": row.name, "version": row.version, "title": row.title, "enabled": row.enabled, "kind": row.kind,
        "parameters": row.parameters, "match": row.match, "cron": row.cron, "timezone": row.timezone,
        "missed": row.missed, "late_minutes": row.late_minutes, "blackouts": row.blackouts, "next": _next(row),
        "sentence": standing.sentence(row), "approved_until": _until(row), "url": address_of(row.get_absolute_url()),
    }  # fmt: skip


def _until(row: Schedule) -> datetime | None:
    once = standing.approved_once(row) if row.enabled else None
    return once.standing.until if once and once.holds else None


def _approved(row: Schedule) -> str:
    once = standing.approved_once(row) if row.enabled else None
    if once is None:
        return "Each run waits for approvals.\n" if row.enabled and standing.asks_people(row) else ""
    names = " and ".join(b.vote.person.name for b in once.ballots if b.vote.decision == "approve") or "nobody"
    if once.holds:
        return f"Its runs were approved once by {names}, until {once.standing.until:%Y-%m-%d %H:%M} UTC.\n"
    ended = [*once.standing.ended, *(f"On {name}: {why}" for name, why in once.lacks.items())]
    return f"Its standing approval (by {names}) does not carry its runs: {' '.join(ended)}\n"


def _cells(row: Schedule) -> tuple[object, ...]:
    upcoming = _next(row)
    soon = f"{upcoming[0]:%Y-%m-%d %H:%M}" if upcoming else ""
    return (row.name, "on" if row.enabled else "off", soon, standing.sentence(row))
