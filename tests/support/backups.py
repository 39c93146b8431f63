"""Backups that are listed without anybody having taken them: objects and a signed manifest in the test's store."""

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
    from django.conf import settings

    from lifecycle import manifest as manifests
    from lifecycle.archives import store
    from lifecycle.formats.base import Contents, StoredObject, TableContent
    from lifecycle.manifest import MANIFEST_NAME, Manifest, rfc3339
    from lifecycle.models import Backup
    from opsconsole.clock import now
    from opsconsole.keys import SigningKey

    operation = planned_operation(database, account, "backup")
    started: datetime = now() - age
    folder, digest = f"backups/{database.name}/{operation.pk}-1", "sha256:" + hashlib.sha256(content).hexdigest()
    contents = Contents(
        format="native",
        format_version=1,
        objects=(
            StoredObject(
                key="data/rows.zst", size=len(content), sha256=digest, plain_size=len(content), plain_sha256=digest,
                compression="none",
            ),
        ),
        tables=tuple(
            TableContent(name=name, rows=rows, digest=digest) for name, rows in (tables or {"orders": 3}).items()
        ),
        schema_fingerprint=digest,
        tool={"version": "16.14", "path": "/usr/bin/pg_dump"},
    )  # fmt: skip
    made = Manifest(
        backup=folder, operation_id=operation.pk, fence=1, console="c1", database=database.name,
        environment=database.environment.name, target_identity=database.identity, target_incarnation=database.identity,
        engine=database.engine, server_version="3.40.1", version_number=3040001, started_at=rfc3339(started),
        finished_at=rfc3339(started), contents=contents, verified_at=rfc3339(started),
    )  # fmt: skip
    for key, data in (
        ("data/rows.zst", content),
        (MANIFEST_NAME, manifests.sign(made, SigningKey.load(settings.OPSCONSOLE_HOME, "manifest"))),
    ):
        with store().create(f"{folder}/{key}", part="1.1") as writer:
            writer.write(data)
            writer.publish()
    check = {"level": "V1", "at": made.verified_at, "ok": True, "detail": ""}
    values: dict[str, Any] = {
        "database": database, "operation": operation, "key": folder, "format": "native", "engine": database.engine,
        "server_version": "3.40.1", "identity": database.identity, "incarnation": database.identity,
        "schema_fingerprint": digest, "manifest_sha256": made.digest, "tables": len(contents.tables), "rows": made.rows,
        "stored_bytes": made.stored_bytes, "plain_bytes": made.plain_bytes, "started_at": started,
        "finished_at": started, "checks": [check],
    }  # fmt: skip
    return Backup.objects.create(**{**values, **more})


def planned_operation(database: Any, account: Any, kind: str) -> Any:
    """A row that nobody asked anybody about."""
    from opsconsole.clock import now
    from opsconsole.models import Operation
    from opsconsole.plans import Plan

    plan = Plan(kind=kind, summary=f"There is a {kind} of {database.name}.")
    return Operation.objects.create(
        kind=kind, database=database, requester=account, requester_person=account.person, gated=False,
        plan_text=plan.to_bytes().decode(), digest=plan.digest, plan_format=plan.format, created_at=now(),
    )  # fmt: skip
