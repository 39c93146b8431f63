"""`manage.py changepassword LOGIN`: in place of Django's, which would set somebody's password without a trace."""

from __future__ import annotations

from django.core.management.base import CommandParser

from opsconsole import operations, people
from opsconsole.management.console_command import ConsoleCommand, Options, add_json, password_from
from opsconsole.management.reporting import Exit


class Command(ConsoleCommand):
    help = "Ask for a new password for somebody's login; once the console is set up, somebody else confirms it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("login", help="whose password; one's own is changed in the browser")
        parser.add_argument("--password-stdin", action="store_true", help="read it from standard input")
        parser.add_argument("--reason", default="")
        add_json(parser)
        parser.set_defaults(act=self.change)

    def change(self, options: Options) -> Exit:
        made = "" if options["password_stdin"] else people.one_time_password()
        given = {"login": options["login"], "password": made or password_from(options, ""), "must_change": bool(made)}
        operation = operations.request_change(
            "account.reset_password", given, account=self.account, reason=options["reason"]
        )
        code = self.answer_operation(operation, login=options["login"], **({"password": made} if made else {}))
        if made and not self.as_json and code in (Exit.OK, Exit.WAITS):
            when = "Once it is confirmed, the" if code is Exit.WAITS else "The"
            self.stdout.write(f"{when} one-time password, to be changed at the next login: {made}")
        return code
