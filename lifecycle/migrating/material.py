"""The folder that a request is about, brought or on the server, and whose tool's it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lifecycle.migrating import folders
from lifecycle.migrating.planning import Subject
from lifecycle.migrating.recognising import recognise
from lifecycle.models import MigrationFolder
from lifecycle.sources import base
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Usage
from opsconsole.kinds import Afterwards, Errand, Request
from opsconsole.models import Account, Database

OFFERED = 20
MOST_TEXT = 4 << 20  # bytes of a file of SQL that is given beside the folder


def subject_of(request: Request, engine: Engine) -> Subject:
    """Whose migrations, out of which folder. Raises Usage, Refused, or detection.Unclear with the question."""
    given = request.parameters
    if given["root"] and given["brought"]:
        raise Usage("two_folders", "A brought folder and one on the server were given.", "Give one of them.")
    if given["root"]:
        number, folder = "", folders.read_root(request.database, given["root"])
        said = f"{given['root']} on the server, {folder.digest}"
    else:
        row = folders.find(request.database, given["brought"])
        number, folder = str(row.pk), folders.open_folder(row)
        said = f"folder {row.pk} ({row.name}), {row.digest}"
    found = recognise(request.database, engine, folder, tool=given["tool"], path=given["path"], said=said)
    return replace(found, chosen={**found.chosen, "brought": number})


def bring(database: Database, given: Mapping[str, str], account: Account) -> Errand:
    """Bring what `folder` names on the command line's machine; then it is one like any other."""
    if not given.get("folder"):
        return Errand(parameters=given)
    if given.get("brought") or given.get("root"):
        raise Usage("two_folders", "A folder of this machine is used instead of another one.", "Give one of them.")
    row = folders.from_path(database, Path(given["folder"]), account)
    kept = {name: value for name, value in given.items() if name != "folder"}
    return Errand(parameters=kept | {"brought": str(row.pk)})


def text_of(path: Path) -> str:
    """A file of SQL on the command line's machine, as a plan takes it along. Raises Usage."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_TEXT + 1)
        if len(data) > MOST_TEXT:
            raise Usage("too_large", f"{path} has more than {MOST_TEXT >> 20} MiB.", "Leave rows out, or import them.")
        return data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Usage("no_file", f"{path} cannot be read as text: {error}.", "Look at its name and rights.") from error


def suggestions(parameter: str, database: Database) -> tuple[tuple[str, str], ...]:
    """Folders that were brought for the database, newest first; and the tools there are."""
    if parameter == "tool":
        return (("", "found out from the folder and the database"), *((s.name, s.label) for s in _tools(database)))
    if parameter != "brought":
        return ()
    rows = MigrationFolder.objects.filter(database=database, state=MigrationFolder.State.KEPT)[:OFFERED]
    return (
        ("", "the one that was brought last"),
        *((str(row.pk), f"{row.name}, {row.files} files, {row.received_at:%Y-%m-%d %H:%M} UTC") for row in rows),
    )


def invitation(database: Database) -> tuple[Afterwards, ...]:
    """Where folders are brought and stand beside the ledger."""
    where = f"/databases/{database.name}/migrations/"
    sentence = "Is the folder not here yet, or do you want to see first how it stands?"
    return (Afterwards(sentence=sentence, link=where, link_text="Look at the migrations"),)


def _tools(database: Database) -> list[base.Source]:
    return [source for source in base.every() if database.engine in source.engines]
