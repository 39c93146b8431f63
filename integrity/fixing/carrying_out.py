"""Doing what a plan lists, in one transaction: every row as it was approved, or nothing.

Each row is looked at again under the lock; it must hold what it held, and still be one of the finding's. When all are
done and every trigger has fired, each is read once more: what it held, and how it stands then, is kept, encrypted,
before the transaction commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from integrity.checks import moments
from integrity.checks.base import Moment, named
from integrity.fixing import following, keeping
from integrity.fixing.comparing import LEFT
from integrity.fixing.keeping import Before
from integrity.fixing.parts import Part
from integrity.fixing.selecting import CHUNK, keys_and_values
from integrity.fixing.statements import Stands
from opsconsole.engines.base import Engine
from opsconsole.engines.fixing import Aim, Fixing, Image, Wording, key_of
from opsconsole.engines.structure import Relation, Structure
from opsconsole.exceptions import Moved, OperationFailed, Stale
from opsconsole.kinds import Run

SECONDS = 300.0
NOTHING = "Nothing was changed."


@dataclass(frozen=True, kw_only=True)
class _Held:
    """Rows of a part, from `place` on, that have been changed, and what they held."""

    number: int
    place: int
    part: Part
    aims: Sequence[Aim]
    rows: list[Before]


def change_rows(run: Run, parts: Sequence[Part], *, steps: int) -> Mapping[str, Any]:
    """All parts, past their commit point, as the first of so many steps; gives back the witness of that.

    Raises Stale, OperationFailed, Cancelled and FenceLost.
    """
    engine = run.engine()
    structure = engine.structure()
    total = sum(len(part.aims) for part in parts)
    home = structure.relations[parts[0].table].schema
    cipher = keeping.begin(run, home=home, rows=total)
    with engine.fixing(involved(structure, parts), home=home) as fixing:
        run.recheck()
        _still_found(engine, run.database().name, parts)
        done, held = 0, list[_Held]()
        for number, part in enumerate(parts):
            _nothing_else_goes_along(engine, structure, fixing, part)
            size = _at_once(structure, part)
            for place in range(0, len(part.aims), size):
                run.check_cancel()
                some = part.aims[place : place + size]
                rows = _change(fixing, engine.wording, structure, part, some)
                held.append(_Held(number=number, place=place, part=part, aims=some, rows=rows))
                done += len(some)
                run.progress(done, total, "rows", step=f"Setting rows of {part.table} right")
        fixing.settle()
        for each in held:
            rows = _as_they_stand(fixing, structure.relations[each.part.table], each)
            keeping.put(fixing, cipher, run.operation_id, each.number, each.place, rows)
        run.lock().confirm()
        witness = fixing.witness(run.operation_id, run.fence)
        run.failpoint("fix.before_commit")
        run.before_commit(witness=Stands(done=0, of=steps, begun=True, rows=witness).to_json())
        fixing.commit()
    if steps == 1:
        run.after_commit()
    else:
        run.after_step(witness=Stands(done=1, of=steps, rows=witness).to_json())
    run.failpoint("fix.committed")
    keeping.keep(run.operation_id)
    return witness


def involved(structure: Structure, parts: Sequence[Part]) -> list[Relation]:
    """Every table that must not change meanwhile: those of the rows, those that refer to them, those of conditions."""
    names = {part.table for part in parts}
    names |= {key.table for name in list(names) for key in following.references_to(structure, name)}
    said = " ".join(f"{part.where} {part.joins} {part.value}" for part in parts).lower()
    names |= {name for name, relation in structure.relations.items() if relation.name.lower() in said}
    return lockable(structure, names)


def lockable(structure: Structure, names: Iterable[str]) -> list[Relation]:
    """Those of the tables that the console's role may close to other writers."""
    rights = {"UPDATE", "DELETE", "TRUNCATE"}
    return [structure.relations[name] for name in sorted(names) if structure.relations[name].rights & rights]


def _at_once(structure: Structure, part: Part) -> int:
    """How many rows one statement takes: all of them where they may refer to each other."""
    return len(part.aims) if following.refers_to_itself(structure, part.table) else CHUNK


def shape_of(relation: Relation) -> tuple[tuple[str, str], ...]:
    """Columns and their types."""
    return tuple((field.name, field.type) for field in relation.fields)


def _still_found(engine: Engine, name: str, parts: Sequence[Part]) -> None:
    """Whether every row is still one of its finding's, and would get the same. Raises Stale."""
    with moments.opened(engine, name, seconds=SECONDS) as moment:
        for part in parts:
            if part.where:
                for place in range(0, len(part.aims), CHUNK):
                    _still_so(moment, part, part.aims[place : place + CHUNK])


