"""Taking a fix back: every row holds again what it held, where nobody has touched it since, or nothing changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby
from operator import itemgetter

from integrity.fixing import following, keeping
from integrity.fixing.carrying_out import lockable, shape_of
from integrity.fixing.keeping import Before
from integrity.models import Fix
from opsconsole.clock import now
from opsconsole.engines.base import Engine
from opsconsole.engines.fixing import Aim, Fixing, Key
from opsconsole.engines.inquiry import AskFailed, Inquiry
from opsconsole.engines.structure import Relation, Structure
from opsconsole.exceptions import Moved, OperationFailed, Refused, Stale, Usage
from opsconsole.kinds import Run
from opsconsole.models import Database

SECONDS = 300.0
ASK_AGAIN = "Ask again: the answer names what has changed since the fix."
BY_HAND = "Restore a backup into another database, and put back by hand what is right."


def find(database: Database, number: str) -> Fix:
    """The fix that is taken back. Raises Usage, or Refused with why not."""
    rows = Fix.objects.filter(database=database).exclude(state=Fix.State.BEGUN).select_related("operation")
    wanted = rows if number == "latest" else rows.filter(pk=int(number) if _is_number(number) else 0)
    row = wanted.first()
    if row is None:
        raise Usage("unknown_fix", f"No fix of {database.name} has that number.", "Give its number, or latest.")
    if row.state == Fix.State.UNDONE:
        raise Refused("undone_already", f"Fix {row.pk} was taken back by operation {row.undone_by_id}.", "")
    if row.state == Fix.State.DROPPED or not row.key_sealed or row.expires_at <= now():
        until = f"{row.expires_at:%Y-%m-%d %H:%M} UTC"
        raise Refused("window_over", f"Fix {row.pk} could be taken back until {until}.", BY_HAND)
    return row


def put_back(run: Run, row: Fix) -> None:
    """Everything in one transaction, past its commit point. Raises OperationFailed, Stale, Cancelled and FenceLost."""
    engine, digest = run.engine(), str(run.plan.parameters["digest"])
    structure = engine.structure()
    tables = [structure.relations[name] for name in run.plan.parameters["tables"]]
    asked = [tuple(each) for each in run.plan.parameters["unmet"]]
    loose = [key for key in structure.foreign_keys if (key.table, key.name) in asked]
    parents = {key.parent for each in tables for key in following.own_references(structure, each.full_name)}
    tables += lockable(structure, parents - {each.full_name for each in tables}) if loose else []
    with engine.fixing(tables, home=row.home, loose=loose) as fixing:
        run.recheck()
        with engine.inquiry(seconds=SECONDS) as inquiry:
            back = _all_back(run, row, (engine, fixing, inquiry, structure), digest)
        _refuse_new_orphans(fixing, engine, structure, back)
        fixing.settle()
        fixing.forget(row.pk)
        run.lock().confirm()
        witness = fixing.witness(run.operation_id, run.fence)
        run.failpoint("unfix.before_commit")
        run.before_commit(witness=witness)
        fixing.commit()
    run.after_commit()
    run.failpoint("unfix.committed")
    keeping.undone(row.pk, run.operation_id)


def _all_back(
    run: Run, row: Fix, at: tuple[Engine, Fixing, Inquiry, Structure], digest: str
) -> dict[str, dict[Key, tuple[str, ...]]]:
    """Everything that is kept, first with all that fires at it, then exactly as it was.

    Gives back the foreign keys along which rows referred to nothing, by table and key. Raises OperationFailed.
    """
    engine, fixing, inquiry, structure = at
    total, done, back = hashlib.sha256(), 0, dict[str, dict[Key, tuple[str, ...]]]()
    for _, some in kept(inquiry, engine, structure, row):
        run.check_cancel()
        _restore(fixing, same_table(structure, some[0]), some)
        add(total, some)
        back.setdefault(some[0].table, {}).update({each.image.key: each.unmet for each in some})
        done += len(some)
        run.progress(done, row.rows, "rows", step=f"Putting rows of {some[0].table} back")
    if f"sha256:{total.hexdigest()}" != digest or done != row.rows:
        raise OperationFailed(
            "kept_differs", "What is kept is not what was approved.", "Nothing was changed. Ask again."
        )
    fixing.hasten()
    for _, some in kept(inquiry, engine, structure, row):
        run.check_cancel()
        _set_exactly(fixing, same_table(structure, some[0]), some)
    return back


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 19


def kept(inquiry: Inquiry, engine: Engine, structure: Structure, row: Fix) -> Iterator[tuple[int, list[Before]]]:
    """Rows of one part and its number, some at a time; all of them where rows of a table may refer to each other."""
    try:
        for number, found in groupby(keeping.read(inquiry, engine, row), key=itemgetter(0)):
            chunks = (some for _, some in found)
            for some in chunks:
                own = following.refers_to_itself(structure, some[0].table)
                yield number, [*some, *chain.from_iterable(chunks)] if own else some
    except AskFailed as error:
        raise Refused("kept_no_more", f"What fix {row.pk} changed cannot be read: {error.why}.", BY_HAND) from error


def same_table(structure: Structure, before: Before) -> Relation:
    """The table that a row is of. Raises Refused when it is another by now."""
    relation = structure.relations.get(before.table)
    if relation is None or shape_of(relation) != before.shape:
        raise Refused("schema_differs", f"{before.table} has other columns than when its rows were set right.", BY_HAND)
    return relation


def _restore(fixing: Fixing, relation: Relation, rows: Sequence[Before]) -> None:
    """Put the rows back, with all that fires at it. Raises Stale or OperationFailed."""
    _refuse_moved(fixing, relation, rows)
    contents = [row.image.content for row in rows]
    if rows[0].after:
        aims = [Aim(key=row.image.key, digest=row.after) for row in rows]
        count = fixing.put_back(relation, aims, contents)
    else:
        count = fixing.insert(relation, contents)
    if count != len(rows):
        raise _not_exact(relation)


def _refuse_moved(fixing: Fixing, relation: Relation, rows: Sequence[Before]) -> None:
    """Raise Stale when rows are not as the fix left them; the plan saw that they were."""
    found = _digests(fixing, relation, rows)
    moved = sum(found.get(row.image.key, "") != row.after for row in rows)
    if moved:
        table = relation.full_name
        said = f"{moved} of {len(rows)} rows of {table} are not as the fix left them any more"
        raise Stale([Moved(f"rows of {table}", str(len(rows)), said, said=said)], ASK_AGAIN)


def _digests(fixing: Fixing, relation: Relation, rows: Sequence[Before]) -> dict[Key, str]:
    """Of the rows that are there, by their keys."""
    there = following.standing(fixing, relation, [row.image.key for row in rows])
    return {key: image.digest for key, image in there.items()}


def _set_exactly(fixing: Fixing, relation: Relation, rows: Sequence[Before]) -> None:
    """Have rows that a trigger changed on their way back hold what they held. Raises OperationFailed."""
    changed = _unlike(fixing, relation, rows)
    if changed:
        with fixing.quiet(relation):
            fixing.put_back(relation, [aim for aim, _ in changed], [row.image.content for _, row in changed])
        if _unlike(fixing, relation, rows):
            raise _not_exact(relation)


def _unlike(fixing: Fixing, relation: Relation, rows: Sequence[Before]) -> list[tuple[Aim, Before]]:
    """Those that do not hold what they held, as they are. Raises OperationFailed when one is not there."""
    found = _digests(fixing, relation, rows)
    if len(found) != len(rows):
        raise _not_exact(relation)
    pairs = ((Aim(key=row.image.key, digest=found[row.image.key]), row) for row in rows)
    return [(aim, row) for aim, row in pairs if aim.digest != row.image.digest]


def _not_exact(relation: Relation) -> OperationFailed:
    return OperationFailed(
        "not_exact",
        f"Rows of {relation.full_name} would not hold exactly what they held: others, or a trigger, changed them.",
        f"Nothing was changed. {BY_HAND}",
    )


def _refuse_new_orphans(
    fixing: Fixing, engine: Engine, structure: Structure, back: Mapping[str, Mapping[Key, tuple[str, ...]]]
) -> None:
    """A row may only refer to nothing where it did so before the fix. Raises OperationFailed."""
    for table, held in back.items():
        now_unmet = following.unmet(fixing.ask, engine.wording, structure, table, list(held))
        new = sum(not set(names) <= set(held[key]) for key, names in now_unmet.items())
        if new:
            raise OperationFailed(
                "foreign_key",
                f"{new} rows of {table} refer to rows that have gone since the fix.",
                f"Nothing was changed. {BY_HAND}",
            )


def add(total: hashlib._Hash, rows: Sequence[Before]) -> None:
    """Add rows to the digest of all that is kept."""
    for row in rows:
        total.update("\0".join((row.table, *row.image.key, row.image.digest, row.after)).encode() + b"\n")
