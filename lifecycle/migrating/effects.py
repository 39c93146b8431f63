"""What migrations do to each table, as far as their SQL and a rehearsal tell: what a plan announces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lifecycle.loss.values import grouped
from lifecycle.migrating.rehearsals import Rehearsed
from opsconsole.plans import Confirmation, Effect
from opsconsole.review import Finding, Live, Review

ALL = frozenset({"drop-table", "drop-schema"})
EMPTIED = frozenset({"truncate", "delete-without-where"})
SOME = frozenset(
    {"delete", "delete-cascades", "cte-delete", "merge-delete", "replace-row", "rebuild-incomplete", "rebuild-unproven"}
)
REACHING = frozenset(
    {"drop-table", "truncate", "delete-cascades", "delete-without-where", "delete", "rebuild-cascades"}
)
_NAME = r'((?:"[^"]+"|`[^`]+`|\[[^\]]+\]|[\w$]+)(?:\s*\.\s*(?:"[^"]+"|`[^`]+`|[\w$]+))?)'
_CREATED = re.compile(
    rf"\A\s*CREATE\s+(?:UNLOGGED\s+)?(?:VIRTUAL\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}", re.IGNORECASE
)
_CHANGED = (
    re.compile(rf"\A\s*ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{_NAME}", re.IGNORECASE),
    re.compile(rf"\A\s*(?:INSERT\s+(?:OR\s+\w+\s+)?INTO|REPLACE\s+INTO|UPDATE(?:\s+ONLY)?)\s+{_NAME}", re.IGNORECASE),
    re.compile(rf"\A\s*CREATE\s+(?:UNIQUE\s+)?INDEX\b.*?\bON\s+(?:ONLY\s+)?{_NAME}", re.IGNORECASE | re.DOTALL),
)
_QUOTES = re.compile(r'["`\[\]]|\s')


@dataclass
class _Fate:
    """What becomes of one table: the gravest word counts, the notes are kept in order."""

    action: str = "changed"
    lost: int | None = None
    exact: bool = True
    notes: list[str] = field(default_factory=list)

    def graver(self, action: str, lost: int | None, note: str, *, exact: bool) -> None:
        if _WEIGHT[action] > _WEIGHT[self.action] or self.lost is None:
            self.action, self.lost, self.exact = action, lost, exact
        if note not in self.notes:
            self.notes.append(note)


_WEIGHT = {"created": 0, "changed": 1, "reduced": 2, "emptied": 3, "removed": 4}


@dataclass(frozen=True, kw_only=True)
class Announced:
    """The effects, and how many rows of each table may go: None for however many there are, else a measured number."""

    effects: tuple[Effect, ...]
    losses: Mapping[str, int | None]
    unmentioned: int  # tables that the SQL does not name


def announce(reviews: Sequence[Review], live: Live, rehearsed: Rehearsed | None) -> Announced:
    """From reviews in the order in which their texts run. What a rehearsal measured counts more than what is read."""
    fates: dict[str, _Fate] = {}
    created: list[str] = []
    for each in reviews:
        for statement in each.statements:
            _named(statement.text, live, fates, created)
        cascading = {finding.statement for finding in each.findings if finding.rule == "cascade"}
        for finding in each.findings:
            _found(finding, live, fates)
            if finding.rule == "truncate" and finding.statement in cascading:
                _emptied_along(finding, live, fates)
    if rehearsed:
        _measured(rehearsed, fates, live)
    effects = [_effect(name, fate, live, rehearsed) for name, fate in fates.items()]
    new = [name for name in dict.fromkeys(created) if name not in fates]
    effects += [Effect(object=name, action="created", rows_after=_after(rehearsed, name)) for name in new]
    losses = {name: _most(name, fate, live, rehearsed) for name, fate in fates.items() if fate.lost}
    unmentioned = len([name for name in live.rows if name not in fates])
    return Announced(effects=tuple(effects), losses=losses, unmentioned=unmentioned)


def confirmation(announced: Announced) -> Confirmation | None:
    """What approving costs, when rows go."""
    losing = sorted((each for each in announced.effects if each.lost), key=lambda each: -(each.lost or 0))
    if not losing:
        return None
    worst, others = losing[0], len(losing) - 1
    upper = "" if worst.exact else "up to "
    more = f", and rows of {others} more table{'s' * (others > 1)}" if others else ""
    lost = worst.lost or 0
    return Confirmation(
        sentence=f"You would lose {upper}{grouped(lost)} row{'s' * (lost != 1)} of {worst.object}{more}.",
        number=lost,
        counts=f"rows of {worst.object} that would be lost",
    )


def _named(text: str, live: Live, fates: dict[str, _Fate], created: list[str]) -> None:
    made = _CREATED.match(text)
    if made and not live.full_names(_bare(made[1])):
        created.append(_bare(made[1]))
    for form in _CHANGED:
        if found := form.match(text):
            for name in live.full_names(_bare(found[1])):
                fates.setdefault(name, _Fate())


def _found(finding: Finding, live: Live, fates: dict[str, _Fate]) -> None:
    """A finding about rows that go: of its table, and of those that refer to it and go with it."""
    names = _tables_of(finding, live)
    for name in names:
        rows = live.rows.get(name)
        where = f"{finding.rule.replace('-', ' ')}, line {finding.line}"
        if finding.rule in ALL:
            fates.setdefault(name, _Fate()).graver("removed", rows, where, exact=True)
        elif finding.rule in EMPTIED:
            fates.setdefault(name, _Fate()).graver("emptied", rows, where, exact=True)
        elif finding.rule in SOME:
            fates.setdefault(name, _Fate()).graver("reduced", rows, where, exact=False)
    if finding.rule in REACHING:
        for name in names:
            for key in live.emptied_with(name):
                _reached(key.table, key.on_delete, name, live, fates)


def _emptied_along(finding: Finding, live: Live, fates: dict[str, _Fate]) -> None:
    """TRUNCATE ... CASCADE empties whatever refers to the table, and what refers to that."""
    waiting, seen = list(_tables_of(finding, live)), set[str]()
    while live.structure and waiting:
        parent = waiting.pop()
        seen.add(parent)
        for key in live.structure.foreign_keys:
            if key.parent == parent and key.table not in seen:
                note = f"refers to {parent}, which is emptied with CASCADE"
                fates.setdefault(key.table, _Fate()).graver("emptied", live.rows.get(key.table), note, exact=True)
                waiting.append(key.table)


def _reached(table: str, on_delete: str, parent: str, live: Live, fates: dict[str, _Fate]) -> None:
    note = f"refers to {parent}: ON DELETE {on_delete}"
    fate = fates.setdefault(table, _Fate())
    if on_delete == "CASCADE":
        fate.graver("reduced", live.rows.get(table), note, exact=False)
    elif note not in fate.notes:
        fate.notes.append(note)


def _tables_of(finding: Finding, live: Live) -> Iterable[str]:
    if finding.rule == "drop-schema":
        return [name for name in live.rows if name.startswith(f"{finding.object}.")]
    names = live.full_names(finding.object) if finding.object else []
    relations = live.structure.relations.values() if live.structure else ()
    parts = [part.full_name for part in relations if part.whole in names and part.full_name not in names]
    return [*names, *parts]


def _measured(rehearsed: Rehearsed, fates: dict[str, _Fate], live: Live) -> None:
    """Losses that a rehearsal saw and nobody reads in the SQL."""
    for name, (before, after) in rehearsed.tables.items():
        lost, exact = _foreseen(name, live, rehearsed)
        if lost and name not in fates and name in live.rows:
            gone = "removed" if after is None else "reduced"
            note = f"rehearsed: {grouped(before or 0)} to {grouped(after or 0)} rows, not named in the SQL"
            fates[name] = _Fate(action=gone, lost=lost, exact=exact, notes=[note])


def _foreseen(name: str, live: Live, rehearsed: Rehearsed | None) -> tuple[int | None, bool]:
    """How many of the rows that are there now go by what a rehearsal saw, and whether that is sure.

    Its copy may have held more rows, or fewer: what it emptied loses all there are, and nothing loses more than that.
    """
    known, rows = rehearsed.lost(name) if rehearsed else None, live.rows.get(name)
    if not known or rows is None or rehearsed is None:
        return known, True
    if not rehearsed.tables[name][1]:
        return rows, True
    return min(known, rows), known <= rows


def _effect(name: str, fate: _Fate, live: Live, rehearsed: Rehearsed | None) -> Effect:
    rows, (known, sure) = live.rows.get(name), _foreseen(name, live, rehearsed)
    lost, exact = fate.lost, fate.exact
    if fate.action == "reduced" and known is not None:
        lost, exact = known, sure
    after: int | None = rows
    if fate.action in ("removed", "emptied"):
        after = 0
    elif fate.action == "reduced" or (rehearsed and known is None):
        after = None if rows is None or not exact else rows - (lost or 0)
    return Effect(
        object=name, action=fate.action, rows_before=rows, rows_after=after, note="; ".join(fate.notes), lost=lost or 0,
        exact=exact,
    )  # fmt: skip


def _most(name: str, fate: _Fate, live: Live, rehearsed: Rehearsed | None) -> int | None:
    """How many rows may go: however many there are, unless a rehearsal has counted a part."""
    return _foreseen(name, live, rehearsed)[0] if fate.action == "reduced" else None


def _after(rehearsed: Rehearsed | None, name: str) -> int | None:
    if rehearsed is None:
        return None
    found = [after for table, (_, after) in rehearsed.tables.items() if table in (name, f"public.{name}")]
    return found[0] if found else None


def _bare(name: str) -> str:
    return _QUOTES.sub("", name)
