"""Fetching a backup or a patch on the command line: what the commands `backup` and `patch` share."""

from __future__ import annotations

import hashlib
import os
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from lifecycle.backups import downloads
from lifecycle.models import Stored
from opsconsole import audit, operations
from opsconsole.exceptions import OpsError, Refused, Usage
from opsconsole.management.console_command import ConsoleCommand, Options, password_from
from opsconsole.management.reporting import Exit
from opsconsole.models import Account
from opsconsole.states import State


def add_arguments(parser: ArgumentParser) -> None:
    """Where to, why, and the password."""
    parser.add_argument("--output", default="", metavar="FILE", help="where to (default: its own name, here)")
    parser.add_argument("--reason", default="", help="why; the person who agrees reads this")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")


def fetch(command: ConsoleCommand, item: Stored, options: Options) -> Exit:
    """Fetch it when it may be fetched now; ask for it, and exit 3, when somebody has to agree first."""
    account = command.signed_in()
    if not downloads.needs_approval(item):
        _prove(account, options)
    elif downloads.usable_grant(item, account) is None:
        given = {item.noun: item.pk}
        asked = operations.request_change(downloads.action(item), given, account=account, reason=options["reason"])
        if asked.state != State.SUCCEEDED:  # while the console is set up, nobody else is asked
            return command.answer_operation(asked, **given)
    path = place(options["output"] or downloads.filename_of(item))
    begun = downloads.begin(item, account)
    digest = save(begun.stream(), path)
    facts = {item.noun: item.pk, "file": str(path), "bytes": begun.size, "sha256": digest}
    command.answer(facts, f"{path}: {begun.size} bytes, sha256 {digest}")
    return Exit.OK


def _prove(account: Account, options: Options) -> None:
    if account.person.is_service:
        raise Refused("person_needed", "Data leaves the console in a person's name only.", "Use a person's token.")
    if not account.check_password(password_from(options, f"Password of {account.username}: ")):
        audit.record("auth.reauth_failed", outcome="denied", data={"purpose": "download"})
        raise Refused("password_wrong", f"That is not the password of {account.username}.", "Try again.")
    audit.record("auth.reauthenticated", data={"purpose": "download"})


def save(chunks: Iterable[bytes], path: Path) -> str:
    """Write what is handed out to a new file (0600), which exists only when it is complete; gives back its sha256."""
    part = path.with_name(f".{path.name}.part")
    digest = hashlib.sha256()
    try:
        with _fresh(part) as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise OpsError(
            "not_written", f"{path} cannot be written: {error.strerror}.", "Choose another place with --output."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return digest.hexdigest()


def place(name: str) -> Path:
    """Where to write, before anything is redeemed. Raises Refused when something is there."""
    path = Path(name).absolute()
    if path.exists():
        raise _exists(path)
    if not path.parent.is_dir():
        raise Usage("no_folder", f"There is no folder {path.parent}.", "Make it first, or choose another place.")
    return path


def _exists(path: Path) -> Refused:
    return Refused(
        "file_exists", f"{path} is there already, and is not overwritten.", "Name another file with --output."
    )


def _fresh(part: Path) -> BinaryIO:
    part.unlink(missing_ok=True)
    return os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
