"""`manage.py shape show|set`: what a database has, or its migrations make, as the rule that expects it."""

from __future__ import annotations

from django.core.management.base import CommandParser

from integrity.rules import taking
from integrity.rules.in_force import ACTION
from integrity.rules.kinds.shape import counted
from integrity.rules.requested import as_json
from opsconsole import operations
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, as_line


class Command(ConsoleCommand):
    help = "Print the shape of a database, or of its migrations, as a rule, or ask for it to be expected from now on."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        showing = self.verb(verbs, "show", self.show, "print the rule, as an import of rules reads it")
        setting = self.verb(verbs, "set", self.set, "ask for the rule to be set; another person confirms it")
        setting.add_argument("--like", help="take the shape of this database, such as one that was migrated for it")
        setting.add_argument("--reason", default="")
        for verb in (showing, setting):
            verb.add_argument("database")
            verb.add_argument(
                "--migrations",
                action="store_true",
                help="what its migrations make, by its newest rehearsal from nothing",
            )

    def show(self, options: Options) -> Exit:
        database = self.database_called(options["database"])
        taken = taking.take_head(database)[0] if options["migrations"] else taking.take(database)
        rule = as_json(taken)
        self.answer({"rules": [rule]}, as_line({"rules": [rule]}))
        return Exit.OK

    def set(self, options: Options) -> Exit:
        database = self.database_called(options["database"])
        source = self.database_called(options["like"] or options["database"])
        taking.refuse_other(database, source)
        from_head = options["migrations"]
        rule = taking.take_head(database)[0] if from_head else taking.take(source)
        for sentence in taking.differences(rule, database) if from_head or source != database else ():
            self.warn(sentence)
        asked = operations.request_change(
            ACTION, taking.asked_for(rule, database), account=self.account, reason=options["reason"]
        )
        return self.answer_operation(asked, expects=counted(rule.spec))
