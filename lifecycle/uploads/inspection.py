"""From raw files to a document: the child reads, its document goes into the store, and what was found is recorded."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import transaction

from lifecycle.backups import archives
from lifecycle.backups.manifest import contents_from
from lifecycle.documents import inspecting
from lifecycle.documents.base import Document, Problem, Summary, refusing, summary_json
from lifecycle.documents.inspecting import GivenFile, Inspected
from lifecycle.documents.normalised import TableFile
from lifecycle.documents.stored import open_stored
from lifecycle.formats.base import Archive, Contents, StoredObject, TableContent
from lifecycle.models import Inspection, Upload
from lifecycle.uploads import listing
from opsconsole import age_keys, audit
from opsconsole.clock import now
from opsconsole.exceptions import OperationFailed, Refused
from opsconsole.kinds import Run
from opsconsole.models import Operation
from opsconsole.plans import canonical_json, digest_of
from opsconsole.storage import chunks_of

FORMAT = "document"
DECRYPT = "Decrypt it with its key (age -d -i KEY), then bring what comes out; the console takes no key for uploads."
NOT_ITS_FAULT = frozenset({"disk_full", "disk_failed", "no_permission"})  # failures that say nothing of the files
LOCKED = frozenset({"identity_needed", "not_decrypted"})  # another key may open them


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a run found: the summary, and the stored document unless the files cannot be used."""

    summary: Summary
    key: str = ""
    contents: Contents | None = None


def inspect(run: Run, upload: Upload) -> Found:
    """Have the files read and put the document into the store. Raises Cancelled, Refused, OperationFailed.

    Files that cannot be used are no failure: the summary then says why.
    """
    listing.refuse_gone(upload)
    raw, work = run.workdir / "raw", run.workdir / "document"
    for folder in (raw, work):
        folder.mkdir(mode=0o700)
    given = [_fetch(run, upload, number, raw) for number in range(len(upload.files))]
    try:
        inspected = inspecting.inspect(given, work, identities=_keys_for(given), run=run)
    except OperationFailed as error:
        if error.code in NOT_ITS_FAULT | LOCKED:
            raise
        return Found(summary=_unusable(error))
    finally:
        shutil.rmtree(raw, ignore_errors=True)
    if refusing(inspected.summary.problems):
        return Found(summary=inspected.summary)
    return _store(run, upload, inspected)


@transaction.atomic
def record(operation_id: int, upload: Upload, found: Found) -> Inspection:
    """The row and the event of an inspection that came to its end; the same row when it is there already."""
    known = Inspection.objects.filter(upload=upload).first()
    if known is not None:
        return known
    summary, contents = summary_json(found.summary), asdict(found.contents) if found.contents else {}
    readable = found.contents is not None
    row = Inspection.objects.create(
        upload=upload,
        operation_id=operation_id,
        readable=readable,
        key=found.key,
        summary=summary,
        contents=contents,
        document_sha256=digest_of(canonical_json({"summary": summary, "contents": contents})),
        inspected_at=now(),
    )
    Upload.objects.filter(pk=upload.pk).update(state=Upload.State.READABLE if readable else Upload.State.REFUSED)
    audit.record(
        "upload.inspected",
        operation=Operation.objects.get(pk=operation_id),
        database=upload.database,
        subject=f"upload {upload.pk}",
        reason="" if readable else refusing(found.summary.problems)[0].text,
        data={
            "upload": upload.pk,
            "document": row.document_sha256,
            "verdict": "readable" if readable else "refused",
            "format": found.summary.format,
            "tables": len(found.summary.tables),
            "rows": found.summary.rows,
        },
    )
    return row


def document_of(upload: Upload, workdir: Path | None = None) -> Document:
    """The document of a readable upload; `workdir` as for `open_stored`.

    Raises Refused: upload_gone, not_inspected, upload_refused.
    """
    row = sound(upload)
    archive = Archive(store=archives.store(), folder=row.key)
    return open_stored(archive, contents_from(row.contents), summary=row.read_summary(), workdir=workdir)


def sound(upload: Upload) -> Inspection:
    """The inspection of an upload that can be used. Raises Refused, or OperationFailed when its row was changed."""
    listing.refuse_gone(upload)
    row = Inspection.objects.filter(upload=upload).first()
    if row is None:
        raise Refused(
            "not_inspected", f"Upload {upload.pk} was not inspected yet.", "Wait for its inspection; see its page."
        )
    if not row.readable:
        problem = refusing(row.read_summary().problems)[0]
        raise Refused("upload_refused", f"Upload {upload.pk} cannot be used: {problem.text}", problem.next_step)
    if row.document_sha256 != digest_of(canonical_json({"summary": row.summary, "contents": row.contents})):
        raise OperationFailed(
            "document_damaged", f"What is recorded of upload {upload.pk} was changed.", "Bring the files again."
        )
    return row


