"""What a repository holds that some migration tool could read: by shapes of folders, in a fixed order, first hit wins.

Nothing is decided here; `detection` does that with the ledgers of the database.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from lifecycle.sources.base import Folder

BOTH = frozenset({"postgresql", "sqlite"})
_NUMBERED = re.compile(r"\d+_.*\.sql")
_STAMPED = re.compile(r"\d{14}_[^/]*")
_FLYWAY = re.compile(r"V[\d._]+__.+\.sql|R__.+\.sql")
_CODE = re.compile(r"\d+_.+\.(?:js|ts|mjs|mts)")
_SQLX = re.compile(rb"^\s*sqlx\s*[.=]|^\s*\[.*dependencies\.sqlx", re.MULTILINE)
_GOOSE = re.compile(rb"^-- \+goose\s+\w", re.MULTILINE | re.IGNORECASE)
_DBMATE = re.compile(rb"^--\s*migrate:up\b", re.MULTILINE)
_PROVIDERS = {"postgresql": "postgresql", "postgres": "postgresql", "pg": "postgresql", "sqlite": "sqlite"}
_NOT_OURS = frozenset({"node_modules", ".git", ".venv", "target", ".wrangler"})


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A folder of migrations. `tools` could read it, the likelier first; `also` when asked, or when the ledger says so.

    `sure` is whether the first of `tools` is certain without a ledger; `engines` are what its files are written for.
    """

    path: str
    tools: tuple[str, ...]
    seen: str  # what was seen there, in words
    also: tuple[str, ...] = ()
    sure: bool = False
    engines: frozenset[str] = BOTH


@dataclass(frozen=True)
class Tree:
    """A repository by folders."""

    root: Folder
    _folders: dict[str, Folder] = field(default_factory=dict)

    @cached_property
    def files(self) -> dict[str, set[str]]:
        """Names of the files directly in each folder that holds any."""
        found: dict[str, set[str]] = {}
        for path in self.root.files:
            folder, name = posixpath.split(path)
            if not _NOT_OURS & set(folder.split("/")):
                found.setdefault(folder, set()).add(name)
        return found

    def below(self, folder: str) -> dict[str, set[str]]:
        """The folders directly below one, with their files."""
        start = f"{folder}/" if folder else ""
        found = {
            key[len(start) :]: names for key, names in self.files.items() if key.startswith(start) and key != folder
        }
        return {key: names for key, names in found.items() if "/" not in key}

    def folder(self, path: str) -> Folder:
        """One of its folders, with all that is below it."""
        if path not in self._folders:
            self._folders[path] = self.root.below(path)
        return self._folders[path]

    def read(self, folder: str, name: str) -> bytes:
        return self.root.files[posixpath.join(folder, name)]


def above(folder: str) -> list[str]:
    """A folder and those around it, from the inside out; "" is the last."""
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]


def candidates(tree: Tree) -> Iterator[Candidate]:
    """Every folder that has a known shape, by path."""
    for folder in sorted({outer for inner in tree.files for outer in above(inner)}):
        names = tree.files.get(folder, set())
        found = next((seen for look in _LOOKS if (seen := look(tree, folder, names))), None)
        if found:
            yield found


def _drizzle(tree: Tree, folder: str, names: set[str]) -> Candidate | None:
    journal = "meta/_journal.json"
    if "_journal.json" not in tree.files.get(posixpath.join(folder, "meta"), set()):
        return None
    dialect = re.search(rb'"dialect"\s*:\s*"(\w+)"', tree.read(folder, journal))
    return Candidate(
        path=folder, tools=("drizzle",), also=("wrangler",), sure=True, seen=journal, engines=_written_for(dialect)
    )


