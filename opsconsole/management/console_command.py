"""The base of the console's commands: verbs, `--json`, who acts, and refusals told alike everywhere."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import OperationalError, ProgrammingError

from opsconsole import audit, operations
from opsconsole.exceptions import OpsError, Refused, Usage
from opsconsole.management.reporting import (
    Exit,
    as_line,
    exit_for,
    exit_for_error,
    for_terminal,
    operation_facts,
    operation_sentence,
)
from opsconsole.models import Account, Database, Operation, Token
from opsconsole.permissions import visible_databases
from opsconsole.tokens import owner_of
from opsconsole.triggers import refusals

Options = Mapping[str, Any]
TOKEN_VARIABLE = "OPSCONSOLE_TOKEN"  # noqa: S105 - the variable's name


class VerbParser(CommandParser):
    """The words of one verb: a call that lacks some ends with a whole example, where the verb has one."""

    def error(self, message: str) -> Any:
        example = self.get_default("example")
        return super().error(f"{message}\nFor example: {example}" if example else message)


class ConsoleCommand(BaseCommand):
    """A command is a table of verbs (`add_arguments` calls `verb`), or one act (`set_defaults(act=self.method)`).

    An act gets the options and gives back an `Exit`. With OPSCONSOLE_TOKEN set, the token's owner acts; without it,
    the operating system's user does, as `system:NAME`.
    """

    requires_system_checks = ["opsconsole"]  # insecure production settings stop every command, nothing slower does
    takes_narrowed_tokens = False  # a command that says so asks `tokens.allows`
    account: Account | None = None
    token: Token | None = None
    as_json = False
    example = ""

    def verbs(self, parser: CommandParser) -> Any:
        """The table of a command's verbs, for `verb`."""
        return parser.add_subparsers(dest="verb", required=True, parser_class=VerbParser)

    def verb(
        self, verbs: Any, name: str, act: Callable[[Options], Exit], help: str, example: str = ""
    ) -> ArgumentParser:
        """One verb of the command; it takes --json. `example` is a whole call, shown to whoever leaves words out."""
        parser: ArgumentParser = verbs.add_parser(name, help=help, description=help)
        parser.set_defaults(act=act, example=example)
        parser.epilog = f"For example: {example}" if example else None
        add_json(parser)
        return parser

    def handle(self, *args: Any, **options: Any) -> None:
        self.as_json, self.example = options["json"], options.get("example", "")
        try:
            with self._acting(), refusals():
                code = options["act"](options)
        except OpsError as error:
            code = self._refused(error)
        except (OperationalError, ProgrammingError) as error:
            code = self._refused(not_ready(error))
        except KeyboardInterrupt:
            self.stderr.write("\nStopped looking; what was asked for goes on by itself.")
            code = Exit.NOT_FINISHED
        if code is not Exit.OK:
            sys.exit(int(code))

    def answer(self, facts: Mapping[str, Any], text: str) -> None:
        """Say the outcome once: as one JSON object, or as text."""
        self.stdout.write(as_line(facts) if self.as_json else for_terminal(text))

    def warn(self, sentence: str) -> None:
        """A warning, on standard error, so that standard output stays one answer."""
        self.stderr.write(self.style.WARNING(f"Warning: {sentence}"))

    def ask_for_change(self, action: str, parameters: Mapping[str, Any], options: Options) -> Exit:
        """Ask for a change of something that has a name; what speaks against it is said, and does not stop it."""
        warnings = parameters.get("warnings", [])
        for warning in warnings:
            self.warn(warning)
        operation = operations.request_change(action, parameters, account=self.account, reason=options["reason"])
        return self.answer_operation(operation, name=options["name"], warnings=warnings)

    def answer_operation(self, operation: Operation, **more: Any) -> Exit:
        """Say what became of what was asked for, and how the command ends when nobody waits."""
        self.answer({**operation_facts(operation), **more}, operation_sentence(operation))
        return exit_for(operation, waited=False)

    def answer_ending(self, operation: Operation) -> Exit:
        """Say how an operation ended, or that it has not, and how the command ends."""
        self.answer(operation_facts(operation), operation_sentence(operation))
        return exit_for(operation, waited=True)

    def signed_in(self) -> Account:
        """The token's owner. Raises Refused without a token."""
        if self.account is None:
            raise Refused(
                "token_needed", "This is done in a person's name, so it needs that person's token.",
                f"Make one with `manage.py token create PERSON --name NAME` and set {TOKEN_VARIABLE} to it.",
            )  # fmt: skip
        return self.account

    def database_called(self, name: str) -> Database:
        """The database of that name, among those the actor may see. Raises Usage with the list of what there is."""
        if self.account is not None:
            rows = visible_databases(self.account)
        else:
            rows = Database.objects.filter(removed_at=None).select_related("environment", "owner_group")
        if self.token is not None and self.token.databases:
            rows = rows.filter(name__in=self.token.databases)
        found = rows.filter(name=name).first()
        if found is None:
            listed = ", ".join(rows.order_by("name").values_list("name", flat=True)) or "none yet"
            raise Usage("unknown_database", f"There is no database called {name}.", f"There are: {listed}.")
        return found

    @contextmanager
    def _acting(self) -> Iterator[None]:
        text = os.environ.get(TOKEN_VARIABLE, "")
        if not text:
            yield
            return
        self.account, self.token = owner_of(text)
        if self.token.is_narrowed and not self.takes_narrowed_tokens:
            raise Refused(
                "token_narrowed", f"The token {self.token} is for looking, or for some databases, only.",
                "Use a token that may do all that its owner may, or ask the HTTP API.",
            )  # fmt: skip
        with audit.acting_as(audit.actor_for(self.account, kind="cli", auth="token")):
            yield

    def _refused(self, error: OpsError) -> Exit:
        if error.code == "missing_value" and self.example:
            error.next_step = f"{error.next_step} For example: {self.example}".strip()
        if self.as_json:
            self.stdout.write(as_line(error.as_dict()))
        else:
            next_step = f"\n{for_terminal(error.next_step)}" if error.next_step else ""
            self.stderr.write(self.style.ERROR(for_terminal(error.why)) + next_step)
        return exit_for_error(error)


def add_json(parser: ArgumentParser | CommandParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def password_from(options: Options, prompt: str) -> str:
    """A password from standard input (--password-stdin), else asked for on the terminal without showing it."""
    if options["password_stdin"]:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Usage(
            "password_needed", "A password is needed and there is no terminal to ask on.", "Use --password-stdin."
        )
    return getpass(prompt)


def not_ready(error: Exception) -> OpsError:
    text = str(error).lower()
    if "no such table" in text or "does not exist" in text or "no such column" in text:
        return Refused(
            "not_migrated",
            "The console's own database is not set up, or not for this version.",
            "Run: manage.py migrate",
        )
    return OpsError(
        "console_database",
        f"The console's own database cannot be used: {type(error).__name__}.",
        "Check DATABASE_URL, and that the server runs.",
    )
