"""A console as a release left it, under the present code: its rows in its own schema, its home folder, its shop."""

from __future__ import annotations

import base64
import gzip
import json
import os
import tarfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.releases.making import FIELD_KEYS, IDENTITY, PLACE, SECRET_KEY, SHOP_URL

HERE = Path(__file__).parent
Rows = dict[str, list[dict[str, Any]]]


def unpack_home(release: str, home: Path, settings: Any, env: dict[str, str], shop_url: str) -> None:
    """The keys and the store of the release; what the shop's address and the console's secrets are."""
    with tarfile.open(HERE / release / "home.tar.gz") as tar:
        tar.extractall(home)  # a file of this repository; Debian 12's Python knows no filters of members yet
    settings.SECRET_KEY, settings.FIELD_KEYS = SECRET_KEY, FIELD_KEYS
    env |= {"SECRET_KEY": SECRET_KEY, "FIELD_KEYS": ",".join(FIELD_KEYS), SHOP_URL: shop_url}
    os.environ[SHOP_URL] = shop_url


def migrate_to(targets: dict[str, str]) -> Any:
    """Bring an empty database to the schema of a release; gives back the models as they were."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    ours = set(targets) | {"integrity"}  # which that release did not have
    leaves = [leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] not in ours]
    return executor.migrate([*leaves, *targets.items()]).apps


def fill(release: str, apps: Any, *, identity: str, place: Path) -> None:
    """Put the rows into the old tables; what waits for votes still has time, and names the shop of this machine."""
    from django.core.management.color import no_style
    from django.db import connection, transaction

    held = json.loads(gzip.decompress((HERE / release / "rows.json.gz").read_bytes()))
    fixed, movable = held["fixed"], _moved(held["movable"], identity, place)
    models = [apps.get_model(label) for label in fixed]
    with transaction.atomic():
        for model in models:
            model._base_manager.all().delete()  # the shipped rows are among those of the release
        for model in models:
            rows = fixed[model._meta.label_lower] + movable.get(model._meta.label_lower, [])
            model._base_manager.bulk_create(
                model(**{name: _value(value) for name, value in row.items()}) for row in rows
            )
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)


def _moved(movable: Rows, identity: str, place: Path) -> Rows:
    """With the shop's real identity, and the digest of the plan that names it; asked for just now, for it lapses."""
    from django.utils.timezone import now

    from opsconsole.plans import digest_of

    (operation,) = movable["opsconsole.operation"]
    before, operation["submitted_at"] = operation["digest"], {"time": now().isoformat()}
    operation["expires_at"] = {"time": (now() + timedelta(hours=2)).isoformat()}
    after = digest_of(operation["plan_text"].replace(IDENTITY, identity).encode())
    text = json.dumps(movable).replace(IDENTITY, identity).replace(PLACE, str(place)).replace(before, after)
    found: Rows = json.loads(text)
    return found


def _value(value: Any) -> Any:
    if not isinstance(value, dict) or len(value) != 1:
        return value
    ((kind, text),) = value.items()
    if kind == "time":
        return datetime.fromisoformat(text)
    return {"text": str.encode, "base64": base64.b64decode}[kind](text) if kind in ("text", "base64") else value
