"""What taking a fix back would do, as a plan shows it: every row as it is, and as it would be again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrity.checks import moments
from integrity.checks.base import Moment, named
from integrity.checks.wording import listed, many, rows, verb
from integrity.fixing import following, parts, undoing
from integrity.fixing.keeping import Before
from integrity.fixing.parts import Part
from integrity.fixing.selecting import SHOWN_COLUMNS, images, readable, seen, suitable
from integrity.fixing.undoing import BY_HAND, SECONDS
from integrity.models import Fix
from integrity.reporting.origins import reads_masked
from opsconsole.engines.base import Engine
from opsconsole.engines.fixing import Aim, Image, Wording, key_of
from opsconsole.engines.structure import ForeignKey, Relation, Structure
from opsconsole.exceptions import Refused
from opsconsole.masking import mask
from opsconsole.models import Database


@dataclass(frozen=True, kw_only=True)
class Held:
    """What is kept of a fix, as the database is now: parts whose rows would be put in again, or changed back."""

    parts: tuple[Part, ...]
    unmet: frozenset[ForeignKey]  # along which rows refer to nothing again
    digest: str  # over every row, its content before and after
    rows: dict[str, int]  # that the tables have now
    triggers: dict[Relation, tuple[str, ...]]  # that fire on the way back

    def count(self, table: str, *, inserted: bool) -> int:
        """How many rows of a table would be put in again, or changed back."""
        return sum(len(part.aims) for part in self.parts if part.table == table and part.deletes == inserted)


@dataclass(kw_only=True)
class _Back:
    """Rows of one part of a fix; masked values, by the relation's columns, as they are and as they would be again."""

    relation: Relation
    columns: tuple[str, ...]  # that the fix changed, none where it deleted the rows
    secret: bool  # whether what it wrote may tell what a masked column holds
    names: list[str] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)
    now: list[tuple[Any, ...]] = field(default_factory=list)
    then: list[tuple[Any, ...]] = field(default_factory=list)
    moving: dict[str, None] = field(default_factory=dict)  # columns that would change
    taken: int = 0  # keys that others have by now
    gone: int = 0
    others: int = 0  # rows that others changed since
    differing: dict[str, None] = field(default_factory=dict)  # in which columns these are not what they were

    @property
    def touched(self) -> list[str]:
        """What others did since, in words."""
        table = self.relation.full_name
        said = [f"{many(self.taken, 'key')} of {table} {verb(self.taken, 'are', 'is')} taken again"] * bool(self.taken)
        said += [f"{rows(self.gone, table)} {verb(self.gone, 'are', 'is')} gone"] * bool(self.gone)
        where = f" ({listed(list(self.differing))})" if self.differing else ""
        changed = f"{rows(self.others, table)} {verb(self.others, 'were', 'was')} changed{where}"
        return said + [changed] * bool(self.others)


def look(engine: Engine, row: Fix, database: Database) -> Held:
    """What would be put back. Raises Refused when rows have changed since, or nothing is kept any more."""
    found: dict[int, _Back] = {}
    total, unmet = hashlib.sha256(), set[ForeignKey]()
    with readable(database.name), moments.opened(engine, database.name, seconds=SECONDS) as moment:
        structure = moment.structure
        for number, some in undoing.kept(moment.inquiry, engine, structure, row):
            if number not in found:
                found[number] = _begun(moment, row, number, some[0], database.masked_columns)
            _add(moment, found[number], some, database.masked_columns)
            broken = {name for before in some for name in before.unmet}
            unmet |= {key for key in following.own_references(structure, some[0].table) if key.name in broken}
            undoing.add(total, some)
        tables = sorted({back.relation.full_name for back in found.values()})
        counts = {table: f"SELECT count(*) FROM {named(structure, table)}" for table in tables}
        standing = {table: int(moment.inquiry.ask(counts[table])[0][0]) for table in tables}
    _refuse_unfit(row, list(found.values()), database.name)
    if held := engine.enforces(sorted(unmet, key=lambda key: (key.table, key.name))):
        listed_keys = ", ".join(f"{key.name} of {key.table}" for key in held)
        raise Refused(
            "key_forbids",
            f"The rows would refer to nothing again, which an enforced foreign key forbids ({listed_keys}).",
            f"Let the console use a role that may set session_replication_role. {BY_HAND}",
        )
    shown = tuple(map(_shown, found.values()))
    firing = {structure.relations[table]: _firing(structure, table, shown) for table in tables}
    return Held(
        parts=shown, unmet=frozenset(unmet), digest=f"sha256:{total.hexdigest()}", rows=standing,
        triggers={relation: names for relation, names in firing.items() if names},
    )  # fmt: skip


