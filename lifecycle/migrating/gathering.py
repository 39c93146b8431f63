"""Which files of a repository migration tools read, and how many of them are taken.

Everything else stays where it is: sources, packages, what git keeps, and files that are known to hold secrets.
"""

from __future__ import annotations

import re

from lifecycle.sources.base import Folder
from opsconsole.exceptions import Refused, Usage

MOST_FILES = 5000
MOST_BYTES = 64 << 20
LARGEST_FILE = 16 << 20
MOST_SEEN = 200_000  # files that are looked at by name
DEEPEST = 16
LONGEST_PATH = 300
_KEPT = re.compile(
    r"""
      .*\.sql | _journal\.json | (?:.*_)?snapshot\.json
    | wrangler\.(?:toml|jsonc?) | drizzle[\w.-]*\.config\.\w+ | prisma(?:\.config)?\.\w+ | package\.json
    | .*\.prisma | migration_lock\.toml | Cargo\.toml | sqlx\.toml | \.env
    | alembic\.ini | env\.py | __init__\.py | \d+_.*\.(?:py|[cm]?[jt]s)
    """,
    re.VERBOSE,
)
_KEPT_IN_VERSIONS = re.compile(r"\w+\.py")
_SKIPPED = frozenset({"node_modules", "target", "dist", "build", "vendor", "venv", "__pycache__"})
_OF_DBMATE = re.compile(rb"^\s*(?:export\s+)?DBMATE_MIGRATIONS_\w+\s*=.*$", re.MULTILINE)


class Gathering:
    """Files on their way into one folder. Whoever offers them asks `wants` first, and reads only what is wanted."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._files: dict[str, bytes] = {}
        self._tops: set[str] = set()
        self._size = self._seen = 0

    def enters(self, path: str) -> bool:
        """Whether a folder below may hold something."""
        parts = _parts(path)
        return len(parts) <= DEEPEST and not any(_skips(part) for part in parts)

    def wants(self, path: str) -> bool:
        """Whether the file of that path is taken. Raises Refused: bad_path, too_many_files."""
        self._seen += 1
        if self._seen > MOST_SEEN:
            raise Refused(
                "too_many_files",
                f"There are more than {MOST_SEEN} files in {self.name}.",
                "Bring the folder of the migrations, or what git keeps (git archive).",
            )
        *folders, name = _parts(path)
        self._tops.add(folders[0] if folders else "")
        if len(folders) > DEEPEST or any(_skips(part) for part in folders):
            return False
        kept = _KEPT_IN_VERSIONS if folders[-1:] == ["versions"] else _KEPT
        return bool(kept.fullmatch(name) or _KEPT.fullmatch(name))

    def refuse_link(self, path: str) -> None:
        """Raise Refused for a link or a device that bears the name of a file which tools would read."""
        if self.wants(path):
            raise Refused(
                "link_refused",
                f"{path} is a link, a device or a pipe, and none of these is followed.",
                "Put the file itself there, or leave it out.",
            )

    def room(self) -> int:
        """How many bytes the next file may have."""
        return min(LARGEST_FILE, MOST_BYTES - self._size)

    def add(self, path: str, data: bytes) -> None:
        """Take a file whose path was wanted. Raises Refused: too_large, too_many_files, bad_path (twice)."""
        if len(data) > self.room():
            raise Refused(
                "too_large",
                f"{path} is too large: a file may have {LARGEST_FILE >> 20} MiB, and all {MOST_BYTES >> 20} MiB.",
                "Bring only the folder of the migrations.",
            )
        path = "/".join(_parts(path))
        if not path.isprintable() or len(path) > LONGEST_PATH:
            raise _bad(path, f"has characters that no name should have, or more than {LONGEST_PATH}")
        if path in self._files:
            raise _bad(path, "is there twice")
        if len(self._files) >= MOST_FILES:
            raise Refused(
                "too_many_files",
                f"{self.name} has more than {MOST_FILES} files that migration tools read.",
                "Bring only the folder of the migrations.",
            )
        if path.rpartition("/")[2] == ".env":  # its other lines are secrets
            data = b"".join(line + b"\n" for line in _OF_DBMATE.findall(data))
            if not data:
                return
        self._files[path] = data
        self._size += len(data)

    def folder(self) -> Folder:
        """What was taken, by path. Raises Usage("empty_folder")."""
        if not self._files:
            raise Usage(
                "empty_folder",
                f"Among the {self._seen} files of {self.name} there is none that a migration tool reads.",
                "Bring the tool's folder of migrations, or the repository that holds it.",
            )
        return Folder(name=self.name, files=dict(sorted(self._files.items())))

    def unwrapped(self) -> Folder:
        """The same without the one folder that lay around everything, as browsers and archives have it."""
        folder = self.folder()
        return Folder(name=self.name, files=folder.below(next(iter(self._tops))).files) if self._wrapped() else folder

    def _wrapped(self) -> bool:
        return len(self._tops) == 1 and "" not in self._tops


def _skips(part: str) -> bool:
    return part in _SKIPPED or (part.startswith(".") and part != ".config")


def _parts(path: str) -> list[str]:
    """The path's parts. Raises Refused for one that leads elsewhere."""
    parts = path.split("/")
    if parts[0] == "" or "\\" in path or ".." in parts or re.match(r"[A-Za-z]:", path):
        raise _bad(path, "leads elsewhere")
    found = [part for part in parts if part not in ("", ".")]
    if not found:
        raise _bad(path, "is none")
    return found


def _bad(path: str, how: str) -> Refused:
    return Refused("bad_path", f"The name {path[:LONGEST_PATH]!r} {how}.", "Rename it, or leave it out.")
