"""What lies in a store and is not listed here: looking at it, and listing it.

A console that lost its database, or a new one, is pointed at a store. Every backup there tells of itself in its signed
manifest. What is signed by this console, or by one whose key was trusted, and is whole, can be listed and then be
restored like any other; the rest is told with the reason and left as it is. Nothing in the store is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from lifecycle.backups import archives, manifest
from lifecycle.backups.manifest import MANIFEST_NAME, Manifest, rfc3339
from lifecycle.formats import format_of
from lifecycle.formats.base import PART, TWIN, Archive
from lifecycle.models import Backup, BackupCopy
from lifecycle.models.backups import UNDATED
from opsconsole import audit, stores
from opsconsole.clock import now
from opsconsole.exceptions import OperationFailed, OpsError
from opsconsole.instance import instance_id
from opsconsole.models import Database, Operation
from opsconsole.stores import checking

MOST = 500  # backups that one change lists; the next one lists more
MOST_MANIFEST_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One folder of a store. `state` is new, copy (of a backup that is listed), listed or refused, with the reason.

    `facts` are the columns of the row that it would become; JSON.
    """

    folder: str
    state: str
    database: str = ""  # the name here
    reason: str = ""
    next_step: str = ""
    facts: Mapping[str, Any] | None = None

    @property
    def digest(self) -> str:
        return str((self.facts or {}).get("manifest_sha256", ""))


def look(name: str, renamed: Mapping[str, str] | None = None) -> list[Entry]:
    """Every backup folder of a store, by name. `renamed` are databases that have another name here: {theirs: ours}.

    Raises Usage for an unknown store, or OperationFailed when it does not answer.
    """
    checking.require_answer(name)
    opened = stores.reading(name)
    here = {row.name: row for row in Database.objects.filter(removed_at=None)}
    listed = {(row.key, row.manifest_sha256): row for row in Backup.objects.prefetch_related("copies")}
    return [
        _entry(Archive(store=opened, folder=folder), name, here, listed, renamed or {})
        for folder in opened.folders("backups", depth=2)
    ]


def _entry(
    archive: Archive,
    store: str,
    here: Mapping[str, Database],
    listed: Mapping[tuple[str, str], Backup],
    renamed: Mapping[str, str],
) -> Entry:
    try:
        made = _read(archive)
        known = listed.get((archive.folder, made.digest))
        if known is not None:
            there = any(copy.store == store and copy.state != BackupCopy.State.MISSING for copy in known.copies.all())
            return Entry(folder=archive.folder, state="listed" if there else "copy", database=known.database.name,
                         facts={"backup": known.pk, "manifest_sha256": made.digest})  # fmt: skip
        database = _database(made, here, renamed)
    except OpsError as error:
        return Entry(folder=archive.folder, state="refused", reason=error.why, next_step=error.next_step)
    facts, reason = _facts(made), ""
    if facts["started_at"] != made.started_at:
        reason = f"Its manifest says {made.started_at}, which is still to come, so nobody knows when it was taken."
    return Entry(folder=archive.folder, state="new", database=database.name, facts=facts, reason=reason)


def _read(archive: Archive) -> Manifest:
    """The manifest of a folder, believed, at its place, and with every object. Raises OperationFailed."""
    key = archive.key(MANIFEST_NAME)
    sizes = archive.store.sizes(archive.folder)
    if key not in sizes:
        raise _refused("incomplete", "It has no manifest: it was never finished, or its manifest was removed.")
    if sizes[key] > MOST_MANIFEST_BYTES:
        raise _refused("manifest_damaged", "Its manifest is larger than any of ours.")
    with archive.store.open(key) as stream:
        made = manifest.read(stream.read(), archives.believed_keys())
    if made.backup != archive.folder:
        raise _refused("manifest_swapped", f"Its manifest is that of {made.backup}, and was put here by somebody.")
    lacking = [item.key for item in made.contents.objects if sizes.get(archive.key(item.key)) != item.size]
    if lacking:
        raise _refused("incomplete", f"{len(lacking)} of its objects are gone or have another size, like {lacking[0]}.")
    format_of(made.engine, made.contents.format)
    return made


def _other_name(made: Manifest) -> str:
    return f"{made.database}=NAME (on the command line: --as {made.database}=NAME)"


def _database(made: Manifest, here: Mapping[str, Database], renamed: Mapping[str, str]) -> Database:
    name = renamed.get(made.database, made.database)
    found = here.get(name)
    if found is None:
        raise OperationFailed(
            "unknown_database", f"It is of {made.database}, and there is no database {name} here.",
            f"Register it, or say which one it is here: {_other_name(made)}.",
        )  # fmt: skip
    if found.engine != made.engine:
        raise OperationFailed(
            "wrong_engine", f"It is of {made.engine}, and {name} here is {found.engine}.",
            f"Say which database it is here: {_other_name(made)}.",
        )  # fmt: skip
    return found