def _prisma(tree: Tree, folder: str, names: set[str]) -> Candidate | None:
    if "migration_lock.toml" not in names:
        return None
    provider = re.search(rb'^\s*provider\s*=\s*"(\w+)"', tree.read(folder, "migration_lock.toml"), re.MULTILINE)
    return Candidate(
        path=folder, tools=("prisma",), sure=True, seen="migration_lock.toml",
        engines=_written_for(provider),
    )  # fmt: skip


def _stamped(tree: Tree, folder: str, names: set[str]) -> Candidate | None:
    inside = [kept for name, kept in tree.below(folder).items() if _STAMPED.fullmatch(name) and "migration.sql" in kept]
    if not inside:
        return None
    if any("snapshot.json" in kept for kept in inside):
        seen = "folders with migration.sql and snapshot.json"
        return Candidate(path=folder, tools=("drizzle1",), sure=True, seen=seen)
    seen = "folders with migration.sql, but neither migration_lock.toml nor snapshot.json"
    return Candidate(path=folder, tools=("prisma", "drizzle1"), seen=seen)


def _of_python(tree: Tree, folder: str, names: set[str]) -> Candidate | None:
    if "env.py" in names and any(name.endswith(".py") for name in tree.below(folder).get("versions", ())):
        return Candidate(path=folder, tools=("alembic",), sure=True, seen="env.py and versions/")
    if "__init__.py" in names and any(re.fullmatch(r"0001_\w+\.py", name) for name in names):
        return Candidate(path=folder, tools=("django",), sure=True, seen="__init__.py and 0001_*.py")
    return None


def _marked(tree: Tree, folder: str, names: set[str]) -> Candidate | None:
    for name in sorted(name for name in names if re.fullmatch(r"\d+.*\.sql", name)):
        text = tree.read(folder, name)
        if _GOOSE.search(text):
            return Candidate(path=folder, tools=("goose",), sure=True, seen=f"-- +goose in {name}")
        if _DBMATE.search(text):
            return Candidate(path=folder, tools=("dbmate",), sure=True, seen=f"-- migrate:up in {name}")
    return None


def _flyway(tree: Tree, folder: str, names: set[str]) -> Candidate | None:
    found = sorted(name for name in names if _FLYWAY.fullmatch(name))
    return Candidate(path=folder, tools=("flyway",), sure=True, seen=found[0]) if found else None


def _numbered(tree: Tree, folder: str, names: set[str]) -> Candidate | None:
    found = sorted(name for name in names if _NUMBERED.fullmatch(name))
    if not found:
        return None
    rust = any(
        "Cargo.toml" in tree.files.get(outer, set()) and _SQLX.search(tree.read(outer, "Cargo.toml"))
        for outer in above(folder)
    )
    if any(name.endswith(".up.sql") for name in found):
        return Candidate(path=folder, tools=("sqlx", "golang-migrate"), sure=rust, seen="*.up.sql")
    if any(name.endswith(".down.sql") for name in found):
        # to sqlx the other files have no way back and these are it; to wrangler all are migrations
        return Candidate(path=folder, tools=("plain", "sqlx", "wrangler"), seen="*.sql with *.down.sql beside them")
    return Candidate(path=folder, tools=("sqlx", "wrangler"), also=("plain",), sure=rust, seen=f"{found[0]}")


def _code(tree: Tree, folder: str, names: set[str]) -> Candidate | None:
    found = sorted(name for name in names if _CODE.fullmatch(name))
    return Candidate(path=folder, tools=("effect",), sure=True, seen=found[0]) if found else None


_LOOKS: tuple[Callable[[Tree, str, set[str]], Candidate | None], ...] = (
    _drizzle, _prisma, _stamped, _of_python, _marked, _flyway, _numbered, _code,
)  # fmt: skip


def _written_for(told: re.Match[bytes] | None) -> frozenset[str]:
    """The engine of a dialect; both where none is told, none for a vendor that the console does not know."""
    if told is None:
        return BOTH
    engine = _PROVIDERS.get(told[1].decode())
    return frozenset({engine}) if engine else frozenset()
