"""Backups and patches that are listed without anybody having taken them: objects and a signed manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any


def list_backup(
    database: Any,
    account: Any,
    *,
    tables: Mapping[str, int] | None = None,
    content: bytes = b"rows and rows",
    age: timedelta = timedelta(),
    **more: Any,
) -> Any:
    """A row of Backup with its folder; `tables` are rows by name, `content` the bytes of its one object."""
    from lifecycle.models import Backup, BackupCopy
    from opsconsole.clock import now

    operation, started = planned_operation(database, account, "backup"), now() - age
    folder = f"backups/{database.name}/{operation.pk}-1"
    made = _publish(folder, operation, tables or {"orders": 3}, content, started, format="native")
    check = {"level": "V1", "at": made.verified_at, "ok": True, "detail": ""}
    values: dict[str, Any] = {
        "database": database, "operation": operation, "key": folder, "format": "native", "engine": database.engine,
        "server_version": "3.40.1", "identity": database.identity, "incarnation": database.identity,
        "schema_fingerprint": made.contents.schema_fingerprint, "manifest_sha256": made.digest,
        "tables": len(made.contents.tables), "rows": made.rows, "stored_bytes": made.stored_bytes,
        "plain_bytes": made.plain_bytes, "started_at": started, "finished_at": started, "checks": [check],
    }  # fmt: skip
    row = Backup.objects.create(**{**values, **more})
    BackupCopy.objects.create(backup=row, store="local", state=row.state, made_at=started)
    return row


def list_patch(
    database: Any, account: Any, *, tables: Mapping[str, int] | None = None, content: bytes = b"two lost rows"
) -> Any:
    """A row of Patch with its folder, of a restore that nobody ran."""
    from lifecycle.patches import Place, listing
    from opsconsole.clock import now

    operation = planned_operation(database, account, "restore")
    place = Place(database, operation.pk, 1)
    _publish(place.archive.folder, operation, tables or {"orders": 2}, content, now(), format="patch")
    return listing.enlist(place)


def _publish(
    folder: str, operation: Any, tables: Mapping[str, int], content: bytes, at: datetime, *, format: str
) -> Any:
    """A folder of the store with one object and a signed manifest, which is given back."""
    from django.conf import settings

    from lifecycle.backups import manifest as manifests
    from lifecycle.backups.archives import store
    from lifecycle.backups.manifest import MANIFEST_NAME, Manifest, rfc3339
    from lifecycle.formats.base import Contents, StoredObject, TableContent
    from opsconsole.keys import SigningKey

    database, digest = operation.database, "sha256:" + hashlib.sha256(content).hexdigest()
    contents = Contents(
        format=format,
        format_version=1,
        objects=(
            StoredObject(
                key="data/rows.zst", size=len(content), sha256=digest, plain_size=len(content), plain_sha256=digest,
                compression="none",
            ),
        ),
        tables=tuple(TableContent(name=name, rows=rows, digest=digest) for name, rows in tables.items()),
        schema_fingerprint=digest,
        tool={"version": "16.14", "path": "/usr/bin/pg_dump"},
    )  # fmt: skip
    made = Manifest(
        backup=folder, operation_id=operation.pk, fence=1, console="c1", database=database.name,
        environment=database.environment.name, target_identity=database.identity, target_incarnation=database.identity,
        engine=database.engine, server_version="3.40.1", version_number=3040001, started_at=rfc3339(at),
        finished_at=rfc3339(at), contents=contents, verified_at=rfc3339(at),
    )  # fmt: skip
    for key, data in (
        ("data/rows.zst", content),
        (MANIFEST_NAME, manifests.sign(made, SigningKey.load(settings.OPSCONSOLE_HOME, "manifest"))),
    ):
        with store().create(f"{folder}/{key}", part="1.1") as writer:
            writer.write(data)
            writer.publish()
    return made


def planned_operation(database: Any, account: Any, kind: str, **parameters: str) -> Any:
    """A row that nobody asked anybody about."""
    from opsconsole.clock import now
    from opsconsole.models import Operation
    from opsconsole.plans import Plan

    plan = Plan(kind=kind, summary=f"There is a {kind} of {database.name}.", parameters=parameters)
    return Operation.objects.create(
        kind=kind, database=database, requester=account, requester_person=account.person, gated=False,
        plan_text=plan.to_bytes().decode(), digest=plan.digest, plan_format=plan.format, created_at=now(),
    )  # fmt: skip
