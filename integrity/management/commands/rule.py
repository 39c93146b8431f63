"""`manage.py rule list|set|off|on|remove|import|export DATABASE`: what must hold in a database."""

from __future__ import annotations

import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from integrity.checks.base import Severity
from integrity.rules import in_force
from integrity.rules.base import Spec, rule_kind, rule_kinds
from integrity.rules.compiling import unfit
from integrity.rules.exchanging import FORMATS, read, write
from integrity.rules.requested import ACTIONS, as_json, rule_from
from opsconsole import operations
from opsconsole.exceptions import Usage
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, table
from opsconsole.models import Database
from opsconsole.review import Dialect

SET = 'manage.py rule set savings paid --kind row --set table=orders --set violates="t.paid < 0" --reason "as agreed"'


class Command(ConsoleCommand):
    help = "Say what must hold in a database. Another person confirms every change of it."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        listing = self.verb(verbs, "list", self.list, "the rules that its checks ask")
        listing.add_argument("database")
        setting = self.verb(verbs, "set", self.set, "ask for a rule, in place of the one of that name", SET)
        setting.add_argument("database")
        setting.add_argument("name", help="small letters, digits, - and _")
        known = [kind.name for kind in rule_kinds() if kind.offered]
        setting.add_argument("--kind", required=True, choices=known)
        setting.add_argument("--set", action="append", default=[], metavar="MEMBER=VALUE", dest="members",
                             help="a member of the kind; see below")  # fmt: skip
        setting.epilog = f"{setting.epilog}\n\n{_members_of_kinds()}"
        setting.formatter_class = RawDescriptionHelpFormatter
        setting.add_argument("--severity", choices=list(Severity), default=Severity.WARNING.value)
        for name in ("category", "owner", "hint", "health"):
            setting.add_argument(f"--{name}", default="")
        setting.add_argument("--threshold", type=int, default=0, help="rows that may break it")
        setting.add_argument("--fix", choices=ACTIONS, default="", help="what sets it right")
        setting.add_argument("--fix-column", default="")
        setting.add_argument("--fix-value", default="", help="SQL over t")
        removing = self.verb(verbs, "remove", self.remove, "ask for rules not to be asked any more")
        removing.add_argument("database")
        removing.add_argument("names", nargs="+")
        off = self.verb(
            verbs, "off", self.off, "ask for rules to be kept, and asked by no check until they are on again"
        )
        on = self.verb(verbs, "on", self.on, "ask for rules that are off to be asked again")
        for each in (off, on):
            each.add_argument("database")
            each.add_argument("names", nargs="+")
        bringing = self.verb(verbs, "import", self.bring, "ask for every rule of a file (JSON or CSV), or for none")
        bringing.add_argument("database")
        bringing.add_argument("file", help="a path, or - for standard input")
        bringing.add_argument("--only", action="store_true", help="and remove the rules that are not in it")
        for each in (setting, removing, off, on, bringing):
            each.add_argument("--reason", default="")
        handing = self.verb(verbs, "export", self.export, "the rules as a file, on standard output")
        handing.add_argument("database")
        handing.add_argument("--format", choices=list(FORMATS), default="json")

    def list(self, options: Options) -> Exit:
        rules = in_force.rules_of(self.database_called(options["database"]))
        rows = [
            (rule.name, "off" if rule.off else "on", rule.severity, rule.category, rule.health, _words(rule))
            for rule in rules
        ]
        headings = ("rule", "asked", "severity", "category", "health", "what must hold")
        text = table(headings, rows) if rows else "There is no rule."
        told = [{**as_json(rule), "off": rule.off} for rule in rules]
        self.answer({"database": options["database"], "rules": told}, text)
        return Exit.OK

    def set(self, options: Options) -> Exit:
        fix = {"action": options["fix"], "column": options["fix_column"], "value": options["fix_value"]}
        rule = {
            "name": options["name"], "kind": options["kind"], "spec": _members(options["members"]),
            "fix": fix if options["fix"] else None,
            **{name: options[name] for name in ("severity", "category", "owner", "hint", "health", "threshold")},
        }  # fmt: skip
        return self._ask(self.database_called(options["database"]), options, rules=[rule])

    def remove(self, options: Options) -> Exit:
        return self._ask(self.database_called(options["database"]), options, remove=options["names"])

    def off(self, options: Options) -> Exit:
        return self._ask(self.database_called(options["database"]), options, off=options["names"])

    def on(self, options: Options) -> Exit:
        return self._ask(self.database_called(options["database"]), options, on=options["names"])

    def bring(self, options: Options) -> Exit:
        database = self.database_called(options["database"])
        dialect = Dialect(database.engine)
        if options["file"] == "-":
            rules = read(sys.stdin.buffer, dialect)
        else:
            try:
                with Path(options["file"]).open("rb") as source:
                    rules = read(source, dialect)
            except OSError as error:
                raise Usage("bad_file", f"The file cannot be read: {error.strerror}.", "Give another path.") from None
        named = {rule["name"] for rule in rules}
        others = [rule.name for rule in in_force.rules_of(database) if rule.name not in named]
        return self._ask(database, options, rules=rules, remove=others if options["only"] else [])

    def export(self, options: Options) -> Exit:
        rules = in_force.rules_of(self.database_called(options["database"]))
        text = write(rules, options["format"])
        self.answer({"database": options["database"], "rules": [as_json(rule) for rule in rules]}, text.rstrip("\n"))
        return Exit.OK

    def _ask(self, database: Database, options: Options, *, rules: Sequence[Any] = (), **named: Sequence[str]) -> Exit:
        """`named` are names of rules under `remove`, `off` and `on`."""
        given = {"database": database.pk, "rules": [*rules], **{verb: [*some] for verb, some in named.items()}}
        operation = operations.request_change(in_force.ACTION, given, account=self.account, reason=options["reason"])
        asked = [rule_from(rule, Dialect(database.engine)) for rule in operation.plan.parameters["rules"]]
        on = [rule for rule in asked if not rule.off]
        warnings = [f"{name} cannot be asked as it is: {why}" for name, why in unfit(database, on)]
        for warning in warnings:
            self.warn(warning)
        return self.answer_operation(operation, database=database.name, warnings=warnings)


def _members_of_kinds() -> str:
    """For `--help`."""
    kinds = [kind for kind in rule_kinds() if kind.offered]
    lines = [f"  {kind.name:10} {', '.join(member.name for member in kind.members)}" for kind in kinds]
    return "\n".join(["members of each kind (docs/integrity.md explains them):", *lines])


def _words(rule: Spec) -> str:
    kind = rule_kind(rule.kind)
    return kind.sentence(rule.spec) if kind else f"a rule of the unknown kind {rule.kind}"


def _members(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise Usage("bad_value", f"{text!r} is no MEMBER=VALUE.", "Write it like --set table=orders.")
        found[name.strip()] = value
    return found
