"""Scratch copies to try migrations on: of a backup, or of the live database as it is now, which is only read.

They are built by the code that restores and drills use, on the same server or on a ground of the console's own, and
are gone afterwards, however the run ends.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lifecycle.backups import archives
from lifecycle.formats import format_of, formats_for
from lifecycle.formats.base import SCRATCH, Archive, Contents, Format
from lifecycle.models import Backup
from lifecycle.proving import grounds, verification
from opsconsole.engines import engine_class_for, open_engine
from opsconsole.engines.base import Engine, Identity
from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.engines.sqlite import SqliteEngine
from opsconsole.exceptions import Refused
from opsconsole.kinds import Run
from opsconsole.storage import FolderStore, disk_errors

SHARED = "shared"
LIVE_BYTES = 1 << 30  # a larger live database is not copied for a rehearsal: that is what backups are for

Fresh = Callable[[str], AbstractContextManager[Engine]]  # by flavour, a copy as it was restored


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Of what a copy is made: a backup (and the store in which it is read), or None for the live database."""

    backup: Backup | None
    store: str = ""


@contextmanager
def copies(run: Run, origin: Origin, where: str) -> Iterator[Fresh]:
    """A function that hands out the restored copy. PostgreSQL has one, which is used up; SQLite one a flavour.

    Raises OperationFailed, Refused, TargetProblem.
    """
    chosen, archive, contents = _archived(run, origin)
    engine_name = run.database(SHARED).engine
    with verification.place(run, engine_name, contents, where) as place:
        if refused := chosen.refusals(place, contents, method=SCRATCH, overwrite=True):
            raise Refused(*refused[0])
        try:
            prepared = chosen.prepare(place, archive, contents, run, method=SCRATCH)
            run.failpoint("rehearse.restored")
            yield _server(place, prepared.name) if isinstance(place, PostgresEngine) else _files(place, prepared.name)
        finally:
            chosen.clean_up(place, run.operation_id, run.fence)


@contextmanager
def empty(run: Run, identity: Identity, engine_name: str) -> Iterator[Engine]:
    """An empty database of the same vendor and version, on a ground of the console's own. Raises Refused."""
    contents = empty_contents(identity, engine_name)
    with verification.place(run, engine_name, contents, "") as place:
        yield place


def empty_contents(identity: Identity, engine_name: str) -> Contents:
    """What a ground has to hold when nothing is restored on it."""
    source = {"engine": engine_name, "version_number": identity.version_number, "extensions": {}, "size_bytes": 0}
    return Contents(format="", format_version=1, objects=(), tables=(), schema_fingerprint="", source=source)


def _archived(run: Run, origin: Origin) -> tuple[Format, Archive, Contents]:
    part = f"{run.operation_id}.{run.fence}"
    if origin.backup is not None:
        found = archives.find(origin.backup, store=origin.store, part=part)
        if found.said:
            run.log(found.said)
        manifest = archives.read_for(origin.backup, found.manifest)
        return format_of(manifest.engine, manifest.contents.format), found.archive, manifest.contents
    live = run.engine(SHARED)
    chosen = formats_for(live.name)[0]
    run.log("Reading the live database into a copy of this run alone.")
    archive = Archive(store=FolderStore(run.workdir / "live"), folder="copy", part=part)
    return chosen, archive, chosen.write(live, archive, run)


def _server(place: PostgresEngine, name: str) -> Fresh:
    @contextmanager
    def fresh(flavour: str) -> Iterator[Engine]:
        yield place.beside(name)

    return fresh


def _files(place: Engine, name: str) -> Fresh:
    """Each flavour has a file of its own, made from the restored one and removed after use."""
    assert isinstance(place, SqliteEngine)
    with place.spot() as spot:
        folder = Path(spot.folder)

    @contextmanager
    def fresh(flavour: str) -> Iterator[Engine]:
        path = folder / f"rehearsed-{flavour}.sqlite"
        try:
            with disk_errors(str(path)):
                shutil.copyfile(folder / name, path)
            address = engine_class_for("sqlite:").parse(f"sqlite:///{path}", roots=[folder])
            yield open_engine(address, place.session_label)
        finally:
            for left in folder.glob(f"{path.name}*"):
                left.unlink(missing_ok=True)

    return fresh


def clean_up(operation_id: int, fence: int, engine: Engine | None) -> None:
    """Remove what a killed run left, here and beside the live database."""
    grounds.remove(operation_id, fence)
    if engine is not None:
        for chosen in formats_for(engine.name):
            chosen.clean_up(engine, operation_id, fence)