def _still_so(moment: Moment, part: Part, aims: Sequence[Aim]) -> None:
    relation = moment.structure.relations[part.table]
    keys = [aim.key for aim in aims]
    now = keys_and_values(moment, relation, part, part.value, limit=len(keys) + 1, among=keys)
    gone = sum(aim.key not in now for aim in aims)
    other = sum(now.get(aim.key, aim.values[0]) != aim.values[0] for aim in aims) if part.value else 0
    if gone or other:
        said = f"{gone} of them are gone or sound by now" if gone else f"{other} of them would get another value by now"
        raise Stale([_moved(part, said)], LEFT)


def _nothing_else_goes_along(engine: Engine, structure: Structure, fixing: Fixing, part: Part) -> None:
    """Raise Stale when deleting would take rows along that nobody has approved."""
    if not part.deletes:
        return
    relation, keys = structure.relations[part.table], [aim.key for aim in part.aims]
    listing = ", ".join(engine.wording.column(name, "t") for name in key_of(relation))
    together = set(keys)
    for reference in following.references_to(structure, part.table):
        own = reference.table == part.table  # rows of one table go together
        child, listed = named(structure, reference.table), listing if own else "1"
        for some in following.chunks(keys):
            where = following.still_referring(structure, engine.wording, reference, part.table, some)
            found = fixing.ask(f"SELECT {listed} FROM {child} AS t WHERE {where}")
            count = sum(not own or tuple(map(str, key)) not in together for key in found)
            if count:
                raise Stale([_moved(part, f"{count} rows of {reference.table} refer to them by now")], LEFT)


def _change(fixing: Fixing, wording: Wording, structure: Structure, part: Part, aims: Sequence[Aim]) -> list[Before]:
    """Change or delete the rows; gives back what they held. Raises Stale or OperationFailed."""
    relation = structure.relations[part.table]
    before, keys = _as_approved(fixing, relation, part, aims), [aim.key for aim in aims]
    unmet = following.unmet(fixing.ask, wording, structure, part.table, keys)
    changed = fixing.delete(relation, aims) if part.deletes else fixing.update(relation, part.columns, aims)
    if changed != len(aims):
        raise OperationFailed(
            "counts_differ",
            f"{changed} rows of {part.table} would have changed instead of the {len(aims)} that were approved.",
            f"{NOTHING} Look at the triggers of the table, then ask again.",
        )
    shape = shape_of(relation)
    return [
        Before(table=part.table, shape=shape, image=before[key], after="", unmet=unmet.get(key, ())) for key in keys
    ]


def _as_they_stand(fixing: Fixing, relation: Relation, held: _Held) -> list[Before]:
    """What the rows held, with the digests of what has become of them, by whatever fired.

    Raises OperationFailed when that is not what was approved.
    """
    part, aims = held.part, held.aims
    after = following.standing(fixing, relation, [aim.key for aim in aims])
    other = len(after) if part.deletes else fixing.unlike(relation, part.columns, aims)
    if other:
        became = "are there again" if part.deletes else f"do not hold what {', '.join(part.columns)} was to get"
        raise OperationFailed(
            "trigger_differs",
            f"{other} of the {len(aims)} rows of {part.table} {became}: a trigger of the table changed them.",
            f"{NOTHING} Look at the triggers of the table, then ask again.",
        )
    return held.rows if part.deletes else [replace(row, after=after[row.image.key].digest) for row in held.rows]


def _as_approved(
    fixing: Fixing, relation: Relation, part: Part, aims: Sequence[Aim]
) -> Mapping[tuple[str, ...], Image]:
    """The rows as they are. Raises Stale when one is not what was approved."""
    found = following.standing(fixing, relation, [aim.key for aim in aims])
    gone = sum(aim.key not in found for aim in aims)
    changed = sum(aim.key in found and found[aim.key].digest != aim.digest for aim in aims)
    if gone or changed:
        parts = [f"{gone} of them are gone"] * bool(gone) + [f"{changed} of them have changed"] * bool(changed)
        raise Stale([_moved(part, " and ".join(parts))], LEFT)
    return found


def _moved(part: Part, said: str) -> Moved:
    count = len(part.aims)
    return Moved(
        what=f"rows of {part.table}", old=str(count), new=said,
        said=f"{count} rows of {part.table} were approved, and {said}",
    )  # fmt: skip
