"""Registering a database in a test, the way a change or the bootstrap does it."""

from __future__ import annotations

from typing import Any


def register(name: str, url: str, *, environment: str, owner_group: str = "default") -> Any:
    """A row for the database at `url`, asked once for its identity; the bootstrap must be open."""
    from opsconsole import databases
    from opsconsole.databases.addresses import cipher, parse
    from opsconsole.models import Database, Environment, OwnerGroup

    address = parse(url)
    row = Database.objects.create(
        name=name,
        engine=address.engine,
        url_sealed=cipher().seal(url),
        display=address.display,
        environment=Environment.objects.get(name=environment),
        owner_group=OwnerGroup.objects.get(name=owner_group),
    )
    databases.probe(row)
    row.refresh_from_db()
    return row
