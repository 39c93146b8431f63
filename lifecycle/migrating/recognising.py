"""Whose migrations a folder holds, for one database: by its shape and by the ledgers that are there."""

from __future__ import annotations

from lifecycle.migrating.ledgers import place_of
from lifecycle.migrating.planning import Subject
from lifecycle.sources.base import Folder, source_named
from lifecycle.sources.detection import detect
from lifecycle.sources.ledgers import ledgers_in
from opsconsole.engines.base import Engine
from opsconsole.models import Database


def recognise(
    database: Database, engine: Engine, brought: Folder, *, tool: str = "", path: str = "", said: str = ""
) -> Subject:
    """The tool and its folder within what was brought; `tool` and `path` are what somebody has said already.

    `said` is what was brought, in words. Raises Unclear where it has to be asked, Refused, Usage and TargetProblem.
    """
    with engine.script(read_only=True) as script:
        found = ledgers_in(script)
    detected = detect(brought, found, place_of(engine), tool=tool, path=path)
    return Subject(
        database=database,
        source=source_named(detected.tool),
        folder=detected.folder,
        because=detected.because,
        brought=said or f"{brought.name} ({brought.digest})",
        chosen={"path": detected.path, "tool": detected.tool},
    )
