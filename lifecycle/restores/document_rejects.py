"""Rows of a document that did not fit: kept like a patch, counted, and downloaded by the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifecycle import patches
from lifecycle.formats.base import Contents, StoredObject, TableContent
from lifecycle.loading import RejectObject
from lifecycle.models import Patch
from lifecycle.patches import Place, listing
from opsconsole.engines.base import Engine

OBJECT = "rejected.jsonl.zst"


def place_for(place: Place) -> RejectObject:
    """Where a load writes the rows that do not fit."""
    return RejectObject(archive=place.writing, key=OBJECT)


def keep(place: Place, engine: Engine, facts: Mapping[str, Any]) -> Patch | None:
    """List the rows that a load has rejected, None when there were none. `facts` are those of the load."""
    if facts.get("rejects"):
        stored = _object(facts["rejects"])
        rows = {name: each["rejected"] for name, each in facts["tables"].items() if each["rejected"]}
        _seal(place, engine, stored, rows)
    return listing.enlist(place)


def _object(raw: Mapping[str, Any]) -> StoredObject:
    return StoredObject(**{**raw, "chunks": tuple(raw["chunks"])})


def _seal(place: Place, engine: Engine, stored: StoredObject, rows: Mapping[str, int]) -> None:
    tables = tuple(
        TableContent(name=name, rows=count, digest=stored.plain_sha256, objects=(stored.key,))
        for name, count in rows.items()
    )
    contents = Contents(
        format=patches.REJECTED,
        format_version=1,
        objects=(stored,),
        tables=tables,
        schema_fingerprint=engine.schema_fingerprint(),
        source={"engine": engine.name},
    )
    patches.seal(place, engine, contents)
