"""`manage.py backup list|show|download|kit|inspect`: what is kept, what it holds, a copy of it; what others wrote."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import humanize
from django.core.management.base import CommandParser

from lifecycle.backups import choices
from lifecycle.backups.archives import manifest_of
from lifecycle.backups.manifest import Manifest
from lifecycle.backups.uses import refuse_absent
from lifecycle.encryption import kit
from lifecycle.management import looking
from lifecycle.management.fetching import add_arguments, fetch, place, save
from lifecycle.models import Backup, BackupCopy
from lifecycle.models.backups import Backups
from lifecycle.proving import drills
from opsconsole.exceptions import Refused, Usage
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, address_of, table
from opsconsole.permissions import can, visible_databases
from opsconsole.row_numbers import row_number


class Command(ConsoleCommand):
    help = "List backups, show one, download one, or look into files that others wrote."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        self.verb(verbs, "list", self.list, "the backups of a database, newest first").add_argument("database")
        showing = self.verb(verbs, "show", self.show, "one backup: what it holds and what is proven of it")
        showing.add_argument("id", help="its number, or a database's name for the latest good one")
        getting = self.verb(verbs, "download", self.download, "a backup as a tar file, in the name of a token's owner")
        getting.add_argument("id", help="its number, or a database's name for the latest good one")
        add_arguments(getting)
        making = self.verb(verbs, "kit", self.kit, "the recovery kit: manifests, public facts, the recipe; no secrets")
        making.add_argument("database", nargs="?", default="", help="of one database (default: of the whole console)")
        making.add_argument("--output", default="", metavar="FILE", help="where to (default: its own name, here)")
        inspecting = self.verb(verbs, "inspect", self.inspect, "what files of other tools hold; nothing is kept")
        looking.add_arguments(inspecting)

    def list(self, options: Options) -> Exit:
        database = self.database_called(options["database"])
        rows = list(self.visible().filter(database=database))
        headings = ("id", "taken at (UTC)", "format", "state", "tables", "rows", "stored", "pinned")
        text = table(headings, [_cells(row) for row in rows])
        self.answer({"database": database.name, "backups": [backup_facts(row) for row in rows]}, text)
        return Exit.OK

    def show(self, options: Options) -> Exit:
        row = self.backup(options["id"])
        if row.deleting_at is not None:
            refuse_absent(row)
        manifest = manifest_of(row)
        facts = {**backup_facts(row), "manifest": manifest_facts(manifest)}
        size = humanize.naturalsize(row.stored_bytes, binary=True)
        lines = [
            f"Backup {row.id} of {row.database.name}, {row.get_state_display()}: {address_of(row.get_absolute_url())}",
            f"Taken at {row.started_at:%Y-%m-%d %H:%M:%S} UTC from {row.engine} {row.server_version}",
            f"Format {row.format}, {size}",
            _lying(row),
            _opening(manifest),
            *(_check_line(check, row.engine) for check in row.checks),
            "",
            table(("table", "rows"), [(held.name, held.rows) for held in manifest.contents.tables]),
        ]
        self.answer(facts, "\n".join(lines))
        return Exit.OK

    def download(self, options: Options) -> Exit:
        """Fetch it when it may be fetched now; ask for it, and exit 3, when somebody has to agree first."""
        return fetch(self, self.backup(options["id"]), options)

    def inspect(self, options: Options) -> Exit:
        return looking.look(self, options)

    def kit(self, options: Options) -> Exit:
        """Made in the name of a token's owner, or by somebody at the shell; it holds no data and no secret."""
        database = self.database_called(options["database"]) if options["database"] else None
        if self.account is not None and not can(self.account, "download", database):
            raise Refused("not_allowed", "Your role does not let you download backups.", "Ask an engineer.")
        path = place(options["output"] or kit.filename(database))
        made = kit.of_database(database) if database else kit.of_console(self.account)
        digest = save(made.stream(), path)
        facts = {"file": str(path), "sha256": digest, "databases": [row.name for row in made.databases]}
        self.answer(facts, f"{path}: sha256 {digest}")
        return Exit.OK

    def visible(self) -> Backups:
        """The backups of databases that the actor may see; all of them at a shell without a token."""
        rows = Backup.objects.select_related("database__environment", "database__owner_group", "operation")
        rows = rows.prefetch_related("copies")
        return rows if self.account is None else rows.filter(database__in=visible_databases(self.account))

    def backup(self, given: str) -> Backup:
        """The backup of that number, or the latest good one of a database. Raises Usage with what there is."""
        rows = self.visible()
        if not given.isdecimal():
            rows = rows.filter(database=self.database_called(given))
            found = choices.latest(rows)
        else:
            found = rows.filter(pk=row_number(given)).first()
        if found is None:
            listed = ", ".join(f"{row.id} ({row.database.name})" for row in rows[:20]) or "none yet"
            raise Usage("unknown_backup", f"There is no backup {given}.", f"There are: {listed}.")
        return found


