"""`manage.py person add|list`: who may log in, and what they may do."""

from __future__ import annotations

from django.core.management.base import CommandParser

from opsconsole import operations, people
from opsconsole.exceptions import Usage
from opsconsole.management.console_command import ConsoleCommand, Options, password_from
from opsconsole.management.reporting import Exit, table
from opsconsole.models import Account, Role

ADD = 'manage.py person add ada --email ada@example.test --groups engineers --reason "she joins us"'


class Command(ConsoleCommand):
    help = "Add people and list them."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        adding = self.verb(
            verbs, "add", self.add, "add a login; an e-mail address that is known makes it that person's", ADD
        )
        adding.add_argument("name", help="the login, like ada")
        adding.add_argument("--email", default="", help="says who it is")
        adding.add_argument("--groups", default="", help=f"separated by commas: {', '.join(Role.values)}")
        adding.add_argument("--owner-group", default="default", help="the team within which the groups count")
        adding.add_argument("--full-name", default="", help="how others see this person (default: the login)")
        adding.add_argument("--service-of", default="", metavar="LOGIN", help="make it a service that this person owns")
        adding.add_argument(
            "--superuser", action="store_true", help="may look at every list of the admin; votes nowhere"
        )
        adding.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
        adding.add_argument("--reason", default="")
        self.verb(verbs, "list", self.list, "everybody who may log in")

    def add(self, options: Options) -> Exit:
        if options["service_of"]:
            given = {"login": options["name"], "name": options["full_name"], "service_owner": options["service_of"]}
            return self._ask({key: value for key, value in given.items() if value}, "", options)
        if not options["email"]:
            raise Usage("missing_value", "A person is known by an e-mail address.", "Add --email.")
        made = "" if options["password_stdin"] else people.one_time_password()
        given = {
            "login": options["name"], "email": options["email"], "owner_group": options["owner_group"],
            "roles": sorted({word.strip() for word in options["groups"].split(",") if word.strip()}),
            "password": made or password_from(options, ""), "must_change": bool(made),
            "superuser": options["superuser"], "name": options["full_name"] or options["name"],
        }  # fmt: skip
        return self._ask(given, made, options)

    def list(self, options: Options) -> Exit:
        rows = Account.objects.select_related("person__owner").prefetch_related("person__memberships__owner_group")
        facts = [person_facts(account) for account in rows.order_by("username")]
        shown = ("login", "name", "email", "groups", "active")
        self.answer({"people": facts}, table(shown, [[_words(fact[name]) for name in shown] for fact in facts]))
        return Exit.OK

    def _ask(self, given: dict[str, object], one_time_password: str, options: Options) -> Exit:
        operation = operations.request_change("person.add", given, account=self.account, reason=options["reason"])
        more = {"login": options["name"]}
        if one_time_password:
            more["password"] = one_time_password
        code = self.answer_operation(operation, **more)
        if one_time_password and not self.as_json and code in (Exit.OK, Exit.WAITS):
            self.stdout.write(f"One-time password, to be changed at the first login: {one_time_password}")
        return code


def person_facts(account: Account) -> dict[str, object]:
    """What `--json` says of a login."""
    person = account.person
    return {
        "login": account.username, "name": person.name, "email": person.email, "active": account.is_active,
        "groups": sorted(f"{member.role}@{member.owner_group.name}" for member in person.memberships.all()),
        "service_of": person.owner.name if person.owner else None, "must_change_password": account.must_change_password,
        "superuser": account.is_superuser, "last_login": account.last_login,
    }  # fmt: skip


def _words(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else value
