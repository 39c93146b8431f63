"""`manage.py operate KIND NAME`: ask for an operation, in the name of a token's owner."""

from __future__ import annotations

import json
import math
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser, DjangoHelpFormatter

from opsconsole import kinds, operations
from opsconsole.exceptions import OperationFailed, Refused, Usage
from opsconsole.kinds import Kind, Parameter
from opsconsole.management.console_command import ConsoleCommand, Options, add_json
from opsconsole.management.reporting import Exit, operation_sentence, plan_text
from opsconsole.management.waiting import nobody_works, wait_for
from opsconsole.models import Database
from opsconsole.states import State


class Command(ConsoleCommand):
    help = "Ask for an operation (backup, restore, ...) on a database. Needs OPSCONSOLE_TOKEN."
    asked_for: Kind | None = None

    def run_from_argv(self, argv: list[str]) -> None:
        self.asked_for = next((kind for kind in kinds.every() if kind.name in argv[2:3]), None)
        super().run_from_argv(argv)

    def create_parser(self, prog_name: str, subcommand: str, **given: Any) -> CommandParser:
        told = {"epilog": settings_of(self.asked_for), "formatter_class": AsWritten}
        return super().create_parser(prog_name, subcommand, **told, **given)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("kind", help="what to do: backup, check, restore, ...")
        parser.add_argument("name", help="the database (of a restore: the destination)")
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of this kind; see below"
        )
        parser.add_argument("--reason", default="", help="why; everybody who looks at it reads this")
        parser.add_argument(
            "--confirm", default="", metavar="NAME", help="the database's name, where nobody else is asked"
        )
        parser.add_argument(
            "--identity-stdin", action="store_true",
            help="read the private age key of an encrypted backup from standard input, for this operation only",
        )  # fmt: skip
        parser.add_argument("--plan", action="store_true", help="show what it would do, and do nothing")
        parser.add_argument(
            "--wait", nargs="?", type=float, const=math.inf, metavar="SECONDS",
            help="wait for its end, at most so long",
        )  # fmt: skip
        add_json(parser)
        parser.set_defaults(act=self.operate)

    def operate(self, options: Options) -> Exit:
        self.signed_in()
        kinds.get(options["kind"])
        database = self.database_called(options["name"])
        given = self.brought(options["kind"], database, settings_from(options["set"]))
        secrets = {"identity": sys.stdin.read()} if options["identity_stdin"] else {}
        if options["plan"]:
            return self.preview(options["kind"], database, given, secrets)
        return self.ask(database, given, secrets, options)

    def brought(self, kind: str, database: Database, given: dict[str, str]) -> Mapping[str, str]:
        """The settings, once files of this machine that they name were read, and inspected by a worker."""
        errand = kinds.get(kind).bring(database, given, self.signed_in(), self.token)
        if errand.first is None:
            return errand.parameters
        if nobody_works():
            again = " ".join(f"--set {name}={value}" for name, value in errand.parameters.items() if value)
            raise Refused(
                "no_worker",
                f"No worker was seen lately, and {errand.first} needs one before anything can be planned.",
                f"Start one (make run, or manage.py worker), then ask with {again}.",
            )
        self.stderr.write(errand.first.plan.summary)
        ended = wait_for(errand.first, math.inf)
        if ended.state != State.SUCCEEDED:
            raise OperationFailed(ended.failure_code or ended.state, operation_sentence(ended))
        return errand.parameters

    def preview(self, kind: str, database: Database, given: Mapping[str, str], secrets: Mapping[str, str]) -> Exit:
        plan = operations.draft(kind, database, given, account=self.signed_in(), secrets=secrets)
        facts: dict[str, Any] = {
            "id": None, "kind": kind, "database": database.name, "state": "draft", "digest": plan.digest, "url": None,
            "result": {}, "plan": json.loads(plan.to_bytes()),
        }  # fmt: skip
        self.answer(facts, plan_text(plan))
        return Exit.OK

    def ask(self, database: Database, given: Mapping[str, str], secrets: Mapping[str, str], options: Options) -> Exit:
        operation = operations.request(
            options["kind"], database, given, account=self.signed_in(), token=self.token, reason=options["reason"],
            confirm=options["confirm"], secrets=secrets,
        )  # fmt: skip
        if operation.state == State.QUEUED and nobody_works():
            self.warn("No worker was seen lately, so it stays queued until one starts (make run, or manage.py worker).")
        if options["wait"] is None:
            return self.answer_operation(operation)
        if operation.state == State.PENDING_APPROVAL:
            self.stderr.write(f"Operation {operation.id} waits for approval.")
        return self.answer_ending(wait_for(operation, options["wait"]))


class AsWritten(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Leaves the lines of the list of settings as they are."""


def settings_of(kind: Kind | None) -> str:
    """What may be set, for `--help`: of every kind by name, of one kind in full."""
    if kind is None:
        named = [(each.name, ", ".join(one.name for one in each.parameters)) for each in kinds.every()]
        heading = "settings of each kind (manage.py operate KIND --help explains them):"
    else:
        named = [(each.name, _explained(each)) for each in kind.parameters]
        heading = f"settings of {kind.name}:"
    width = max((len(name) for name, _ in named), default=0)
    return "\n".join([heading, *(f"  {name:{width}}  {words}".rstrip() for name, words in named)])


def _explained(parameter: Parameter) -> str:
    choices = " or ".join(value for value, _ in parameter.choices if value)
    more = [parameter.help or parameter.label, choices, f"{parameter.default} unless told" if parameter.default else ""]
    return "; ".join(filter(None, more))


def settings_from(pairs: list[str]) -> dict[str, str]:
    """`["format=native"]` as a mapping. Raises Usage for a pair without = and for a key given twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key or key in found:
            raise Usage(
                "bad_setting", f"--set {pair} is not KEY=VALUE, or repeats a key.", "Write --set format=native."
            )
        found[key] = value
    return found
