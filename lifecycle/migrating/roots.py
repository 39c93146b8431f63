"""Which folders of the console's machine a request may read migrations from: below a root, and not another group's.

`OPSCONSOLE_ROOTS` is open to every owner group, but for the folders that `OPSCONSOLE_ROOT_GROUPS` keeps for one.
"""

from __future__ import annotations

import os

from django.conf import settings

from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Database


def parts_of(path: str, database: Database) -> tuple[str, list[str]]:
    """(root, parts below it) of an absolute path. Raises Usage for one below no root, Refused for another group's."""
    start, below = _below_a_root(path, database)
    _refuse_foreign(path, "/".join([start, *below]), database.owner_group.name)
    return start, below


def offered(database: Database) -> list[str]:
    """The folders in which a request about that database may look for one."""
    group = database.owner_group.name
    shared = [str(root) for root in settings.OPSCONSOLE_ROOTS if _owner(os.path.realpath(root)) in ("", group)]
    return [*shared, *(folder for folder, owner in settings.OPSCONSOLE_ROOT_GROUPS.items() if owner == group)]


def _below_a_root(path: str, database: Database) -> tuple[str, list[str]]:
    parts = path.split("/")
    roots = [os.path.realpath(root) for root in settings.OPSCONSOLE_ROOTS]
    for root in [*map(str, settings.OPSCONSOLE_ROOTS), *roots]:
        if ".." not in parts and (path + "/").startswith(root.rstrip("/") + "/"):
            below = [part for part in path.removeprefix(root).split("/") if part not in ("", ".")]
            return os.path.realpath(root), below
    raise Usage(
        "not_under_a_root",
        f"{path} is not below a folder that the console may use.",
        f"Name a folder below one of {':'.join(offered(database)) or '(none)'}, or let an operator add it to "
        "OPSCONSOLE_ROOTS.",
    )


def _refuse_foreign(path: str, real: str, group: str) -> None:
    """`real` is the path as it is walked, without links."""
    step = f"Name a folder of {group}, or let an operator change OPSCONSOLE_ROOT_GROUPS."
    if _owner(real) not in ("", group):
        raise Refused("other_group", f"{path} is kept for another owner group than {group}.", step)
    if any(_holds(real, folder) and owner != group for folder, owner in _kept()):
        raise Refused("other_group", f"Below {path} lies what is kept for another owner group than {group}.", step)


def _owner(real: str) -> str:
    """The owner group that a path is kept for, by the nearest folder around it; "" for every one."""
    around = [(len(folder), owner) for folder, owner in _kept() if _holds(folder, real)]
    return max(around, default=(0, ""))[1]


def _kept() -> list[tuple[str, str]]:
    return [(os.path.realpath(folder), str(owner)) for folder, owner in settings.OPSCONSOLE_ROOT_GROUPS.items()]


def _holds(folder: str, path: str) -> bool:
    return (path.rstrip("/") + "/").startswith(folder.rstrip("/") + "/")
