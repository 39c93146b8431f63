"""The schema that a whole folder builds, kept by the rehearsal that built it on an empty database."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from lifecycle.models import Rehearsal
from opsconsole.engines.base import Engine
from opsconsole.heads import Head
from opsconsole.models import Database

LOOKED_BACK = 20  # rehearsals from nothing
_PART = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')


def built_by(engine: Engine, definitions: Collection[str]) -> dict[str, Any]:
    """What is in that database, as JSON; `definitions` are the names of `Engine.definitions`."""
    relations = engine.structure().relations
    constraints = {each.removeprefix("constraint ").rpartition(" on ")[0] for each in definitions}
    names = [each.removeprefix("index ") for each in definitions if each.startswith("index ")]
    return {
        "tables": {
            name: [[field.name, field.type] for field in relation.fields]
            for name, relation in relations.items()
            if relation.whole in ("", name)
        },
        "indexes": sorted(_bare(name, engine) for name in names if name not in constraints),
    }


def newest(database: Database) -> Head | None:
    """What the newest rehearsal from nothing built that did not fail."""
    rows = Rehearsal.objects.filter(database=database, mode=Rehearsal.Mode.FRESH)
    for row in rows[:LOOKED_BACK]:
        if built := row.report.get("built"):
            return Head(
                words=f"rehearsal {row.pk}, which built its whole folder on an empty database",
                link=row.get_absolute_url(),
                at=row.rehearsed_at,
                tables={name: tuple((one, kind) for one, kind in found) for name, found in built["tables"].items()},
                indexes=tuple(built["indexes"]),
            )
    return None


def _bare(name: str, engine: Engine) -> str:
    """An index's own name; PostgreSQL's has its schema in front, and quotes where it needs them."""
    if engine.name != "postgresql":
        return name
    *_, (quoted, plain) = _PART.findall(name)
    return quoted.replace('""', '"') or plain