def _refused(code: str, why: str) -> OperationFailed:
    return OperationFailed(code, why, "It is left as it is. Look at it there, or restore another one.")


def _facts(made: Manifest) -> dict[str, Any]:
    safety, moments = "-safety" in made.backup, (made.started_at, made.finished_at)
    if any(datetime.fromisoformat(moment) > now() for moment in moments):  # it must not pass for the newest one
        moments = (rfc3339(UNDATED), rfc3339(UNDATED))
    return {
        "console": "" if made.console == instance_id() else made.console,
        "recipients": " ".join(made.public_keys),
        "part": str(made.contents.source.get(PART, "")), "twin": str(made.contents.source.get(TWIN, "")),
        "purpose": str(Backup.Purpose.SAFETY if safety else Backup.Purpose.REQUESTED),
        "format": made.contents.format, "engine": made.engine, "server_version": made.server_version,
        "identity": made.target_identity, "incarnation": made.target_incarnation,
        "schema_fingerprint": made.contents.schema_fingerprint, "manifest_sha256": made.digest,
        "tables": len(made.contents.tables), "rows": made.rows, "stored_bytes": made.stored_bytes,
        "plain_bytes": made.plain_bytes, "started_at": moments[0], "finished_at": moments[1],
        "checks": [{"level": made.verified, "at": made.verified_at, "ok": True,
                    "detail": "read through in full by the console that made it"}],
    }  # fmt: skip


def to_list(entries: list[Entry]) -> list[Entry]:
    """Those that a change would list, the newest MOST of them."""
    fresh = [entry for entry in entries if entry.state in ("new", "copy")]
    return sorted(fresh, key=lambda entry: str((entry.facts or {}).get("started_at", "")), reverse=True)[:MOST]


def as_json(entry: Entry) -> dict[str, Any]:
    return asdict(entry)


def adopt(operation: Operation, store: str, entries: list[Mapping[str, Any]]) -> Iterator[int]:
    """List what a confirmed change carries; gives back the ids. What was listed meanwhile is left as it is."""
    for entry in entries:
        if entry["state"] == "copy":
            yield from _adopt_copy(operation, store, entry)
        else:
            yield from _adopt_new(operation, store, entry)


def _adopt_copy(operation: Operation, store: str, entry: Mapping[str, Any]) -> Iterator[int]:
    row = Backup.objects.get(pk=entry["facts"]["backup"])
    copy, _ = BackupCopy.objects.get_or_create(
        backup=row, store=store, defaults={"state": BackupCopy.State.MISSING, "made_at": None}
    )
    if copy.state == BackupCopy.State.MISSING:
        BackupCopy.objects.filter(pk=copy.pk).update(state=BackupCopy.State.GOOD, made_at=row.finished_at, problem="")
        data = {"backup": row.pk, "manifest": row.manifest_sha256, "bytes": row.stored_bytes, "store": store}
        audit.record("backup.copied", operation=operation, database=row.database, subject=f"backup {row.pk}", data=data)
        yield row.pk


def _adopt_new(operation: Operation, store: str, entry: Mapping[str, Any]) -> Iterator[int]:
    facts = dict(entry["facts"])
    if Backup.objects.filter(key=entry["folder"], console=facts["console"]).exists():
        return
    database = Database.objects.get(name=entry["database"])
    moments = {name: datetime.fromisoformat(facts.pop(name)) for name in ("started_at", "finished_at")}
    twin = facts.pop("twin")
    row = Backup.objects.create(key=entry["folder"], database=database, operation=operation, **facts, **moments)
    BackupCopy.objects.create(
        backup=row, store=store, state=BackupCopy.State.GOOD, made_at=row.finished_at if row.is_dated else now()
    )
    other = Backup.objects.filter(key=twin, console=row.console, database=database).first() if twin else None
    if other is not None:
        Backup.objects.filter(pk=other.pk).update(twin=row)
        Backup.objects.filter(pk=row.pk).update(twin=other)
    audit.record(
        "backup.adopted", operation=operation, database=database, subject=f"backup {row.pk}",
        data={"backup": row.pk, "manifest": row.manifest_sha256, "rows": row.rows, "bytes": row.stored_bytes,
              "purpose": row.purpose, "store": store, "console": row.console, "key": row.key},
    )  # fmt: skip
    yield row.pk
