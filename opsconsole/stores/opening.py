"""From the name of a store to the store itself.

A store that this console writes to carries its mark, as its own folder does (see installation.py): two consoles that
wrote to one would count their operations over each other. So the first write puts the mark, and whoever finds another
one, or none where there was one (a folder that is not mounted), writes nothing.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from opsconsole.ciphers import field_cipher
from opsconsole.exceptions import OperationFailed, Refused, Usage
from opsconsole.instance import instance_id
from opsconsole.models import Environment, Store
from opsconsole.storage import FolderStore
from opsconsole.storage import Store as Opened

LOCAL = "local"
MARK = ".console"
# Whoever names a store and a variable has its value sent there: only these are meant for that, never keys of ours.
VARIABLE = re.compile(r"(AWS|S3|STORE)_[A-Z0-9_]{1,75}")


def known() -> list[str]:
    """The names of all stores that are in use, `local` first."""
    return [LOCAL, *Store.objects.filter(retired_at=None).values_list("name", flat=True)]


def writable_names() -> list[str]:
    """Those that take backups."""
    return [LOCAL, *Store.objects.filter(retired_at=None, writable=True).values_list("name", flat=True)]


def row_called(name: str) -> Store:
    """The row of a store that is in use. Raises Usage; `local` has none."""
    found = Store.objects.filter(name=name, retired_at=None).first()
    if found is None:
        raise Usage("unknown_store", f"There is no store called {name!r}.", f"There are: {', '.join(known())}.")
    return found


def names_for(environment: Environment) -> tuple[str, ...]:
    """Where backups of an environment's databases go: the first takes them, the others get a copy."""
    if environment.stores:
        return tuple(environment.stores)
    found = Store.objects.filter(is_default=True, retired_at=None).values_list("name", flat=True).first()
    return (found or LOCAL,)


def reading(name: str) -> Opened:
    """The store of that name, to read. Raises Usage, or OperationFailed when it is not where it should be."""
    return FolderStore(settings.OPSCONSOLE_STORE) if name == LOCAL else open_row(row_called(name))


def writing(name: str) -> Opened:
    """The store of that name, to write. Raises what `reading` does, or Refused("read_only", "foreign_store")."""
    if name == LOCAL:
        return reading(name)
    row = row_called(name)
    if not row.writable:
        raise Refused("read_only", f"The store {name} is only read.", "Choose another one: see `manage.py store list`.")
    opened = open_row(row)
    require_mark(row, opened)
    note_marked(row)
    return opened


def require_there(name: str) -> None:
    """Raise OperationFailed unless a store answers and is ours, so that what it lacks may be held against a backup."""
    if name == LOCAL:
        return  # installation.require_own looks after it
    row = row_called(name)
    opened = open_row(row)
    if row.writable and row.marked and mark_in(opened) != instance_id():
        raise _missing(row)
    opened.folders("backups", depth=1)


def open_row(row: Store, *, seconds: float = 0) -> Opened:
    """The store of a row. Raises OperationFailed.

    With `seconds`, a server is asked once, and given so long for each answer (see `looking`); else as transfers do it.
    """
    if row.kind == Store.Kind.FOLDER:
        if not Path(row.path).is_dir():
            raise _missing(row)
        return FolderStore(Path(row.path))
    # The library takes 30 MiB, which a console without S3 need not spend.
    from opsconsole.storage.s3 import Place, open_store

    access_key, secret_key = credentials_of(row)
    place = Place(
        bucket=row.bucket, prefix=f"{row.prefix}/" if row.prefix else "", endpoint=row.endpoint, region=row.region,
        path_style=row.path_style, certificates=row.certificates, access_key=access_key, secret_key=secret_key,
        quota_bytes=None if row.quota_mib is None else row.quota_mib << 20,
        conditional=row.facts.get("refuses_doubles"), networks=tuple(settings.STORE_PRIVATE_NETWORKS),
    )  # fmt: skip
    return open_store(replace(place, tries=1, seconds=seconds) if seconds else place)


def credentials_of(row: Store) -> tuple[str, str]:
    """The access key and its secret. Never log them. Raises OperationFailed("store_credentials")."""
    if row.credentials_sealed:
        held = json.loads(field_cipher().open(row.credentials_sealed))
        return str(held["access_key"]), str(held["secret_key"])
    names = (row.access_key_env, row.secret_key_env)
    found = tuple(os.environ.get(name, "").strip() if VARIABLE.fullmatch(name) else "" for name in names)
    if not all(found):
        lacking = row.secret_key_env if found[0] else row.access_key_env
        raise OperationFailed(
            "store_credentials", f"The environment variable {lacking or '(none is named)'} is not set here.",
            "Set it for the console and for its workers, and start them again.",
        )  # fmt: skip
    return found[0], found[1]


def mark_in(opened: Opened) -> str:
    """The instance whose store it is; "" when nobody has marked it."""
    try:
        with opened.open(MARK) as stream:
            return stream.read().decode(errors="replace").strip()
    except FileNotFoundError:
        return ""


def note_marked(row: Store) -> None:
    """A store that has our mark has to have it from now on."""
    Store.objects.filter(pk=row.pk, marked=False).update(marked=True)


def require_mark(row: Store, opened: Opened) -> None:
    """Put our mark into a store that has none and never had. Raises Refused("foreign_store"), OperationFailed.

    It asks the store alone, and leaves it to `note_marked` to remember.
    """
    found = mark_in(opened)
    if not found and not row.marked:
        try:
            with opened.create(MARK, part="0.0") as writer:
                writer.write(f"{instance_id()}\n".encode())
                writer.publish()
        except FileExistsError:
            pass  # another process, perhaps of ours, was faster
        found = mark_in(opened)
    if found == instance_id():
        return
    if not found:
        raise _missing(row)
    raise Refused(
        "foreign_store", f"The store {row.name} belongs to another console ({found}).",
        "Give this console a prefix or a folder of its own; a store of another one can be added to be read only.",
    )  # fmt: skip


def _missing(row: Store) -> OperationFailed:
    return OperationFailed(
        "store_missing", f"The store {row.name} is not at {row.display}.",
        f"Mount it there, or correct where it is. If its mark was lost, write {instance_id()} into the object {MARK}.",
    )  # fmt: skip
