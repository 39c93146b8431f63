"""How a database stands in a plan."""

from __future__ import annotations

from opsconsole.databases import protected, recognise
from opsconsole.engines.base import Identity
from opsconsole.models import Database
from opsconsole.plans import Target


def plan_target(database: Database, identity: Identity | None, *, role: str = "target") -> Target:
    """The target as it is sealed; `identity` as just read, None for a database that is not asked (a source).

    Raises Refused when it is the console itself.
    """
    if identity is not None:
        recognise(database, identity)
    return Target(
        database=database.name,
        database_id=database.id,
        identity=identity.key if identity else database.identity,
        role=role,
        environment=database.environment.name,
        protected=protected(database),
    )
