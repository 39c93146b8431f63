"""Of what a rehearsal's copy is made, and where: decided when it is planned, refused where neither fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lifecycle.backups import archives, choices
from lifecycle.formats import format_of, formats_for
from lifecycle.formats.base import SCRATCH, Contents
from lifecycle.models import Backup
from lifecycle.proving import grounds
from lifecycle.proving.drills import OWN, SAME_SERVER
from lifecycle.rehearsing import reach
from lifecycle.rehearsing.copies import LIVE_BYTES, Origin, empty_contents
from lifecycle.sources.acts import Unit
from opsconsole.engines.base import Engine
from opsconsole.exceptions import OpsError, Refused, Usage
from opsconsole.models import Database

BACKUP, LIVE = "backup", "live"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the copy is built, and why there in words ("" where there was no choice)."""

    where: str
    why: str = ""


def origin_of(database: Database, engine: Engine, wanted: str, number: str, store: str) -> tuple[Origin, str]:
    """Of what the copy is made, and in words why. `wanted` is backup, live or "" for whichever fits.

    A backup fits when its schema is that of the live database: on an older one, other migrations would be missing.
    """
    if wanted == LIVE:
        _require_small(engine)
        return Origin(backup=None), "the live database as it is now"
    try:
        backup = choices.choose(database, number)
    except Usage:
        if wanted or number != "latest" or engine.size_bytes() > LIVE_BYTES:
            raise
        return Origin(backup=None), "the live database as it is now, for there is no backup"
    if backup.schema_fingerprint == engine.schema_fingerprint():
        return Origin(backup=backup, store=store), _told(backup)
    if not wanted and number == "latest" and engine.size_bytes() <= LIVE_BYTES:
        why = f"for the schema has changed since backup {backup.pk}"
        return Origin(backup=None), f"the live database as it is now, {why}"
    raise Refused(
        "other_schema",
        f"Backup {backup.pk} has another schema than the live database, so the migrations would meet another one.",
        "Take a fresh backup, then rehearse again.",
    )


def place_of(engine: Engine, contents: Contents, units: Sequence[Unit], wanted: str) -> Place:
    """Where the copy is built. Raises Refused when it can be neither there nor elsewhere."""
    if engine.name == "sqlite":
        return Place(where=OWN)
    outward = sorted(reach.OUTWARD & set(contents.source.get("extensions", {})))
    if outward:
        raise Refused(
            "reaches_out",
            f"Functions of the database may reach other systems by its extension {outward[0]}, also from a copy.",
            "Rehearse it by hand on a machine that reaches nothing, or migrate with a safety backup.",
        )
    reason = _why_not_beside(engine, contents, units)
    if not reason and wanted != OWN:
        return Place(where=SAME_SERVER, why="on the same server, in a database that nobody else may enter")
    if wanted == SAME_SERVER:
        raise Refused("not_beside", reason, "Let it be rehearsed on a server of the console's own.")
    if refused := grounds.refusals(engine.name, contents):
        code, why, step = refused[0]
        raise Refused(code, f"{why} And the same server cannot be used: {reason}" if reason else why, step)
    return Place(where=OWN, why=f"on a server of the console's own{f': {reason}' if reason else ''}")


def contents_of(engine: Engine, origin: Origin) -> Contents:
    """What is known of the copy before it is made. Raises OperationFailed for a backup that cannot be read."""
    if origin.backup is not None:
        return archives.manifest_of(origin.backup, store=origin.store).contents
    bare = empty_contents(engine.identity(), engine.name)
    return bare if engine.name == "sqlite" else _as_live(engine, bare)


def _as_live(engine: Engine, bare: Contents) -> Contents:
    with engine.script(read_only=True) as script:
        extensions = {str(name): str(version) for name, version in script.ask(_EXTENSIONS)}
    facts = {"extensions": extensions, "size_bytes": engine.size_bytes(), "engine": engine.name}
    return replace(bare, format=formats_for(engine.name)[0].name, source={**bare.source, **facts})


_EXTENSIONS = "SELECT extname::text, extversion FROM pg_extension WHERE extname <> 'plpgsql'"


def _why_not_beside(engine: Engine, contents: Contents, units: Sequence[Unit]) -> str:
    texts = [act.sql for unit in units for act in unit.scripts]
    if why := reach.beyond(texts):
        return f"{why}."
    chosen = format_of(engine.name, contents.format)
    try:
        return chosen.why_no_scratch(engine) or _refused(engine, contents)
    except OpsError as problem:
        return problem.why


def _refused(engine: Engine, contents: Contents) -> str:
    """Why a backup cannot be restored there; nothing is known of a live copy beforehand."""
    if not contents.objects:
        return ""
    refused = format_of(engine.name, contents.format).refusals(engine, contents, method=SCRATCH, overwrite=True)
    return refused[0][1] if refused else ""


def _require_small(engine: Engine) -> None:
    if engine.size_bytes() > LIVE_BYTES:
        raise Refused(
            "too_large",
            f"The live database has {engine.size_bytes() >> 20} MiB; up to {LIVE_BYTES >> 20} MiB are copied.",
            "Rehearse on a backup.",
        )


def _told(backup: Backup) -> str:
    return f"backup {backup.pk}, taken {backup.started_at:%Y-%m-%d %H:%M} UTC, {backup.rows} rows"
