"""`manage.py audit verify|export|verifier`: prove the history, take it away, or take away what proves an export.

`verify` ends with 0 when all is sound, 1 when something was tampered with, 2 when not everything could be proven and
3 when the call itself is wrong.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from django.core.management.base import CommandParser

from opsconsole.audit import catalogue, export, verification
from opsconsole.audit.reading import Filters
from opsconsole.exceptions import OpsError, Refused, Usage
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit
from opsconsole.permissions import can
from opsconsole.verify_audit import STANDALONE, WRONG_CALL

FILTERS = {
    "person": "a login, an e-mail address, a name, or system:USER",
    "database": "a database's name",
    "kind": "a kind of operation",
    "type": "a type of event (op.armed), or a family (auth.)",
    "since": "from this time on (UTC): 2026-11-20 or 2026-11-20T10:30:00Z",
    "until": "before this time",
}


class VerbParser(CommandParser):
    """Tells a wrong call from a history that cannot be proven (2)."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(WRONG_CALL, f"{self.prog}: {message}\n")


class Command(ConsoleCommand):
    help = "Verify the audit history, export it, or write out the program that verifies an export."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.__class__ = VerbParser  # it tells of words that no verb knows; Django lets nobody choose its class
        return parser

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, parser_class=VerbParser)
        verifying = self.verb(
            verbs, "verify", self.verify, "follow the chain and compare it with its checkpoints and rows"
        )
        verifying.add_argument("--from", dest="from_seq", default=1, type=int, metavar="N", help="begin at this link")
        verifying.add_argument("--anchors", type=Path, metavar="FILE", help="checkpoints kept outside the database")
        verifying.add_argument("--approvals", action="store_true", help="count every armed operation's votes again")
        exporting = self.verb(verbs, "export", self.export, "write the sealed events, oldest first")
        exporting.add_argument("--format", default="jsonl", choices=export.FORMATS)
        exporting.add_argument("--output", type=Path, metavar="FILE", help="a new file (default: standard output)")
        for name, help in FILTERS.items():
            exporting.add_argument(f"--{name}", default="", help=help)
        giving = self.verb(verbs, "verifier", self.verifier, "write out the program that checks an export anywhere")
        giving.add_argument("--output", type=Path, metavar="FILE", help="a new file (default: standard output)")

    def verify(self, options: Options) -> Exit:
        self._may_audit()
        report = verification.verify_and_record(options["from_seq"], options["anchors"], approvals=options["approvals"])
        self.answer(report.as_dict(), report.as_text())
        return Exit(report.exit_code)

    def export(self, options: Options) -> Exit:
        self._may_audit()
        _refuse_unknown(options["type"])
        lines = export.export(options["format"], Filters.from_texts({name: options[name] for name in FILTERS}))
        return self._give(options, lines)

    def verifier(self, options: Options) -> Exit:
        return self._give(options, [STANDALONE.read_text(encoding="utf-8")])

    def _give(self, options: Options, lines: Iterable[str]) -> Exit:
        """Write what was asked for to a new file, or to standard output."""
        if options["output"] is not None:
            written = _write(options["output"], lines)
            self.answer({"file": str(options["output"]), "bytes": written}, f"{options['output']}: {written} bytes")
        elif options["json"]:
            raise Usage("output_needed", "With --json it needs a file to go to.", "Add --output FILE.")
        else:
            for line in lines:
                self.stdout.write(line, ending="")
        return Exit.OK

    def _may_audit(self) -> None:
        if self.account is not None and not can(self.account, "audit"):
            raise Refused(
                "not_allowed",
                "Your role does not let you read the history.",
                "Ask an administrator for the role of auditor.",
            )

    def _refused(self, error: OpsError) -> Any:
        code = super()._refused(error)
        return WRONG_CALL if isinstance(error, Usage) else code


def _refuse_unknown(asked: str) -> None:
    """Raises Usage for a type of event that the history cannot hold, of which an export would be empty."""
    families = sorted({f"{entry.name.partition('.')[0]}." for entry in catalogue.every()})
    if asked and asked not in families and catalogue.find(asked) is None:
        raise Usage("unknown_type", f"There is no type of event called {asked}.", f"Families: {' '.join(families)}")


def _write(path: Path, lines: Iterable[str]) -> int:
    """Write a new file that only its owner may read; gives back its size. Raises Usage when it cannot be made."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Usage(
            "bad_output", f"{path} cannot be made: {error.strerror}.", "Name a file that does not exist yet."
        ) from None
    with os.fdopen(fd, "w", encoding="utf-8", newline="") as file:
        file.writelines(lines)
        return file.tell()
