"""Rows that go along with rows that are deleted: those that refer to them, by what their foreign keys say.

What the database would do by itself is done by the plan, row by row, so that it is counted, approved and kept as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from integrity.checks.base import Moment, Proposal, named, quoted
from integrity.checks.wording import rows, verb
from integrity.fixing.actions import DELETE, SET_NULL
from integrity.fixing.parts import Part
from integrity.fixing.selecting import CHUNK, MOST_ROWS, Room, keys_and_values, listed, refuse_column, suitable
from opsconsole.engines.fixing import Fixing, Image, Key, Wording, key_of
from opsconsole.engines.structure import ForeignKey, Relation, Structure
from opsconsole.exceptions import Refused

CASCADE, NULL = "CASCADE", "SET NULL"


def follow(moment: Moment, deleting: Sequence[Part], room: Room) -> list[Part]:
    """The parts that go along with these. Raises Refused when a row that stays refers to one that goes."""
    found: list[Part] = []
    waiting = list(deleting)
    while waiting:
        part = waiting.pop(0)
        for reference in references_to(moment.structure, part.table):
            if reference.on_delete in (CASCADE, NULL):
                along = _along(moment, reference, part, room)
                found += [along] if along.aims else []
                waiting += [along] if along.aims and along.deletes else []
    for part in (*deleting, *(each for each in found if each.deletes)):
        for reference in references_to(moment.structure, part.table):
            _refuse_remaining(moment, reference, part, room)
    return found


def references_to(structure: Structure, table: str) -> list[ForeignKey]:
    """Foreign keys whose rows refer to rows of a table; for a part of one, those that refer to the whole as well."""
    return [key for key in structure.foreign_keys if _share_rows(structure, key.parent, table)]


def refers_to_itself(structure: Structure, table: str) -> bool:
    """Whether rows of a table may refer to each other."""
    return any(key.table == table for key in references_to(structure, table))


def ordered(structure: Structure, parts: Sequence[Part]) -> list[Part]:
    """As they are done: first what changes rows, then deletions, rows that refer to others before these.

    Raises Refused when tables refer to each other in a ring.
    """
    deleted = list(dict.fromkeys(part.table for part in parts if part.deletes))
    graph: dict[str, set[str]] = {table: set() for table in deleted}
    for parent in graph:
        for key in references_to(structure, parent):
            graph[parent] |= {table for table in graph if _share_rows(structure, key.table, table)} - {parent}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError:
        raise Refused(
            "ring", f"Rows of {', '.join(deleted)} refer to each other in a ring, and all of them would go.",
            "Set one finding right at a time, or write a migration.",
        ) from None  # fmt: skip
    changes = [part for part in parts if not part.deletes]
    latest_first = [part for part in reversed(parts) if part.deletes]  # of one table: what goes along goes before
    return [*changes, *(part for table in order for part in latest_first if part.table == table)]


def _share_rows(structure: Structure, one: str, other: str) -> bool:
    """Whether they are the same table, or one of them may be a part of the other."""
    mine, theirs = structure.relations[one], structure.relations[other]
    apart = not (mine.partitioned or theirs.partitioned)
    return one == other or (not apart and structure.whole(one) == structure.whole(other))


def still_referring(
    structure: Structure, wording: Wording, reference: ForeignKey, table: str, keys: Sequence[Key]
) -> str:
    """A condition, over t, that a row refers along a foreign key to one of the rows with these keys of a table, which
    is its parent, a part of that, or its whole."""
    any_of = wording.any_of(structure.relations[table], keys, "p")
    return f"EXISTS (SELECT 1 FROM {_parents(structure, wording, reference)} AND {any_of})"


def _parents(structure: Structure, wording: Wording, reference: ForeignKey) -> str:
    """The row of the parent that one of t refers to, as FROM has it; compared as `integrity.checks.references` does."""
    on_sqlite = wording.vendor == "sqlite"
    parent = structure.relations[reference.parent]
    same = []
    for place, (own, theirs) in enumerate(zip(reference.columns, reference.parent_columns, strict=True)):
        collation = reference.collations[place] if reference.collations else ""
        mine = f"{'+' * on_sqlite}t.{quoted(own)}{f' COLLATE {collation}' if collation else ''}"
        same.append(f"p.{quoted(theirs)} = {mine}")
    only = "" if on_sqlite or parent.partitioned else "ONLY "
    return f"{only}{named(structure, reference.parent)} AS p WHERE {' AND '.join(same)}"


def own_references(structure: Structure, table: str) -> list[ForeignKey]:
    """Foreign keys along which rows of a table refer to others; of a part of one, those of the whole as well."""
    return [each for each in structure.foreign_keys if each.table in (table, structure.whole(table))]


def unmet(
    ask: Callable[[str], Sequence[Sequence[Any]]],
    wording: Wording,
    structure: Structure,
    table: str,
    keys: Sequence[Key],
) -> dict[Key, tuple[str, ...]]:
    """The foreign keys along which rows of a table refer to nothing, by the row's key. `ask` runs a SELECT."""
    relation, found = structure.relations[table], dict[Key, tuple[str, ...]]()
    listing = ", ".join(wording.column(name, "t") for name in key_of(relation))
    for reference in own_references(structure, table):
        absent = f"NOT EXISTS (SELECT 1 FROM {_parents(structure, wording, reference)})"
        own = [f"t.{quoted(name)}" for name in reference.columns]
        broken = " AND ".join([*(f"{name} IS NOT NULL" for name in own), absent])
        if reference.full and len(own) > 1:
            some_held, gap = (" OR ".join(f"{name} IS {what}" for name in own) for what in ("NOT NULL", "NULL"))
            broken = f"({some_held}) AND ({gap} OR {absent})"
        for some in chunks(keys):
            any_of = wording.any_of(relation, some, "t")
            rows = ask(f"SELECT {listing} FROM {named(structure, table)} AS t WHERE ({broken}) AND {any_of}")
            found.update({tuple(row): (*found.get(tuple(row), ()), reference.name) for row in rows})
    return found


