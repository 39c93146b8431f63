"""`manage.py keys status|rotate|trust|age`: which keys the console has, replacing them, and those of backups.

A rotation that was stopped half way goes on when the same command is given again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings

from opsconsole import age_keys, audit, operations, rotation
from opsconsole.exceptions import Refused, Usage
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, table
from opsconsole.models import TrustedKey
from opsconsole.permissions import can

WHICH = ("audit", "manifest", "secret", "fields")
FINISHED = "The older {} keys are gone: {}."

TRUST = 'manage.py keys trust manifest.pub --label "the old console" --reason "it is replaced"'


class Command(ConsoleCommand):
    help = "Show the console's keys, or replace them."

    def add_arguments(self, parser: Any) -> None:
        verbs = self.verbs(parser)
        self.verb(verbs, "status", self.status, "which keys there are, and what still needs an older one")
        rotating = self.verb(verbs, "rotate", self.rotate, "replace a key, or go on with it")
        rotating.add_argument("which", choices=WHICH)
        rotating.add_argument("--finish", action="store_true", help="drop older keys (secret, fields)")
        rotating.add_argument("--end-sessions", action="store_true", help="with secret --finish: log people out")

        age = verbs.add_parser("age", help="private keys of age that open encrypted backups").add_subparsers(
            dest="which", required=True
        )
        self.verb(age, "list", self.age_list, "the private keys that the console keeps, by their public ones")
        for name, act, words in (
            ("generate", self.age_generate, "make a private key and keep it; prints the public one"),
            ("add", self.age_add, "keep a private key, read from standard input or a file of age-keygen"),
            ("remove", self.age_remove, "remove a private key; refused while something listed needs it"),
        ):
            self.verb(age, name, act, words).add_argument("name", help="what the key is called here")
        age.choices["add"].add_argument(
            "--file", default="", metavar="PATH", help="the file, instead of standard input"
        )
        age.choices["remove"].add_argument(
            "--although-needed", action="store_true", help="although backups are encrypted for it"
        )
        trusting = self.verb(verbs, "trust", self.trust, "ask for another console's backups to be believed", TRUST)
        trusting.add_argument("file", type=Path, help="its file keys/manifest.pub")
        trusting.add_argument("--label", required=True, help="which console it is, for people")
        trusting.add_argument("--reason", default="")

    def trust(self, options: Options) -> Exit:
        try:
            with options["file"].open() as file:
                lines = [line.strip() for line in file.read(1 << 16).splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            why = f"{options['file']} cannot be read ({type(error).__name__})."
            raise Usage("bad_key", why, "Give the file keys/manifest.pub of the other console.") from None
        known = set(TrustedKey.objects.values_list("line", flat=True))
        fresh = [line for line in lines if line not in known]
        if len(fresh) != 1:
            raise Usage(
                "bad_key", f"The file holds {len(fresh)} keys that are not trusted yet; one is asked for at a time.",
                "Give a file with one line, that of the key that signed the backups.",
            )  # fmt: skip
        given = {"line": fresh[0], "label": options["label"]}
        operation = operations.request_change("key.trust", given, account=self.account, reason=options["reason"])
        return self.answer_operation(operation)

    def status(self, options: Options) -> Exit:
        found = rotation.status()
        rows = [(each.which, each.current, ", ".join(each.older) or "none", each.open) for each in found]
        self.answer({"keys": [each.as_dict() for each in found]}, table(("key", "in use", "older", ""), rows))
        return Exit.OK

    def rotate(self, options: Options) -> Exit:
        self._administrators_only()
        which = str(options["which"])
        if options["finish"]:
            return self._finish(which, options["end_sessions"])
        if which == "fields":
            return self._fields()
        key = rotation.ROTATE[which]()
        more = " Restart the console for it to be used." if which == "secret" else ""
        self.answer({"key": which, "current": key}, f"The {which} key is {key} now.{more}")
        return Exit.OK

    def age_list(self, options: Options) -> Exit:
        keys = age_keys.kept(settings.OPSCONSOLE_HOME)
        facts = [{"name": key.name, "public_key": key.public_key} for key in keys]
        text = table(("name", "public key"), [(key.name, key.public_key) for key in keys])
        self.answer({"keys": facts}, text if keys else "The console keeps none.")
        return Exit.OK

    def age_generate(self, options: Options) -> Exit:
        self._administrators_only()
        return self._kept(age_keys.generate(settings.OPSCONSOLE_HOME, options["name"]))

    def age_add(self, options: Options) -> Exit:
        self._administrators_only()
        try:
            text = Path(options["file"]).read_text() if options["file"] else sys.stdin.read()
        except (OSError, UnicodeDecodeError):
            raise Usage("no_file", f"{options['file']} cannot be read.", "Name a file of age-keygen.") from None
        return self._kept(age_keys.keep(settings.OPSCONSOLE_HOME, options["name"], text))

    def age_remove(self, options: Options) -> Exit:
        self._administrators_only()
        key = age_keys.find(settings.OPSCONSOLE_HOME, options["name"])
        needed = age_keys.forget(settings.OPSCONSOLE_HOME, key, although_needed=options["although_needed"])
        told = {"public_key": key.public_key, "needed": len(needed)}
        audit.record("keys.age_removed", subject=f"age key {key.name}", data=told)
        self.answer({"name": key.name, **told}, f"The key {key.name} is gone from this console.")
        return Exit.OK

    def _kept(self, key: age_keys.Kept) -> Exit:
        audit.record("keys.age_kept", subject=f"age key {key.name}", data={"public_key": key.public_key})
        facts = {"name": key.name, "public_key": key.public_key}
        self.answer(facts, f"The console keeps the key {key.name}. Its public key: {key.public_key}")
        return Exit.OK

    def _administrators_only(self) -> None:
        if self.account is not None and not can(self.account, "administer"):
            raise Refused("not_allowed", "Keys are replaced by an administrator.", "Ask an administrator.")

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
