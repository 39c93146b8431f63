"""Makes a folder of this package: a console as a release left it, with people, rules, operations and their history.

Done once for each release, in a checkout of it, with a test that is thrown away afterwards:

    def test_make(console, cast, settings, tmp_path):
        making.make(console, cast, settings, Path("tests/releases/NAME"))

`rows.json.gz` holds every row of our tables, by model; `home.tar.gz` the home folder without the database. Where the
shop lies and which file it is differs from machine to machine, so PLACE and IDENTITY stand for them in what is not
sealed yet.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import tarfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

SECRET_KEY = "a secret key for tests of upgrades only"
FIELD_KEYS = ["cU3WdLrK0VhMZqZ2zqgq7l4o1Zb0wzZ6T0J2m3d5Y1E="]
PLACE, IDENTITY = "@@PLACE@@", "@@IDENTITY@@"
SHOP_URL = "UPGRADE_SHOP_URL"
Row = dict[str, Any]
APPS = ("opsconsole", "lifecycle", "integrity")
TWO_FOR_RESTORES = {
    "name": "restores", "title": "Two for a restore", "match": {"kinds": ["restore"], "environments": ["production"]},
    "clauses": [{"role": "approvers", "count": 2}], "min_people": 2, "valid_minutes": 600, "windows": [],
}  # fmt: skip


def make(console: Any, cast: Any, settings: Any, folder: Path) -> None:
    """Live through some days of a console, then write down what is there."""
    settings.SECRET_KEY, settings.FIELD_KEYS = SECRET_KEY, FIELD_KEYS
    console.env |= {"SECRET_KEY": SECRET_KEY, "FIELD_KEYS": ",".join(FIELD_KEYS)}
    shop = _live(console, cast)
    folder.mkdir(parents=True, exist_ok=True)
    last = _last_checkpoint()
    fixed, movable = _rows(), _movable(last)
    fixed["opsconsole.auditseal"] = [row for row in fixed["opsconsole.auditseal"] if row["seq"] <= last]
    fixed["opsconsole.auditpending"] = [{"event_id": row["id"]} for row in movable["opsconsole.auditevent"]]
    moved = json.dumps(movable).replace(shop.identity, IDENTITY).replace(str(console.files / "shop.sqlite"), PLACE)
    for label, rows in movable.items():
        fixed[label] = [row for row in fixed[label] if row not in rows]
    text = json.dumps({"fixed": fixed, "movable": json.loads(moved)}, separators=(",", ":"))
    (folder / "rows.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    with tarfile.open(folder / "home.tar.gz", "w:gz") as tar:
        for name in ("keys", "audit-checkpoints.log", "store"):
            if (console.home / name).exists():
                tar.add(console.home / name, arcname=name)


def _live(console: Any, cast: Any) -> Any:
    from opsconsole import audit, bootstrap, operations
    from opsconsole.clock import now
    from opsconsole.models import Database, Operation
    from tests.support.cases import work
    from tests.support.registering import register
    from tests.support.shops import SqliteShop

    audit.console_started("web")
    shop = SqliteShop.make(console.files)
    os.environ[SHOP_URL] = console.env[SHOP_URL] = shop.url
    row = register("shop", shop.url, environment="production")
    Database.objects.filter(pk=row.pk).update(url_sealed="", url_env=SHOP_URL)
    operations.request_change("policy.set", TWO_FOR_RESTORES, account=cast.admin, reason="it is wanted")
    bootstrap.close_if_ready(cast.grace)

    def approve(operation: Any, *people: Any) -> Any:
        for account in people:
            operations.approve(operation, account=account, digest=operation.digest, auth_at=now())
        operation.refresh_from_db()
        return operation

    def ask(kind: str, **parameters: str) -> Any:
        return operations.request(kind, row, parameters, account=cast.ada, reason="For the upgrade")

    work(console, ask("backup"))
    shop.lose(50)
    work(console, approve(ask("restore"), cast.grace, cast.linus))
    broken = work(
        console, approve(ask("restore"), cast.grace, cast.linus), OPSCONSOLE_FAILPOINT="restore.before_swap:raise"
    )
    assert broken.state == "failed"
    vetoed = ask("restore")
    operations.reject(vetoed, account=cast.linus, digest=vetoed.digest, reason="Not on a Friday", auth_at=now())
    operations.cancel(ask("restore"), account=cast.ada)
    changed = operations.request_change(
        "membership.add", _member(cast.bob, "viewers"), account=cast.admin, reason="it is wanted"
    )
    if changed.state == "pending_approval":
        approve(changed, cast.grace)
    operations.request_change(
        "membership.add", _member(cast.mallory, "approvers"), account=cast.admin, reason="it is wanted"
    )
    audit.seal()
    audit.checkpoint(force=True)
    approve(ask("restore"), cast.grace)  # one of two; this is not sealed, for it names the file
    assert Operation.objects.filter(state="pending_approval").count() == 2
    return Database.objects.get(pk=row.pk)


def _member(account: Any, role: str) -> dict[str, Any]:
    return {"login": account.username, "role": role, "owner_group": "default"}


def _rows() -> dict[str, list[Row]]:
    from django.apps import apps

    ours = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label in APPS]
    found = {model._meta.label_lower: _plain_rows(model._base_manager.all()) for model in ours}
    return {label: rows for label, rows in found.items() if rows}


def _last_checkpoint() -> int:
    from opsconsole.models import AuditCheckpoint

    return int(AuditCheckpoint.objects.order_by("-seq").values_list("seq", flat=True)[0])


def _movable(sealed: int) -> dict[str, list[Row]]:
    """Rows that name the file: the database, what waits for its last vote, and events after the last checkpoint.

    The links of those events are left out, as if the sealer had not come by yet.
    """
    from opsconsole.models import AuditEvent, Database, Operation, OperationTarget, Vote

    waiting = Operation.objects.filter(state="pending_approval", kind="restore")
    found = (
        Database.objects.all(), waiting, OperationTarget.objects.filter(operation__in=waiting),
        Vote.objects.filter(operation__in=waiting), AuditEvent.objects.filter(seal__seq__gt=sealed),
    )  # fmt: skip
    return {rows.model._meta.label_lower: _plain_rows(rows) for rows in found}


def _plain_rows(rows: Any) -> list[Row]:
    names = [field.attname for field in rows.model._meta.concrete_fields]
    return [{name: _plain(value) for name, value in row.items()} for row in rows.values(*names)]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        data = bytes(value)
        return {"text": data.decode()} if data.isascii() else {"base64": base64.b64encode(data).decode()}
    return {"time": value.isoformat()} if isinstance(value, datetime | date) else value