def sweep(upload: Upload, operation_id: int, fence: int) -> None:
    """Remove what an inspection that did not come to its end left, and let the upload be inspected again."""
    if Inspection.objects.filter(operation_id=operation_id).exists():
        return
    store = archives.store()
    for number in range(1, fence + 1):
        folder = _folder(upload, operation_id, number)
        store.sweep(folder, part=f"{operation_id}.{number}")
        for key in store.keys(folder):
            store.delete(key)
        store.remove_folder(folder)
    Upload.objects.filter(pk=upload.pk, state=Upload.State.INSPECTING).update(state=Upload.State.RECEIVED)


def _folder(upload: Upload, operation_id: int, fence: int) -> str:
    return f"{upload.key}/document-{operation_id}-{fence}"


def _fetch(run: Run, upload: Upload, number: int, folder: Path) -> GivenFile:
    """One raw file as a file of this machine, its hash compared on the way."""
    facts, path = upload.files[number], folder / f"{number + 1:04}"
    total = hashlib.sha256()
    with _raw(upload, facts["key"]) as stream, path.open("wb") as sink:
        for piece in chunks_of(stream):
            run.check_cancel()
            total.update(piece)
            sink.write(piece)
    if f"sha256:{total.hexdigest()}" != facts["sha256"]:
        raise OperationFailed(
            "upload_damaged", f"The file {facts['name']} is not the one that was brought.", "Bring the files again."
        )
    return GivenFile(name=facts["name"], path=path)


@contextlib.contextmanager
def _raw(upload: Upload, key: str) -> Iterator[IO[bytes]]:
    try:
        stream = archives.store().open(f"{upload.key}/{key}")
    except FileNotFoundError:
        raise OperationFailed(
            "upload_damaged", f"The store has no files of upload {upload.pk}.", "Bring the files again."
        ) from None
    with stream:
        yield stream


def _keys_for(given: Sequence[GivenFile]) -> list[str]:
    """The private keys at hand, where the files may be encrypted: else no key goes near them."""
    return list(age_keys.at_hand(settings.OPSCONSOLE_HOME).values()) if inspecting.may_be_encrypted(given) else []


def _store(run: Run, upload: Upload, inspected: Inspected) -> Found:
    folder, summary = _folder(upload, run.operation_id, run.fence), inspected.summary
    archive = Archive(store=archives.store(), folder=folder, part=f"{run.operation_id}.{run.fence}")
    objects, tables = [], []
    for number, (table, file) in enumerate(zip(summary.tables, inspected.files, strict=True), 1):
        run.check_cancel()
        run.progress(number, len(summary.tables), "tables", step="Keeping the document")
        key = f"tables/{number:04}.zst"
        objects.append(_copy(archive, inspected.folder / file.name, file, key))
        tables.append(
            TableContent(
                name=table.name, rows=table.rows, digest=file.plain_sha256, objects=(key,), columns=table.columns
            )
        )
    contents = Contents(
        format=FORMAT,
        format_version=1,
        objects=tuple(objects),
        tables=tuple(tables),
        schema_fingerprint="",
        source={"upload": upload.pk, "digest": upload.digest},
    )
    return Found(summary=summary, key=folder, contents=contents)


def _copy(archive: Archive, path: Path, file: TableFile, key: str) -> StoredObject:
    """One table's rows into the store. What the child says of them is compared here, and again by whoever reads."""
    total = hashlib.sha256()
    with path.open("rb") as stream, archive.store.create(archive.key(key), part=archive.part) as writer:
        for piece in chunks_of(stream):
            total.update(piece)
            writer.write(piece)
        if f"sha256:{total.hexdigest()}" != file.sha256:
            raise OperationFailed("document_damaged", "The document changed while it was kept.", "Inspect it again.")
        writer.publish()
    return StoredObject(
        key=key,
        size=file.size,
        sha256=file.sha256,
        plain_size=file.plain_size,
        plain_sha256=file.plain_sha256,
        compression="zstd",
    )


def _unusable(error: OperationFailed) -> Summary:
    step = DECRYPT if error.code == "identity_needed" else error.next_step
    problem = Problem(level="error", code=error.code, text=error.why, next_step=step)
    return Summary(format="", label="", tables=(), problems=(problem,))
