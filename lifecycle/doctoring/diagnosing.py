"""Finding where a live schema stands on the way that a folder's migrations lead, and what that means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lifecycle.doctoring.values import Diagnosis, Do, Point, Replay, Report, Verdict
from lifecycle.migrating.differences import schema_changes


def diagnose(replay: Replay, live: Mapping[str, str], half: Sequence[str]) -> Report:
    """What the ledger says, held against what is there. `half` are the keys that it calls begun and failed."""
    made = {name for point in replay.points for name in point.definitions}
    nobody = "nothing that was replayed" if replay.left else "no migration"
    foreign = tuple(f"{name} is there, and {nobody} made it" for name in sorted(live) if name not in made)
    if replay.unproven:
        report = _unproven(replay, half)
    else:
        report = _held_against(replay, {name: text for name, text in live.items() if name in made}, half)
        report = _with_unchecked(report, replay, half)
    return replace(report, changes=(*report.changes, *foreign))


def _unproven(replay: Replay, half: Sequence[str]) -> Report:
    """What the ledger has could not be replayed: that some point is the live schema means nothing then."""
    left = tuple(replay.left.values())
    sentence = (
        f"It is not known how far the schema came: {left[0]}, which the ledger has, cannot be replayed on "
        f"{replay.start}: {replay.failure} Not checked: {_listed(left)}. {_BASELINE}"
    )
    said = "Nobody can tell by the schema how far it came, unless the doctor has a baseline."
    return Report(sentence=sentence, diagnoses=_untold(replay, half, said), unchecked=left)


def _with_unchecked(report: Report, replay: Replay, half: Sequence[str]) -> Report:
    """With what could not be replayed, but for what the ledger calls failed: that was to be expected."""
    left = tuple(name for key, name in replay.left.items() if key not in half)
    if not left:
        return report
    told = f"The replay {_stopped(replay)} {_BASELINE}"
    said = report.sentence if told in report.sentence else f"{report.sentence} {told}"
    return replace(report, sentence=f"{said} Not checked: {_listed(left)}.", unchecked=left)


def _stopped(replay: Replay) -> str:
    return f"stopped in {next(iter(replay.left.values()))}: {replay.failure}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _held_against(replay: Replay, live: Mapping[str, str], half: Sequence[str]) -> Report:
    """`live` without what no migration of the folder ever made: that was there before it, or is somebody else's."""
    same = [place for place, point in enumerate(replay.points) if point.definitions == live]
    if not same:
        return _drifted(replay, live, half)
    if same[-1] < replay.ledger:
        return _recorded(replay, same[-1])
    if same[0] > replay.ledger:
        return _ahead(replay, same[0], same[-1], half)
    return _as_recorded(replay, same[-1], half)


def _as_recorded(replay: Replay, last: int, half: Sequence[str]) -> Report:
    """The schema is the one that the ledger's migrations make."""
    if not half:
        return Report(sentence="The schema has what the migrations of the ledger make: nothing is to be set right.")
    points = [point for point in replay.points if point.key in half]
    key, of = (points[-1].key, points[-1].of) if points else (half[-1], 0)  # without any, its first statement fails
    name = replay.names.get(key, key)
    if last > replay.ledger and replay.points[last].key == key:
        said = _only_rows(replay.points[last].at, of)
        ways = (Do.ROLLED_BACK, Do.APPLIED, Do.FINISH)
        found = Diagnosis(key=key, name=name, verdict=Verdict.ROWS, sentence=said, of=of, ways=ways)
    else:
        said = "It failed, and nothing of it is in the schema. Mark it as rolled back, mend it, and apply it again."
        found = Diagnosis(key=key, name=name, verdict=Verdict.NOTHING, sentence=said, of=of, ways=(Do.ROLLED_BACK,))
    return Report(sentence=f"{name}: {said}", diagnoses=(found,))