def _begun(moment: Moment, row: Fix, number: int, first: Before, masked_columns: Sequence[str]) -> _Back:
    relation = undoing.same_table(moment.structure, first)
    suitable(moment, relation.full_name, deletes=False)
    part = parts.outline(row.operation.plan)[number]
    secret = part.people and reads_masked(part.value, moment.structure, masked_columns)
    return _Back(relation=relation, columns=part.columns, secret=secret)


def _add(moment: Moment, back: _Back, some: Sequence[Before], masked_columns: Sequence[str]) -> None:
    """Add rows of one part, and what has become of them."""
    wording, relation = moment.engine.wording, back.relation
    keys = [row.image.key for row in some]
    there = {image.key: image for image in images(moment, relation, keys, all_there=False)}
    now, then = list[Sequence[Any]](), list[Sequence[Any]]()
    for row in some:
        held = wording.held(relation, row.image.content)
        back.names = list(held)
        then.append(list(held.values()))
        now.append(_compared(back, row, held, wording, there.get(row.image.key)))
    back.aims += [Aim(key=row.image.key, digest=row.after) for row in some]
    back.then += seen(back.names, then, relation.full_name, masked_columns)
    back.now += seen(back.names, now, relation.full_name, masked_columns)


def _compared(
    back: _Back, row: Before, held: Mapping[str, Any], wording: Wording, there: Image | None
) -> Sequence[Any]:
    """The values of the row that has a key now, having counted how it differs."""
    if there is None:
        back.gone += bool(row.after)
        return [None] * len(held)
    values = wording.held(back.relation, there.content)
    moving = dict.fromkeys(name for name in held if repr(held[name]) != repr(values[name]))
    back.moving |= moving
    back.taken += not row.after
    if row.after and row.after != there.digest:
        back.others += 1
        back.differing |= {name: None for name in moving if name not in back.columns}
    return [mask(value) if back.secret and name in back.columns else value for name, value in values.items()]


def _refuse_unfit(row: Fix, found: Sequence[_Back], name: str) -> None:
    if touched := [said for back in found for said in back.touched]:
        raise Refused("conflict", f"Since the fix, {', '.join(touched)}; so it cannot be taken back whole.", BY_HAND)
    if sum(len(back.aims) for back in found) != row.rows:
        raise Refused(
            "kept_no_more",
            f"What fix {row.pk} changed is not kept in {name} any more: it was restored, or somebody removed it.",
            BY_HAND,
        )


def _shown(back: _Back) -> Part:
    """The part of the plan: its rows as they are, each value beside what it is again; or as they come back."""
    moving = list(back.moving) if back.columns else []
    names = list(dict.fromkeys((*key_of(back.relation), *moving, *back.names)))[: max(SHOWN_COLUMNS, len(moving))]
    titles, places = list[str](), list[tuple[bool, int]]()  # whether it is of the row as it will be, and which value
    for name in names:
        titles += [name, f"{name}, again"] if name in moving else [name]
        place = back.names.index(name)
        places += [(False, place), (True, place)] if name in moving else [(not back.columns, place)]
    return Part(
        table=back.relation.full_name,
        columns=tuple(moving) or back.columns,
        titles=tuple(titles),
        aims=tuple(back.aims),
        shown=tuple(
            tuple((then if later else now)[place] for later, place in places)
            for now, then in zip(back.now, back.then, strict=True)
        ),
    )


def _firing(structure: Structure, table: str, shown: Sequence[Part]) -> tuple[str, ...]:
    events = {"INSERT" if part.deletes else "UPDATE" for part in shown if part.table == table}
    return tuple(each.name for each in structure.relations[table].triggers if events & set(each.events))
