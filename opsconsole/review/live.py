"""What is known of the database that a text is meant for, as plain values, and how it is read off an engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from opsconsole.engines.base import Engine
from opsconsole.engines.structure import ForeignKey, Relation, Structure
from opsconsole.review.lexing import Dialect

SMALL_ROWS = 10_000  # below both, a lock is held for a moment
SMALL_BYTES = 10 << 20
_EMPTIED_BY = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})


@dataclass(frozen=True, kw_only=True)
class Live:
    """The target. Tables go by their full name (`schema.table`; SQLite: `table`).

    `rows` and `size_bytes` may lack tables, or hold None where it is not known. `ddl` holds the texts that make an
    SQLite schema, None where they are not known. `matching` holds how many rows a statement, by its number, hit when
    it was tried on a copy.
    """

    rows: Mapping[str, int | None] = field(default_factory=dict)
    size_bytes: Mapping[str, int | None] = field(default_factory=dict)
    structure: Structure | None = None
    ddl: tuple[str, ...] | None = None
    matching: Mapping[int, int] = field(default_factory=dict)

    def full_names(self, name: str) -> list[str]:
        """Every known table that `name` may mean: the very one, else those of any schema, whatever search_path says."""
        exact, bare = self._index
        wanted = name.removeprefix("main.")
        found = exact.get(name) or exact.get(wanted) or bare.get(wanted)
        return [*(found or bare.get(wanted.lower(), []))]

    def relation(self, name: str) -> Relation | None:
        """The table of that name, None when it is not known or could be several."""
        names = self.full_names(name)
        return self.structure.relations.get(names[0]) if self.structure and len(names) == 1 else None

    def rows_of(self, name: str) -> int | None:
        """Rows of the table, of the largest one when several have that name; None when it is not known."""
        return _largest(self.rows.get(full) for full in self.full_names(name))

    def bytes_of(self, name: str) -> int | None:
        return _largest(self.size_bytes.get(full) for full in self.full_names(name))

    def is_small(self, name: str) -> bool:
        """Whether the table is known to be so small that a lock on it is held for a moment."""
        rows, size = self.rows_of(name), self.bytes_of(name)
        relations = self.structure.relations if self.structure else {}
        if any(full in relations and relations[full].partitioned for full in self.full_names(name)):
            return False  # its rows, and its bytes, are those of its parts
        if rows is None and size is None:
            return False
        return (rows or 0) <= SMALL_ROWS and (size or 0) <= SMALL_BYTES

    def emptied_with(self, name: str, *, truncated: bool = False) -> list[ForeignKey]:
        """References through which rows of other tables go, or lose a value, when rows of `name` are deleted.

        TRUNCATE ... CASCADE empties whatever refers to the table, whatever the reference says.
        """
        found: dict[tuple[str, str], ForeignKey] = {}
        waiting, seen = self.full_names(name), set[str]()
        while self.structure and waiting:
            parent = waiting.pop()
            seen.add(parent)
            for key in self.structure.foreign_keys:
                if key.parent == parent and key.table not in seen and (truncated or key.on_delete in _EMPTIED_BY):
                    found.setdefault((key.table, key.name), key)
                    if truncated or key.on_delete == "CASCADE":
                        waiting.append(key.table)
        return sorted(found.values(), key=lambda key: key.table)

    @cached_property
    def _index(self) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """Full names by themselves, and by their last part as it is and in small letters."""
        exact: dict[str, list[str]] = {}
        bare: dict[str, list[str]] = {}
        for full in dict.fromkeys((*self.rows, *(self.structure.relations if self.structure else ()))):
            exact[full] = [full]
            last = full.rpartition(".")[2]
            for name in {last, last.lower(), full.lower()}:
                bare.setdefault(name, []).append(full)
        return exact, bare


def read_live(engine: Engine, *, exact: bool = False) -> Live:
    """What the engine knows of its database; two or three short reads. Raises TargetProblem. `exact` counts rows."""
    tables = engine.tables(exact=exact)
    return Live(
        # An estimate of none may be older than the first rows.
        rows={table.full_name: table.rows if table.exact else table.rows or None for table in tables},
        size_bytes={table.full_name: table.size_bytes for table in tables},
        structure=engine.structure(),
        ddl=engine.ddl(),
    )


def dialect_of(engine: Engine) -> Dialect:
    """Whose SQL the engine's database speaks. Raises TargetProblem."""
    if engine.name != Dialect.SQLITE:
        return Dialect(engine.name)
    return Dialect.D1 if engine.identity().details.get("flavour") == "d1" else Dialect.SQLITE


def _largest(numbers: Iterable[int | None]) -> int | None:
    given = list(numbers)
    return None if not given or None in given else max(number for number in given if number is not None)
