"""The recovery kit: what a person needs, beside the data and a private key, to restore without this console.

A tar of manifests, public facts and the recipe, made while it is read; in memory are one manifest and all hashes.
It holds no secret: no URL with its password, no private key, no rows.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.template.loader import render_to_string

from lifecycle.backups import archives
from lifecycle.backups.manifest import Manifest
from lifecycle.encryption import by_hand
from lifecycle.models import Backup, BackupCopy, Recipient
from opsconsole import audit, stores
from opsconsole.clock import now
from opsconsole.exceptions import OpsError
from opsconsole.instance import instance_id
from opsconsole.keys import public_keys
from opsconsole.models import Account, Database, Store
from opsconsole.permissions import can, visible_databases

BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Kit:
    """A kit that was recorded and may be handed out: of these databases, `what` in words."""

    what: str
    databases: tuple[Database, ...]
    made_at: datetime
    folder: str  # inside the tar, and before .tar

    def stream(self) -> Iterator[bytes]:
        """The tar. What the store does not give (any more) is told in facts.json."""
        listed: list[dict[str, Any]] = []
        sums: list[str] = []
        for backup in _backups(self.databases).iterator(100):
            facts = _facts_of(backup)
            try:
                data, found = archives.manifest_bytes(backup), archives.manifest_of(backup)
            except OpsError as error:
                listed.append(facts | {"manifest": None, "why": error.why})
                continue
            name = f"manifests/{backup.database.name}/{backup.key.rpartition('/')[2]}.json"
            listed.append(facts | {"manifest": name, "recipients": list(found.recipients)})
            sums += [f"{_bare(item.sha256)}  {backup.key}/{item.key}\n" for item in found.contents.objects]
            yield self._file(name, data)
            yield self._file(name.replace("manifests/", "restore/", 1).removesuffix(".json") + ".sh", _script(found))
        yield self._file("SHA256SUMS", "".join(sums).encode())
        yield self._file("manifest.pub", _public_lines().encode())
        yield self._file("facts.json", json.dumps(self._facts(listed), indent=1, ensure_ascii=False).encode())
        context = {"console": instance_id(), "made_at": self.made_at.isoformat(timespec="seconds"), "what": self.what}
        yield self._file("README.md", render_to_string("lifecycle/recovery.md", context).encode())
        yield bytes(2 * BLOCK)

    def _facts(self, listed: list[dict[str, Any]]) -> dict[str, Any]:
        environments = {database.environment_id for database in self.databases}
        rows = Recipient.objects.filter(environment__in=environments).select_related("environment")
        return {
            "console": instance_id(),
            "made_at": self.made_at.isoformat(timespec="seconds"),
            "stores": [
                {"name": stores.LOCAL, "kind": "folder", "where": str(settings.OPSCONSOLE_STORE)},
                *({"name": row.name, "kind": row.kind, "where": row.display} for row in Store.objects.all()),
            ],
            "databases": [_facts_of_database(database) for database in self.databases],
            "recipients": [
                {
                    "environment": row.environment.name, "label": row.label, "role": row.role,
                    "public_key": row.public_key, "added_at": row.added_at.isoformat(),
                    "retired_at": row.retired_at.isoformat() if row.retired_at else None,
                }
                for row in rows
            ],
            "backups": listed,
        }  # fmt: skip

    def _file(self, name: str, data: bytes) -> bytes:
        info = tarfile.TarInfo(f"{self.folder}/{name}")
        info.size, info.mode, info.mtime = len(data), 0o600, int(self.made_at.timestamp())
        return info.tobuf(format=tarfile.PAX_FORMAT) + data + bytes(-len(data) % BLOCK)


def filename(database: Database | None) -> str:
    """What the kit of a database, or (None) of the console, is called."""
    return f"recovery-kit-{database.name if database else 'console'}.tar"


def of_database(database: Database) -> Kit:
    """The kit of one database, recorded in the audit."""
    audit.record("recovery_kit.made", database=database, subject=filename(database), data={"databases": 1})
    return Kit(f"the database {database.name}", (database,), now(), filename(database).removesuffix(".tar"))


def of_console(account: Account | None) -> Kit:
    """The kit of every database whose backups the account may download (None: somebody at a shell, so all of them)."""
    rows = Database.objects.filter(removed_at=None) if account is None else visible_databases(account)
    rows = rows.select_related("environment", "owner_group").order_by("name")
    databases = tuple(row for row in rows if account is None or can(account, "download", row))
    audit.record("recovery_kit.made", subject=filename(None), data={"databases": len(databases)})
    return Kit("the databases of the console", databases, now(), filename(None).removesuffix(".tar"))


def _backups(databases: tuple[Database, ...]) -> QuerySet[Backup]:
    rows = Backup.objects.good().filter(database__in=databases).prefetch_related("copies")
    return rows.select_related("database").order_by("database__name", "-started_at")


def _script(found: Manifest) -> bytes:
    return by_hand.script(found).encode()


def _facts_of(backup: Backup) -> dict[str, Any]:
    return {
        "backup": backup.pk, "database": backup.database.name, "folder": backup.key,
        "stores": [copy.store for copy in backup.copies.all() if copy.state == BackupCopy.State.GOOD],
        "format": backup.format,
        "taken_at": backup.started_at.isoformat(), "engine": backup.engine, "server_version": backup.server_version,
        "rows": backup.rows, "stored_bytes": backup.stored_bytes, "manifest_sha256": backup.manifest_sha256,
        "checks": [{"level": each["level"], "at": each["at"], "ok": each["ok"]} for each in backup.checks],
    }  # fmt: skip


def _facts_of_database(database: Database) -> dict[str, Any]:
    return {
        "name": database.name, "engine": database.engine, "environment": database.environment.name,
        "address": database.display, "server_version": database.server_version, "identity": database.identity,
    }  # fmt: skip


def _public_lines() -> str:
    keys = public_keys(settings.OPSCONSOLE_HOME, "manifest").values()
    return "".join(f"{key.line()}\n" for key in keys)


def _bare(digest: str) -> str:
    return digest.removeprefix("sha256:")
