"""`manage.py createsuperuser`: in place of Django's. A superuser is an administrator like others, added like others."""

from __future__ import annotations

import os

from django.core.management.base import CommandParser

from opsconsole import operations, people
from opsconsole.exceptions import Usage
from opsconsole.management.console_command import ConsoleCommand, Options, add_json, password_from
from opsconsole.management.reporting import Exit
from opsconsole.models import Role


class Command(ConsoleCommand):
    help = (
        "Ask for an administrator who is also Django's superuser, which adds no vote and no skip. "
        "Once the console is set up, somebody else confirms it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--username", default=os.environ.get("DJANGO_SUPERUSER_USERNAME", ""), help="the login")
        parser.add_argument("--email", default=os.environ.get("DJANGO_SUPERUSER_EMAIL", ""), help="says who it is")
        parser.add_argument("--noinput", "--no-input", action="store_false", dest="interactive", help="never ask")
        parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        parser.add_argument("--reason", default="")
        add_json(parser)
        parser.set_defaults(act=self.create)

    def create(self, options: Options) -> Exit:
        if not options["username"] or not options["email"]:
            raise Usage("missing_value", "A login and an e-mail address are needed.", "Add --username and --email.")
        given = password_from(options, "") if options["password_stdin"] else os.environ.get("DJANGO_SUPERUSER_PASSWORD")
        made = "" if given else people.one_time_password()
        wanted = {
            "login": options["username"], "email": options["email"], "roles": [Role.ADMINISTRATOR.value],
            "superuser": True, "password": given or made, "must_change": bool(made),
        }  # fmt: skip
        operation = operations.request_change("person.add", wanted, account=self.account, reason=options["reason"])
        code = self.answer_operation(operation, login=options["username"], **({"password": made} if made else {}))
        if made and not self.as_json and code in (Exit.OK, Exit.WAITS):
            self.stdout.write(f"One-time password, to be changed at the first login: {made}")
        return code
