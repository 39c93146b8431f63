"""What setting a ledger right does, as units: marks, what is left of a migration, or the opposite of what was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lifecycle.doctoring.inverting import opposites
from lifecycle.doctoring.values import Do
from lifecycle.migrating.planning import Seen, Subject
from lifecycle.sources.acts import Act, Phase, Unit
from lifecycle.sources.base import RUNNABLE, Entry, Migration, State
from opsconsole.engines.base import Engine
from opsconsole.exceptions import Refused, Usage
from opsconsole.review import Statement, dialect_of, review, split

MARKABLE = (State.SKIPPED, *RUNNABLE)


def units_for(engine: Engine, subject: Subject, seen: Seen, do: Do, entry: Entry, at: int) -> list[Unit]:
    """What does it. `at` is how many statements of the migration are in effect. Raises Refused or Usage."""
    if do is Do.BASELINE:
        return _baseline(subject, seen, entry)
    if do is Do.ROLLED_BACK:
        return [replace(_forget(subject, seen, entry), direction="forget")]
    migration = entry.migration
    if migration is None:
        raise Refused(
            "file_missing", f"The folder has no file of {entry.name}.", "Bring the folder that has it, then ask again."
        )
    if do is Do.APPLIED:
        _refuse_gap(subject, seen, migration)
        return [subject.source.mark(migration, seen.ledger, seen.place, subject.folder.options)]
    return (
        [_finish(engine, subject, seen, migration, at)]
        if do is Do.FINISH
        else [_undo(engine, subject, seen, entry, at)]
    )


def _refuse_gap(subject: Subject, seen: Seen, migration: Migration) -> None:
    """Raise Refused where the tool would never look again at what comes before the marked one."""
    if left := subject.source.passed_over([migration], seen.entries):
        raise Refused(
            "would_skip",
            f"{subject.source.label} looks only at what comes after the newest applied one, so {left[0].name} would be"
            " skipped for ever.",
            f"Set that one right first, or mark everything up to {migration.name} (do=baseline).",
        )


def statements_of(engine: Engine, subject: Subject, seen: Seen, migration: Migration) -> list[Statement]:
    """What the tool would run of a migration, statement by statement."""
    nothing = replace(seen.ledger, exists=False, rows=())
    together = [migration] if subject.source.together else [*_before(seen, migration), migration]
    unit = subject.source.apply(together, nothing, seen.place, subject.folder.options)[-1]
    return [each for act in unit.scripts for each in split(act.sql, dialect_of(engine))]


def as_examined(examined: Sequence[Unit], engine: Engine, now: Sequence[Statement], key: str, at: int | None) -> bool:
    """Whether a migration's statements are those that a doctor replayed: the first `at` of them, or all."""
    texts = [
        each.text
        for unit in examined
        if key in unit.migrations
        for act in unit.scripts
        for each in split(act.sql, dialect_of(engine))
    ]
    return texts[:at] == [each.text for each in now][:at]


def _before(seen: Seen, migration: Migration) -> list[Migration]:
    known = list(seen.migrations)
    return known[: known.index(migration)]


def _forget(subject: Subject, seen: Seen, entry: Entry) -> Unit:
    return subject.source.forget(entry, seen.ledger, seen.place, subject.folder.options)


def _finish(engine: Engine, subject: Subject, seen: Seen, migration: Migration, at: int) -> Unit:
    """The statements behind `at` and the ledger's word, in one transaction where they can be in one."""
    statements = statements_of(engine, subject, seen, migration)
    _refuse_bad(at, statements, least=0)
    _refuse_gap(subject, seen, migration)
    left = statements[at:]
    mark = subject.source.mark(migration, seen.ledger, seen.place, subject.folder.options)
    acts = tuple(_script(each.text, migration.key) for each in left)
    return _joined(engine, mark, acts, f"Finish {migration.name}: statements {at + 1} to {len(statements)}", "up")


def _undo(engine: Engine, subject: Subject, seen: Seen, entry: Entry, at: int) -> Unit:
    """The opposites of the first `at` statements, and the ledger's word that it is not applied."""
    migration = entry.migration
    assert migration is not None
    statements = statements_of(engine, subject, seen, migration)
    _refuse_bad(at, statements, least=1)
    acts = tuple(_script(text, migration.key) for text in opposites([each.text for each in statements[:at]]))
    title = f"Take back statements 1 to {at} of {migration.name}"
    if entry.row is None:  # the ledger does not have it: there is nothing to forget
        alone = Phase(transaction=True, acts=acts)
        return Unit(title=title, migrations=(migration.key,), phases=(alone,), direction="forget")
    return _joined(engine, _forget(subject, seen, entry), acts, title, "forget")


def _baseline(subject: Subject, seen: Seen, last: Entry) -> list[Unit]:
    """Marks for everything up to one migration that the ledger does not have. Raises Refused when it has them all."""
    source, ledger, options = subject.source, seen.ledger, subject.folder.options
    until = list(seen.entries).index(last) + 1
    wanted = [each.migration for each in seen.entries[:until] if each.state in MARKABLE and each.migration]
    if not wanted:
        raise Refused("nothing_to_mark", f"The ledger has everything up to {last.name}.", "There is nothing to do.")
    if source.one_number:
        wanted = wanted[-1:]
    units = []
    for migration in wanted:
        units.append(source.mark(migration, ledger, seen.place, options))
        ledger = replace(ledger, exists=True)
    return units


def _joined(engine: Engine, ledger: Unit, acts: tuple[Act, ...], title: str, direction: str) -> Unit:
    """Texts before a change of the ledger: in its transaction, unless one of them cannot be in one."""
    rules = {each.rule for act in acts for each in review(act.sql, dialect_of(engine), transaction=True).findings}
    if "concurrently-in-transaction" in rules:
        phases: tuple[Phase, ...] = (Phase(acts=acts), *ledger.phases)
    else:
        first, *rest = ledger.phases
        phases = (Phase(transaction=True, acts=(*acts, *first.acts)), *rest)
    return replace(ledger, title=title, direction=direction, phases=phases)


def _script(text: str, key: str) -> Act:
    return Act(sql=text if text.rstrip().endswith(";") else f"{text.rstrip()};", script=True, migration=key)


def _refuse_bad(at: int, statements: Sequence[Statement], *, least: int) -> None:
    if not least <= at < len(statements) + least:
        raise Usage(
            "bad_value",
            f"at={at} does not fit: the migration has {len(statements)} statements.",
            "Ask the doctor how far it came: `manage.py operate doctor NAME`.",
        )