def standing(fixing: Fixing, relation: Relation, keys: Sequence[Key]) -> dict[Key, Image]:
    """The rows with these keys that are there, as they are now."""
    return {image.key: image for some in chunks(keys) for image in fixing.images(relation, some)}


def chunks(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    """As many as one statement takes at once."""
    return (keys[at : at + CHUNK] for at in range(0, len(keys), CHUNK))


def _along(moment: Moment, reference: ForeignKey, part: Part, room: Room) -> Part:
    cascades = reference.on_delete == CASCADE
    relation = suitable(moment, reference.table, cascades)
    columns = () if cascades else reference.cleared or reference.columns
    refuse_column(moment, relation, columns)
    keys = [key for key in _referring(moment, reference, part) if key not in room.taken.get(reference.table, ())]
    words = f"they refer to rows of {part.table} that are deleted (ON DELETE {reference.on_delete})"
    values: dict[Key, tuple[str | None, ...]] = {key: (None,) * len(columns) for key in keys}
    return listed(moment, Part(table=reference.table, columns=columns, along=words), values, room)


def _referring(moment: Moment, reference: ForeignKey, part: Part) -> list[Key]:
    """The rows of the referring table that refer to rows of a part."""
    relation = moment.structure.relations[reference.table]
    found: dict[Key, None] = {}
    for some in chunks([aim.key for aim in part.aims]):
        where = still_referring(moment.structure, moment.engine.wording, reference, part.table, some)
        action = DELETE if reference.on_delete == CASCADE else SET_NULL
        asked = Proposal(action=action, words="", table=reference.table, where=where)
        found.update(dict.fromkeys(keys_and_values(moment, relation, asked, "", limit=MOST_ROWS + 1)))
    return list(found)


def _refuse_remaining(moment: Moment, reference: ForeignKey, part: Part, room: Room) -> None:
    if reference.on_delete in (CASCADE, NULL):
        return
    suitable(moment, reference.table, deletes=False)
    taken = room.taken.get(reference.table, set())
    rest = [key for key in _referring(moment, reference, part) if key not in taken]
    if rest:
        raise Refused(
            "referred_to",
            f"{rows(len(rest), reference.table)} {verb(len(rest), 'refer', 'refers')} to rows of {part.table} that "
            "would be deleted.",
            f"Set the rows of {reference.table} right first.",
        )
