"""How a restore of data is asked for: its settings, which of them a form shows, and files of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from django.db.models import QuerySet

from lifecycle.encryption.unlocking import IDENTITY
from lifecycle.models import Backup, Inspection, Upload
from lifecycle.restores.document_questions import ACCEPT
from lifecycle.restores.document_sources import PORTABLE
from lifecycle.uploads import bringing, listing
from opsconsole import operations
from opsconsole.exceptions import Usage
from opsconsole.kinds import Afterwards, Errand, Parameter
from opsconsole.models import Account, Database, Operation, Token
from opsconsole.states import OPEN

OFFERED = 30
MODE = Parameter(
    name="mode",
    label="How the rows go in",
    choices=(
        ("", "not at all: a whole backup takes the place of everything"),
        ("replace", "replace: empty the tables that it holds, then insert"),
        ("merge", "merge: insert, or update rows with the same key"),
    ),
    help="replace or merge, for the rows of an upload or of a portable backup",
)
UPLOAD = Parameter(name="upload", label="Upload", help="the number of an upload, instead of a backup")
FILE = Parameter(
    name="file", label="File", local=True, help="a file or folder of this machine, which is brought as an upload first"
)
REJECTS = Parameter(
    name="rejects",
    label="Rows that do not fit",
    choices=(("", "stop: nothing is changed"), ("file", "file: leave them out, and keep them in a file")),
    help="stop, or file: they are counted, kept with the reason, and can be downloaded",
)
DOCUMENT_PARAMETERS = (UPLOAD, FILE, MODE, REJECTS, ACCEPT)
OF_DOCUMENTS = ("mode", "rejects", "accept")
OF_UPLOADS = ("upload", *OF_DOCUMENTS)
OF_BACKUPS = ("backup", "source", "method", "overwrite", "patch", IDENTITY.name)


def refuse_settings(parameters: Mapping[str, str]) -> None:
    """Raise Usage for settings that mean nothing for a backup that is restored as a whole."""
    if given := [name for name in OF_DOCUMENTS if parameters[name]]:
        raise Usage(
            "not_for_this",
            f"The backup is restored as a whole, with its schema, so {given[0]} means nothing for it.",
            f"Leave {given[0]} empty, or choose an upload or a portable backup.",
        )


def refuse_whole(parameters: Mapping[str, str]) -> None:
    """Raise Usage for settings that mean nothing for a document."""
    if given := [name for name in ("method", "overwrite", "patch") if parameters[name]]:
        raise Usage(
            "not_for_this",
            f"A document goes into the tables that are there, so {given[0]} means nothing for it.",
            f"Leave {given[0]} empty.",
        )


def fields(every: tuple[Parameter, ...], database: Database, given: Mapping[str, str]) -> tuple[Parameter, ...]:
    """Those that fit what is to be restored: an upload, or a backup, among which may be portable ones."""
    if given.get("upload"):
        wanted: tuple[str, ...] = OF_UPLOADS
    elif Backup.objects.present().filter(database=database, format=PORTABLE).exists():
        wanted = OF_BACKUPS + OF_DOCUMENTS
    else:
        wanted = OF_BACKUPS
    return tuple(parameter for parameter in every if parameter.name in wanted)


def suggestions(visible: QuerySet[Database]) -> tuple[tuple[str, str], ...]:
    """Readable uploads for any database that the account may see, as (value, label)."""
    rows = Upload.objects.filter(state=Upload.State.READABLE, database__in=visible).select_related("database")
    return tuple((str(row.pk), f"upload {row.pk}, {row.title}, for {row.database.name}") for row in rows[:OFFERED])


def invitation(database: Database) -> Afterwards:
    """Where to bring a file, for somebody who looks at the form without one."""
    return Afterwards(
        sentence="Is what you want to restore in a file of another tool?",
        link=f"/databases/{database.name}/upload/",
        link_text="Upload a file",
    )


def bring(database: Database, given: Mapping[str, str], account: Account, token: Token | None) -> Errand:
    """Bring what `file` names, unless it was brought, and have it inspected; then it is an upload like any other."""
    if not given.get("file"):
        return Errand(parameters=given)
    if given.get("upload") or given.get("backup"):
        raise Usage("two_sources", "A file is restored instead of a backup or an upload.", "Give one of them.")
    path = Path(given["file"])
    upload = bringing.brought_already(database, path, account) or bringing.from_path(database, path, account)
    wanted = {name: value for name, value in given.items() if name != "file"} | {"upload": str(upload.pk)}
    return Errand(parameters=wanted, first=_inspection(upload, account, token))


def _inspection(upload: Upload, account: Account, token: Token | None) -> Operation | None:
    """What has to end before it can be planned: the inspection under way, or one asked for now; None after one."""
    if Inspection.objects.filter(upload=upload).exists():
        return None
    last = listing.last_inspection(upload)
    if last is not None and last.state in OPEN:
        return last
    return operations.request("inspect", upload.database, {"upload": str(upload.pk)}, account=account, token=token)
