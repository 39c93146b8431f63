"""`manage.py health NAME`: look at a database now, and say whether it is healthy."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from integrity.health import answering
from opsconsole.exceptions import Refused
from opsconsole.management.console_command import ConsoleCommand, Options, add_json
from opsconsole.management.reporting import Exit, table
from opsconsole.tokens import allows


class Command(ConsoleCommand):
    takes_narrowed_tokens = True
    help = "Look at the health of a database now. Ends with 1 unless it is healthy."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the database")
        parser.add_argument("--last", action="store_true", help="tell the newest look, and ask the database nothing")
        add_json(parser)
        parser.set_defaults(act=self.health)

    def health(self, options: Options) -> Exit:
        database = self.database_called(options["name"])
        if self.token is not None and not allows(self.token, "see", database):
            raise Refused("token_scope", "The token is not for looking.", "Use one whose scopes have see.")
        facts = answering.answer(database, fresh=not options["last"])
        self.answer(facts, said(facts))
        return Exit.OK if facts["status"] == "healthy" else Exit.FAILED


def said(facts: dict[str, Any]) -> str:
    """The answer for people."""
    at = f"{datetime.fromisoformat(facts['sampled_at']):%Y-%m-%d %H:%M:%S} UTC" if facts["sampled_at"] else "never"
    lines = [f"{facts['database']} is {facts['status']}, as of {at}."]
    if problem := facts["problem"]:
        lines.append(f"{problem['why'].rstrip('.')}. {problem['next']}".strip())
    figures = [(name, value) for name, value in facts["figures"].items() if name != "unknown"]
    lines += ["", table(("figure", "value"), figures)] if figures else []
    rules = [rule for name, told in facts["details"].items() if name != "summary" for rule in told["rules"]]
    if rules:
        names = [name for name, told in facts["details"].items() if name != "summary" for _ in told["rules"]]
        rows = [
            (name, _count(rule), rule["severity"], rule["why"] or rule["holds"])
            for name, rule in zip(names, rules, strict=True)
        ]
        lines += ["", table(("check", "rows", "severity", "what must hold, or why it is not known"), rows)]
    return "\n".join(lines)


def _count(rule: dict[str, Any]) -> Any:
    if rule.get("off"):
        return "off"
    return "?" if rule["count"] is None else rule["count"]
