"""Where an SQLite database is: `sqlite:////absolute/path`, optionally `?flavour=d1`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from opsconsole.engines.base import Address, Likeness
from opsconsole.exceptions import TargetProblem

FLAVOURS = frozenset({"", "d1"})
_FORM = "Write it as sqlite:////absolute/path/to/file.db, with ?flavour=d1 for a D1 database."


@dataclass(frozen=True, kw_only=True)
class SqliteAddress(Address):
    """`path` is as it was given; it is resolved anew at every opening and must then lie under one of `roots`."""

    path: str
    roots: tuple[str, ...]
    flavour: str = ""


def parse(url: str, roots: Sequence[Path]) -> SqliteAddress:
    """Check the URL's form and that its path, symlinks resolved, lies under a root. Nothing is opened."""
    try:
        parts = urlsplit(url)
    except ValueError:  # its own words would repeat the URL
        raise TargetProblem("refused", "This is not the URL of an SQLite file.", _FORM) from None
    path = unquote(parts.path)
    if parts.scheme != "sqlite" or parts.netloc or not path.startswith("//") or parts.fragment or "\0" in path:
        raise TargetProblem("refused", "This is not the URL of an SQLite file.", _FORM)
    path = _normal(path)
    flavour = _flavour(parts.query)
    allowed = tuple(os.path.realpath(root) for root in roots)
    root_of(os.path.realpath(path), allowed)
    display = f"sqlite:///{quote(path)}" + (f"?flavour={flavour}" if flavour else "")
    return SqliteAddress(
        engine="sqlite",
        secret_url=display,
        display=display,
        name=os.path.basename(path),
        path=path,
        roots=allowed,
        flavour=flavour,
    )


def likeness(one: str, other: str, *, look: bool = False) -> Likeness:
    """Whether two displays name one file; with `look`, also through symlinks and other mounts."""
    ours, theirs = (_normal(unquote(urlsplit(display).path)) for display in (one, other))
    same = ours == theirs or (look and _same_file(ours, theirs))
    return Likeness.SAME if same else Likeness.OTHER


def _same_file(ours: str, theirs: str) -> bool:
    try:
        return os.path.realpath(ours) == os.path.realpath(theirs) or os.path.samefile(ours, theirs)
    except OSError:
        return False  # one of them is not there


def _normal(path: str) -> str:
    return os.path.normpath("/" + path.lstrip("/"))


def root_of(real: str, roots: Sequence[str]) -> str:
    """The allowed root that a resolved path lies under. Raises TargetProblem("permission")."""
    for root in roots:
        if real.startswith(root.rstrip("/") + "/"):
            return root
    raise TargetProblem(
        "permission",
        f"{real} does not lie under a folder that the console may use.",
        f"Move the file below one of {':'.join(roots) or '(none)'}, or add its folder to OPSCONSOLE_ROOTS.",
    )


def _flavour(query: str) -> str:
    options = dict(parse_qsl(query, keep_blank_values=True))
    flavour = options.pop("flavour", "")
    if options or flavour not in FLAVOURS:
        raise TargetProblem("refused", "The only option of an SQLite URL is flavour=d1.", _FORM)
    return flavour
