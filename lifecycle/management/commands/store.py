"""`manage.py store list|add|edit|retire|check|rebuild`: where backups lie, and listing what lies there."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from lifecycle.backups import catalogue
from lifecycle.models import BackupCopy
from lifecycle.stores.changes import REBUILD, renames
from opsconsole import operations, stores
from opsconsole.exceptions import Refused, Usage
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, table
from opsconsole.models import Environment, Store
from opsconsole.permissions import can
from opsconsole.stores import asking, checking

SHOWN = ("name", "kind", "where", "writable", "default", "environments", "copies", "state", "checked_at")

ADD = 'manage.py store add attic --kind folder --path /srv/attic --reason "a second place"'


class Command(ConsoleCommand):
    help = "Say where backups lie, try it, and list what lies there."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        self.verb(verbs, "list", self.list, "the stores, and what was found when they were last tried")
        adding = self.verb(verbs, "add", self.add, "ask for a store more", ADD)
        adding.add_argument("name", help="what it is called here: small letters, digits, - and _")
        adding.add_argument("--kind", choices=Store.Kind.values, required=True)
        _add_settings(adding)
        editing = self.verb(verbs, "edit", self.edit, "ask for other settings; only what is given changes")
        editing.add_argument("name")
        _add_settings(editing)
        retiring = self.verb(verbs, "retire", self.retire, "ask for it not to be used any more; what lies there stays")
        retiring.add_argument("name")
        retiring.add_argument("--reason", default="")
        checking_one = self.verb(verbs, "check", self.check_one, "say precisely what works and what does not")
        checking_one.add_argument("name")
        rebuilding = self.verb(verbs, "rebuild", self.rebuild, "list what lies in it and is not listed here")
        rebuilding.add_argument("name")
        rebuilding.add_argument("--as", action="append", dest="renamed", default=[], metavar="THEIRS=OURS",
                                help="a database that has another name here; may be given several times")  # fmt: skip
        rebuilding.add_argument("--dry-run", action="store_true", help="only say what would be listed, and what not")
        rebuilding.add_argument("--reason", default="")

    def list(self, options: Options) -> Exit:
        facts = [_facts_of(name) for name in stores.known()]
        rows = [[_word(fact[name]) for name in SHOWN] for fact in facts]
        self.answer({"stores": facts}, table(SHOWN, rows))
        return Exit.OK

    def add(self, options: Options) -> Exit:
        self._refuse_strangers()
        keys = _credentials(options)
        given = _given(options) | {"kind": options["kind"]}
        return self.ask_for_change("store.add", asking.addition(options["name"], given, **keys), options)

    def edit(self, options: Options) -> Exit:
        self._refuse_strangers()
        row, keys = stores.row_called(options["name"]), _credentials(options)
        return self.ask_for_change("store.edit", asking.edition(row, _given(options), **keys), options)

    def retire(self, options: Options) -> Exit:
        self._refuse_strangers()
        return self.ask_for_change("store.retire", asking.retirement(stores.row_called(options["name"])), options)

    def check_one(self, options: Options) -> Exit:
        self._refuse_strangers()
        if options["name"] != stores.LOCAL:
            stores.row_called(options["name"])
        found = checking.check(options["name"])
        lines = [f"{found.name}: {found.code}", *(f"  {note}" for note in found.notes)]
        if found.code != "ok":
            lines.append(f"  {found.why} {found.next_step}".rstrip())
        else:
            doubles = {True: "yes", False: "no", None: "not tried"}[found.refuses_doubles]
            free = f"{found.free_bytes >> 20} MiB" if found.free_bytes is not None else "not known"
            lines.append(f"  conditional put: {doubles}; free: {free}; unfinished uploads: {found.unfinished}")
        self.answer(checking.as_json(found), "\n".join(lines))
        return Exit.OK if found.code == "ok" else Exit.FAILED

    def rebuild(self, options: Options) -> Exit:
        self._refuse_strangers()
        name = options["name"]
        if not options["dry_run"]:
            given = {"store": name, "renamed": options["renamed"]}
            operation = operations.request_change(REBUILD, given, account=self.account, reason=options["reason"])
            return self.answer_operation(operation, store=name)
        entries = catalogue.look(name, renames(options["renamed"]))
        rows = [[e.folder, e.state, e.database, f"{e.reason} {e.next_step}".strip()] for e in entries]
        self.answer(
            {"store": name, "entries": [catalogue.as_json(entry) for entry in entries]},
            table(("folder", "state", "database", "why"), rows),
        )
        return Exit.OK

    def _refuse_strangers(self) -> None:
        """Before a server is asked anything: the console connects to what administrators name, and nobody else."""
        if self.account is not None and not can(self.account, "administer"):
            raise Refused("not_allowed", "Stores are looked after by administrators.", "Ask one of them.")


def _facts_of(name: str) -> dict[str, Any]:
    """What `--json` says of a store; nothing of it is secret."""
    row = None if name == stores.LOCAL else stores.row_called(name)
    copies = BackupCopy.objects.filter(store=name).exclude(state=BackupCopy.State.MISSING).count()
    used = [each.name for each in Environment.objects.all() if name in stores.names_for(each)]
    common = {"name": name, "environments": used, "copies": copies}
    if row is None:
        return common | {"kind": "folder", "where": "OPSCONSOLE_STORE", "writable": True, "default": False,
                         "state": "ok", "checked_at": None, "facts": {}, "problem": {}}  # fmt: skip
    state = "not tried" if row.checked_at is None else row.problem.get("class", "ok")
    return common | {
        "kind": row.kind, "where": row.display, "writable": row.writable, "default": row.is_default, "state": state,
        "checked_at": row.checked_at, "facts": row.facts, "problem": row.problem,
    }  # fmt: skip


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(value) or "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return str(value) if value is not None else "-"


def _add_settings(parser: ArgumentParser) -> None:
    parser.add_argument("--path", help="of a folder")
    parser.add_argument("--endpoint", help="https://HOST[:PORT]; none: AWS itself")
    parser.add_argument("--region", help="of the bucket; many services take us-east-1 or auto")
    parser.add_argument("--bucket")
    parser.add_argument("--prefix", help="the folder in the bucket that is this console's own")
    parser.add_argument("--virtual-host", action="store_false", dest="path_style", default=None,
                        help="the bucket is part of the host name (AWS takes both)")  # fmt: skip
    parser.add_argument("--certificates", help="a file of certificate authorities, below /etc/ssl or /etc/pki")
    parser.add_argument("--access-key-env", metavar="VARIABLE", help="the variable that holds the access key")
    parser.add_argument("--secret-key-env", metavar="VARIABLE", help="the variable that holds its secret")
    parser.add_argument("--credentials-stdin", action="store_true",
                        help="read two lines from standard input: the access key, and its secret")  # fmt: skip
    parser.add_argument("--quota-mib", type=int, help="what the console may keep there")
    parser.add_argument("--read-only", action="store_false", dest="writable", default=None, help="nothing is put there")
    parser.add_argument("--default", action="store_true", dest="is_default", default=None,
                        help="environments without a choice of their own send their backups there")  # fmt: skip
    parser.add_argument("--reason", default="")


def _given(options: Options) -> dict[str, Any]:
    return {name: options[name] for name in Store.SETTINGS if options.get(name) is not None}


def _credentials(options: Options) -> dict[str, str]:
    """Access key and secret, from standard input only: what is in an argument can be read by others."""
    if not options["credentials_stdin"]:
        return {}
    lines = [line.strip() for line in sys.stdin.read(4096).splitlines() if line.strip()]
    if len(lines) != 2:
        raise Usage("credentials_needed", "Standard input does not hold two lines.", "Pipe the key, then its secret.")
    return {"access_key": lines[0], "secret_key": lines[1]}
