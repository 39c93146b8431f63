"""`manage.py patch list|download`: the rows that restores took away and keep for a while."""

from __future__ import annotations

from typing import Any

import humanize
from django.core.management.base import CommandParser

from lifecycle.management.fetching import add_arguments, fetch
from lifecycle.models import Patch
from lifecycle.patches import listing
from opsconsole.exceptions import Usage
from opsconsole.management.console_command import ConsoleCommand, Options
from opsconsole.management.reporting import Exit, address_of, table
from opsconsole.permissions import visible_databases
from opsconsole.row_numbers import row_number


class Command(ConsoleCommand):
    help = "List the patches of a database, download one. A reapply puts its rows back."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = self.verbs(parser)
        self.verb(verbs, "list", self.list, "the patches of a database, newest first").add_argument("database")
        getting = self.verb(verbs, "download", self.download, "a patch as a tar file, in the name of a token's owner")
        getting.add_argument("id", help="the number of the restore that made it")
        add_arguments(getting)

    def list(self, options: Options) -> Exit:
        database = self.database_called(options["database"])
        rows = list(listing.of_database(database))
        text = table(("restore", "taken at (UTC)", "rows", "stored", "kept until (UTC)"), [_cells(row) for row in rows])
        self.answer({"database": database.name, "patches": [_facts(row) for row in rows]}, text)
        return Exit.OK

    def download(self, options: Options) -> Exit:
        """By the same rules as a backup of that database."""
        return fetch(self, self._patch(options["id"]), options)

    def _patch(self, given: str) -> Patch:
        rows = Patch.objects.select_related("database__environment", "database__owner_group")
        if self.account is not None:
            rows = rows.filter(database__in=visible_databases(self.account))
        found = rows.filter(pk=row_number(given)).first()
        if found is None:
            kept = rows.filter(state=Patch.State.KEPT)[:20]
            listed = ", ".join(f"{row.pk} ({row.database.name})" for row in kept) or "none"
            raise Usage("unknown_patch", f"There is no patch {given}.", f"There are: {listed}.")
        return found


def _facts(row: Patch) -> dict[str, Any]:
    return {
        "restore": row.pk, "taken_at": row.taken_at, "rows": row.rows, "tables": row.tables,
        "stored_bytes": row.stored_bytes, "expires_at": row.expires_at, "manifest_sha256": row.manifest_sha256,
        "url": address_of(row.get_absolute_url()),
    }  # fmt: skip


def _cells(row: Patch) -> tuple[object, ...]:
    size = humanize.naturalsize(row.stored_bytes, binary=True)
    return (row.pk, f"{row.taken_at:%Y-%m-%d %H:%M:%S}", row.rows, size, f"{row.expires_at:%Y-%m-%d %H:%M}")