def backup_facts(row: Backup) -> dict[str, Any]:
    """What `--json` says of a backup."""
    return {
        "id": row.id, "database": row.database.name, "state": row.state, "purpose": row.purpose, "format": row.format,
        "engine": row.engine, "server_version": row.server_version, "started_at": row.started_at,
        "finished_at": row.finished_at, "tables": row.tables, "rows": row.rows, "stored_bytes": row.stored_bytes,
        "plain_bytes": row.plain_bytes, "manifest_sha256": row.manifest_sha256, "checks": row.checks,
        "drilled_at": row.drilled_at, "restore_seconds": row.restore_seconds,
        "pinned": row.pinned_at is not None, "trash_until": row.trash_until,
        "stores": {each.store: each.state for each in row.copies.all()}, "encrypted_for": row.recipients.split(),
        "operation": row.operation_id, "url": address_of(row.get_absolute_url()),
    }  # fmt: skip


def manifest_facts(manifest: Manifest) -> dict[str, Any]:
    """The parts of a manifest that people ask for."""
    contents = manifest.contents
    return {
        "digest": manifest.digest, "schema_fingerprint": contents.schema_fingerprint, "tool": dict(contents.tool),
        "snapshot": dict(contents.snapshot), "fallback_reason": contents.fallback_reason,
        "tables": {held.name: held.rows for held in contents.tables}, "sequences": dict(contents.sequences),
        "objects": [{"key": item.key, "bytes": item.size, "sha256": item.sha256} for item in contents.objects],
    }  # fmt: skip


def _lying(row: Backup) -> str:
    """Where its copies are, those that are damaged or not made yet in brackets."""
    places = [
        each.store if each.state == BackupCopy.State.GOOD else f"{each.store} ({each.get_state_display()})"
        for each in row.copies.all()
    ]
    return f"In the store{'s' * (len(places) != 1)} {', '.join(places)}"


def _opening(manifest: Manifest) -> str:
    if not manifest.recipients:
        return "Not encrypted"
    keys = "; ".join(f"{each['label']} ({each['role']}) {each['public_key']}" for each in manifest.recipients)
    return f"Encrypted; it opens with the private key of any of: {keys}"


def _check_line(check: Mapping[str, Any], engine: str) -> str:
    """`V2 held at ..., restored in about 4 s on the same server: detail`."""
    restored = ""
    if check.get("restore_seconds"):
        place = drills.place_of(engine, check["where"])
        restored = f", restored in {drills.about(check['restore_seconds'])} {place}"
    word = "passed" if check["ok"] else "FAILED"
    return f"{check['level']} {word} at {_moment(check['at'])}{restored}: {check['detail']}"


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"


def _cells(row: Backup) -> tuple[object, ...]:
    taken, size = f"{row.started_at:%Y-%m-%d %H:%M:%S}", humanize.naturalsize(row.stored_bytes, binary=True)
    pinned = "yes" if row.pinned_at else ""
    state = "in the trash" if row.trashed_at and row.state != Backup.State.EXPIRED else row.get_state_display()
    return (row.id, taken, row.format, state, row.tables, row.rows, size, pinned)
