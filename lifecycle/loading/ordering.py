"""In which order tables are loaded: what is referred to comes first, and what refers to itself comes together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from lifecycle.loading.base import Group
from opsconsole.engines.structure import ForeignKey, Structure


def keys_of(structure: Structure, table: str) -> Iterator[ForeignKey]:
    """The references that rows of a table must keep: its own, and those of the table that it is a part of."""
    of = {table, structure.whole(table)}
    return (key for key in structure.foreign_keys if key.table in of)


def groups(structure: Structure, tables: Sequence[str]) -> tuple[Group, ...]:
    """The tables in groups, parents first; in a group of several every table refers to every other one somehow."""
    by_whole: dict[str, list[str]] = {}
    for table in tables:
        for name in {table, structure.whole(table)}:
            by_whole.setdefault(name, []).append(table)
    parents = {
        table: sorted({p for key in keys_of(structure, table) for p in by_whole.get(key.parent, ())})
        for table in tables
    }
    return tuple(
        Group(tables=tuple(sorted(found)), knotted=any(parent in found for table in found for parent in parents[table]))
        for found in components(sorted(tables), parents)
    )


def components(nodes: Iterable[str], above: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Strongly connected components, those above first (Tarjan 1972), without recursion."""
    found: list[list[str]] = []
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    waiting: list[str] = []
    for root in nodes:
        if root in number:
            continue
        work = [(root, iter(above[root]))]
        number[root] = lowest[root] = len(number)
        waiting.append(root)
        while work:
            node, rest = work[-1]
            child = next(rest, None)
            if child is None:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
                if lowest[node] == number[node]:
                    place = waiting.index(node)
                    found.append(waiting[place:])
                    del waiting[place:]
            elif child not in number:
                number[child] = lowest[child] = len(number)
                waiting.append(child)
                work.append((child, iter(above[child])))
            elif child in waiting:
                lowest[node] = min(lowest[node], number[child])
    return found
