"""`manage.py database add|list|check|note|edit|remove`: the databases that the console manages."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import CommandParser

from opsconsole import databases
from opsconsole.databases import registration
from opsconsole.exceptions import Refused, Usage
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, table
from opsconsole.models import Database
from opsconsole.permissions import can, visible_databases

ADD = 'manage.py database add savings --url-env SAVINGS_URL --environment staging --reason "it is new"'


class Command(ConsoleCommand):
    help = "Register, list, test and annotate managed databases."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        adding = self.verb(verbs, "add", self.add, "register a database", ADD)
        adding.add_argument("name", help="what it is called here: small letters, digits, - and _")
        where = adding.add_mutually_exclusive_group(required=True)
        _add_whereabouts(where)
        adding.add_argument("--environment", required=True, help="development, testing, staging, demo, production, ...")
        adding.add_argument("--owner-group", default="default", help="the team that owns it")
        adding.add_argument("--queue", default="default", help="the queue whose workers serve it")
        adding.add_argument("--tag", action="append", default=[], help="may be given several times")
        adding.add_argument("--reason", default="")
        self.verb(verbs, "list", self.list, "what is registered")
        self.verb(verbs, "check", self.test_connection, "say precisely what works and what does not").add_argument(
            "name"
        )
        noting = self.verb(verbs, "note", self.note, "write a dated note into its history")
        noting.add_argument("name")
        noting.add_argument("text")
        editing = self.verb(verbs, "edit", self.edit, "change its settings; only what is given changes")
        editing.add_argument("name")
        _add_whereabouts(editing.add_mutually_exclusive_group())
        editing.add_argument("--environment")
        editing.add_argument("--owner-group")
        editing.add_argument("--queue")
        editing.add_argument("--tag", action="append", dest="tags")
        editing.add_argument(
            "--mask", action="append", dest="masked_columns", metavar="COLUMN", help="never show its values"
        )
        editing.add_argument("--guard", action="append", dest="guarded_tables", metavar="TABLE")
        editing.add_argument(
            "--target-hours", help="how old its newest good backup may become; 0: as its environment has it"
        )
        editing.add_argument("--reason", default="")
        removing = self.verb(verbs, "remove", self.remove, "stop managing it; its history stays")
        removing.add_argument("name")
        removing.add_argument("--reason", default="")

    def add(self, options: Options) -> Exit:
        self._refuse_strangers()
        parameters = registration.addition(
            options["name"], url=_url(options), url_env=options["url_env"] or "", environment=options["environment"],
            owner_group=options["owner_group"], queue=options["queue"], tags=options["tag"],
        )  # fmt: skip
        return self.ask_for_change("database.add", parameters, options)

    def edit(self, options: Options) -> Exit:
        self._refuse_strangers()
        database = self.database_called(options["name"])
        changes = {field: options[field] for field in registration.EDITABLE if options[field] is not None}
        parameters = registration.edition(database, changes, url=_url(options), url_env=options["url_env"] or "")
        return self.ask_for_change("database.edit", parameters, options)

    def remove(self, options: Options) -> Exit:
        return self.ask_for_change(
            "database.remove", registration.removal(self.database_called(options["name"])), options
        )

    def list(self, options: Options) -> Exit:
        rows = Database.objects.filter(removed_at=None).select_related("environment", "owner_group")
        facts = [database_facts(row) for row in (visible_databases(self.account) if self.account else rows)]
        shown = ("name", "environment", "engine", "version", "url", "owner_group", "problem")
        self.answer({"databases": facts}, table(shown, [[fact[name] for name in shown] for fact in facts]))
        return Exit.OK

    def test_connection(self, options: Options) -> Exit:
        database = self.database_called(options["name"])
        checks = databases.check(database)
        wrong = [line for line in checks if not line.ok]
        facts = {
            **database_facts(database), "ok": not wrong, "class": wrong[0].code if wrong else "ok",
            "checks": [{"class": c.code, "ok": c.ok, "detail": c.detail, "next": c.next_step} for c in checks],
        }  # fmt: skip
        lines = [f"{'ok' if c.ok else 'WRONG'}  {c.code}: {c.detail} {c.next_step}".rstrip() for c in checks]
        self.answer(
            facts, "\n".join([f"{database.name}: {database.display}", f"identity: {database.identity or '-'}", *lines])
        )
        return Exit.FAILED if wrong else Exit.OK

    def note(self, options: Options) -> Exit:
        note = databases.write_note(self.database_called(options["name"]), options["text"], account=self.account)
        facts = {"database": options["name"], "at": note.at, "author": note.author_name, "text": note.text}
        self.answer(facts, f"Noted in the history of {options['name']}.")
        return Exit.OK

    def _refuse_strangers(self) -> None:
        """Before a target is asked anything: the console connects to what administrators name, and nobody else."""
        if self.account is not None and not can(self.account, "administer"):
            raise Refused("not_allowed", "Databases are registered and changed by administrators.", "Ask one of them.")


def database_facts(database: Database) -> dict[str, Any]:
    """What `--json` says of a database; nothing of it is secret."""
    return {
        "name": database.name, "engine": database.engine, "url": database.display, "url_env": database.url_env,
        "environment": database.environment.name, "protected": databases.protected(database),
        "owner_group": database.owner_group.name, "queue": database.queue, "tags": database.tags,
        "identity": database.identity, "version": database.server_version, "seen_at": database.seen_at,
        "problem": database.problem,
    }  # fmt: skip


def _add_whereabouts(group: Any) -> None:
    group.add_argument("--url", help="its URL, without a password")
    group.add_argument("--url-env", metavar="VARIABLE", help="the environment variable that holds its URL")
    group.add_argument("--url-stdin", action="store_true", help="read its URL from standard input")


def _url(options: Options) -> str:
    """The URL given, if any. Raises Usage for a password on the command line, where others can read it."""
    if options["url_stdin"]:
        url = sys.stdin.readline().strip()
        if not url:
            raise Usage("url_needed", "There is no URL on standard input.", "Pipe one line into the command.")
        return url
    if options["url"] and registration.has_password(options["url"]):
        raise Usage(
            "password_in_argv", "A password on the command line can be read by everybody on this machine.",
            "Use --url-stdin, or --url-env with the name of a variable that holds the URL.",
        )  # fmt: skip
    return options["url"] or ""
