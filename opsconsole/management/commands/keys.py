"""`manage.py keys status|rotate`: which keys the console has, and replacing them.

A rotation that was stopped half way goes on when the same command is given again.
"""

from __future__ import annotations

from typing import Any

from opsconsole import rotation
from opsconsole.exceptions import Refused, Usage
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, table
from opsconsole.permissions import can

WHICH = ("audit", "manifest", "secret", "fields")
FINISHED = "The older {} keys are gone: {}."


class Command(ConsoleCommand):
    help = "Show the console's keys, or replace them."

    def add_arguments(self, parser: Any) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        self.verb(verbs, "status", self.status, "which keys there are, and what still needs an older one")
        rotating = self.verb(verbs, "rotate", self.rotate, "replace a key, or go on with it")
        rotating.add_argument("which", choices=WHICH)
        rotating.add_argument("--finish", action="store_true", help="drop older keys (secret, fields)")
        rotating.add_argument("--end-sessions", action="store_true", help="with secret --finish: log people out")

    def status(self, options: Options) -> Exit:
        found = rotation.status()
        rows = [(each.which, each.current, ", ".join(each.older) or "none", each.open) for each in found]
        self.answer({"keys": [each.as_dict() for each in found]}, table(("key", "in use", "older", ""), rows))
        return Exit.OK

    def rotate(self, options: Options) -> Exit:
        if self.account is not None and not can(self.account, "administer"):
            raise Refused("not_allowed", "Keys are replaced by an administrator.", "Ask an administrator.")
        which = str(options["which"])
        if options["finish"]:
            return self._finish(which, options["end_sessions"])
        if which == "fields":
            return self._fields()
        key = rotation.ROTATE[which]()
        more = " Restart the console for it to be used." if which == "secret" else ""
        self.answer({"key": which, "current": key}, f"The {which} key is {key} now.{more}")
        return Exit.OK

    def _fields(self) -> Exit:
        asked = rotation.rotate_fields(self.account)
        if asked is not None:
            return self.answer_operation(asked)
        standing = next(each for each in rotation.status() if each.which == "fields")
        done = f"Every stored secret is under the field key {standing.current}."
        self.answer(standing.as_dict(), f"{done} Drop older ones with --finish." if standing.older else done)
        return Exit.OK

    def _finish(self, which: str, end_sessions: bool) -> Exit:
        if which == "secret":
            gone = rotation.finish_secret(end_sessions=end_sessions)
        elif which == "fields":
            gone = rotation.finish_fields()
        else:
            raise Usage(
                "nothing_to_finish", f"The {which} key is replaced in one go; public halves of older ones are kept.", ""
            )
        self.answer({"key": which, "gone": gone}, FINISHED.format(which, ", ".join(gone)))
        return Exit.OK