def _ahead(replay: Replay, first: int, last: int, half: Sequence[str]) -> Report:
    """The schema has more than the ledger says: up to a statement of a migration, or to the end of one."""
    here, until = replay.points[first], replay.points[last]
    if not here.whole and until.whole and until.key == here.key:
        here = here if here.key in half else until  # what follows writes rows alone; nothing says that it failed there
    before = [point for point in replay.points[replay.ledger + 1 : first] if point.whole and point.key != here.key]
    found = [_all_there(point.key, point.name, point.of) for point in before]
    if here.whole:
        found.append(_all_there(here.key, here.name, here.of))
        sentence = (
            f"All of {here.name} is there, and the ledger does not have it: it was applied by hand, or marked late."
        )
        return Report(sentence=sentence, diagnoses=tuple(found))
    said = f"Statements 1 to {here.at} of {here.of} are in effect; the others are not."
    if until.at > here.at and until.key == here.key:
        said = f"{said[:-1]}, as far as the schema tells: up to {until.at} they write rows alone, so look at those."
    found.append(
        Diagnosis(
            key=here.key, name=here.name, verdict=Verdict.HALF, sentence=said, at=here.at, of=here.of,
            ways=(Do.FINISH, Do.UNDO),
        )
    )  # fmt: skip
    return Report(sentence=f"{here.name} is half applied at statement {here.at} of {here.of}.", diagnoses=tuple(found))


def _recorded(replay: Replay, place: int) -> Report:
    """The ledger says more than the schema has."""
    here = replay.points[place]
    after = [point for point in replay.points[place + 1 : replay.ledger + 1] if point.whole]
    said = "The ledger says that it is applied, and nothing of it is in the schema."
    found = tuple(
        Diagnosis(
            key=point.key, name=point.name, verdict=Verdict.RECORDED, sentence=said, of=point.of,
            ways=(Do.ROLLED_BACK,),
        )
        for point in after
    )  # fmt: skip
    where = f"after {here.name}" if here.key else f"of {replay.start}"
    return Report(sentence=f"The schema is that {where}, and the ledger has {len(after)} more.", diagnoses=found)


MOST_NAMED = 5
_BASELINE = (
    "Where migrations build on what is older than the folder, give the doctor that as a baseline: base=FILE, the "
    "definitions from before the first migration as SQL (of a copy from then: pg_dump --schema-only --no-owner "
    "--no-privileges, or .schema --nosys in sqlite3)."
)


def _drifted(replay: Replay, live: Mapping[str, str], half: Sequence[str]) -> Report:
    """No point of the way is the schema that is there: the nearest one, and what is otherwise."""
    changes = [schema_changes(point.definitions, live) for point in replay.points]
    nearest = min(range(len(changes)), key=lambda place: (len(changes[place]), abs(place - replay.ledger)))
    here, differs = replay.points[nearest], changes[nearest]
    told = {"added": "is there already", "removed": "is not there", "changed": "is another one"}
    where = _at(here) if here.key else replay.start
    sentence = (
        f"The schema is none that these migrations make; it is nearest to {where}, with {len(differs)} differences."
    )
    if replay.failure:
        sentence = f"{sentence} The replay {_stopped(replay)} {_BASELINE}"  # also where only a failed one fails
    said = "Nobody can tell by the schema how far it came: set right by hand what differs, then ask again."
    found = _untold(replay, half, said)
    return Report(
        sentence=sentence, diagnoses=found, changes=tuple(f"{each.name} {told[each.change]}" for each in differs)
    )


def _untold(replay: Replay, half: Sequence[str], said: str) -> tuple[Diagnosis, ...]:
    """Of each that the ledger calls failed, that nobody can tell."""
    names, ways = replay.names, (Do.APPLIED, Do.ROLLED_BACK)
    return tuple(
        Diagnosis(key=key, name=names.get(key, key), verdict=Verdict.DRIFTED, sentence=said, ways=ways) for key in half
    )


def _all_there(key: str, name: str, of: int) -> Diagnosis:
    said = "All that it makes is in the schema, and the ledger does not have it. Mark it as applied."
    return Diagnosis(key=key, name=name, verdict=Verdict.ALL, sentence=said, at=of, of=of, ways=(Do.APPLIED,))


def _only_rows(at: int, of: int) -> str:
    return (
        f"Nothing of it is in the schema, but its first {at} of {of} statements only write rows: look whether those are"
        " there, then finish it, or mark it."
    )


def _at(point: Point) -> str:
    return f"the end of {point.name}" if point.whole else f"statement {point.at} of {point.of} of {point.name}"
