"""Finding the exact rows that a proposal is about, at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from integrity.checks.base import Moment, Proposal, Sample, named
from integrity.fixing.actions import DELETE, SET_NULL
from integrity.fixing.parts import Part
from integrity.reporting.composing import masked
from integrity.reporting.origins import reads_masked
from opsconsole.engines.fixing import Aim, Image, Key, key_of
from opsconsole.engines.inquiry import AskFailed
from opsconsole.engines.structure import Relation
from opsconsole.exceptions import Refused
from opsconsole.masking import mask

MOST_ROWS = 10_000  # of one plan
MOST_BYTES = 64 << 20  # that these rows may hold
SHOWN_COLUMNS = 8
LONGEST = 120  # characters of a value that is shown
CHUNK = 500
UNFIT_ENCODINGS = ("UTF-16le", "UTF-16be", "SQL_ASCII")
UNREADABLE = "Ask when the database is less busy, or look at the rule."


@dataclass(kw_only=True)
class Room:
    """What a plan may still hold, the rows that it has already, and which columns are masked."""

    masked_columns: Sequence[str]
    rows: int = MOST_ROWS
    bytes: int = MOST_BYTES
    taken: dict[str, set[Key]]

    def take(self, table: str, images: Sequence[Image]) -> None:
        """Raises Refused when it is full."""
        self.taken.setdefault(table, set()).update(image.key for image in images)
        self.rows -= len(images)
        self.bytes -= sum(len(image.content) for image in images)
        if self.rows < 0 or self.bytes < 0:
            limit = f"{MOST_ROWS} rows" if self.rows < 0 else f"{MOST_BYTES >> 20} MiB of rows"
            raise Refused(
                "too_many_rows",
                f"One fix holds at most {limit}, and these are more.",
                "Set one finding right at a time; for this many rows, write a migration and rehearse it.",
            )


def part_of(moment: Moment, proposal: Proposal, check: str, subject: str, room: Room) -> Part:
    """The rows of a proposal that no other part has. Raises Refused."""
    relation = suitable(moment, proposal.table, proposal.action == DELETE)
    columns = () if proposal.action == DELETE else (proposal.column,)
    refuse_column(moment, relation, columns)
    value = "" if proposal.action in (DELETE, SET_NULL) else proposal.value
    found = keys_and_values(moment, relation, proposal, value, limit=MOST_ROWS + 1)
    rest = {key: given for key, given in found.items() if key not in room.taken.get(proposal.table, ())}
    values = {key: (given,) if columns else () for key, given in rest.items()}
    return listed(
        moment,
        Part(
            table=proposal.table, columns=columns, check=check, subject=subject, where=proposal.where,
            joins=proposal.joins, value=value, people=proposal.people, left_out=len(found) - len(rest),
        ),
        values,
        room,
    )  # fmt: skip


def suitable(moment: Moment, table: str, deletes: bool) -> Relation:
    """A table in which single rows can be set right. Raises Refused with why not."""
    relation = moment.structure.relations.get(table)
    if relation is None:
        raise Refused("unknown_table", f"There is no table {table} in {moment.name}.", "Check it again.")
    if moment.structure.encoding in UNFIT_ENCODINGS:
        raise Refused(
            "encoding",
            f"{moment.name} keeps its texts as {moment.structure.encoding}, so that a row cannot be compared exactly.",
            "Write a migration that sets the rows right.",
        )
    if not key_of(relation):
        raise Refused(
            "no_primary_key",
            f"{table} has no primary key, so that nothing names one of its rows.",
            "Give it a primary key in a migration, or write a migration that sets the rows right.",
        )
    lacking = {"SELECT", "DELETE" if deletes else "UPDATE", "INSERT"} - relation.rights
    if lacking or relation.hidden_rows:
        why = f"lacks the right to {', '.join(sorted(lacking))} there" if lacking else "does not see all of its rows"
        raise Refused("permission", f"The console's role {why}: {table}.", "Let the console use the table's owner.")
    return relation


def refuse_column(moment: Moment, relation: Relation, columns: Sequence[str]) -> None:
    """Raise Refused for a column that cannot change by itself."""
    for name in columns:
        field = next((field for field in relation.fields if field.name == name), None)
        referred = any(
            name in key.parent_columns
            and key.parent in (relation.full_name, moment.structure.whole(relation.full_name))
            for key in moment.structure.foreign_keys
        )
        if field is None or field.generated or field.identity == "always" or referred or name in key_of(relation):
            why = "is computed by the database" if field and (field.generated or field.identity) else "names the row"
            raise Refused(
                "fixed_column",
                f"{relation.full_name}.{name} {why if field else 'is not there'}, so that it cannot be given a value.",
                "Choose another proposal, or write a migration.",
            )


def keys_and_values(
    moment: Moment, relation: Relation, proposal: Proposal | Part, value: str, *, limit: int, among: Sequence[Key] = ()
) -> dict[Key, str | None]:
    """The rows that meet a condition, or those of `among` that do, and what their column would get.

    Raises Refused.
    """
    wording = moment.engine.wording
    asked = [f"{wording.column(name, 't')} AS k{n}" for n, name in enumerate(key_of(relation))]
    if value:
        asked.append(f"{wording.value(value, relation.field(_column(proposal)))} AS v0")
    joined = f"{named(moment.structure, relation.full_name)} AS t {proposal.joins}"
    where = f"({proposal.where})" + (f" AND {wording.any_of(relation, among, 't')}" if among else "")
    rows = _asked(moment, f"SELECT {', '.join(asked)} FROM {joined} WHERE {where}", proposal.people, limit)
    found: dict[Key, str | None] = {}
    width = len(key_of(relation))
    for row in rows:
        key, given = _key(relation, row[:width]), row[width] if value else None
        if (key in found and found[key] != given) or (value and not wording.is_sound(given)):
            raise Refused("no_single_value", f"A row of {relation.full_name} has no single value to get.", UNREADABLE)
        found[key] = given
    return found


def images(moment: Moment, relation: Relation, keys: Sequence[Key], *, all_there: bool = True) -> Iterator[Image]:
    """Rows by their keys. Raises Refused when one is not there that must be."""
    wording = moment.engine.wording
    listing = [wording.column(name, "t") for name in key_of(relation)]
    width, iterator = len(listing), iter(keys)
    asked = ", ".join([*listing, wording.content(relation)])
    source = f"{named(moment.structure, relation.full_name)} AS t"
    while some := list(islice(iterator, CHUNK)):
        sql = f"SELECT {asked} FROM {source} WHERE {wording.any_of(relation, some, 't')}"
        found = {_key(relation, row[:width]): row[width] for row in _asked(moment, sql, False, CHUNK + 1)}
        for key in some:
            if key in found:
                yield Image(key=key, content=wording.content_of(found[key]))
            elif all_there:
                raise Refused(
                    "row_gone", f"A row of {relation.full_name} cannot be found by its key.", "Set it right by hand."
                )


def listed(moment: Moment, part: Part, values: Mapping[Key, tuple[str | None, ...]], room: Room) -> Part:
    """The part with its rows. Raises Refused."""
    relation, wording = moment.structure.relations[part.table], moment.engine.wording
    show: list[str] = []
    aims, shown = [], []
    rows = images(moment, relation, list(values))
    while some := list(islice(rows, CHUNK)):
        room.take(part.table, some)
        for image in some:
            _refuse_unreadable(relation, image)
            held = wording.held(relation, image.content)
            show = show or _shown_columns(relation, part, held)
            aims.append(Aim(key=image.key, digest=image.digest, values=values[image.key]))
            shown.append(tuple(held[name] for name in show))
    gets = [wording.shown(aim.values[0]) for aim in aims] if part.value else []
    if part.people and reads_masked(part.value, moment.structure, room.masked_columns):
        gets = [mask(value) for value in gets]
    titles, masked_rows = _masked(part, show, shown, gets, room)
    return replace(part, titles=titles, aims=tuple(aims), shown=tuple(masked_rows))


def _shown_columns(relation: Relation, part: Part, held: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys((*key_of(relation), *part.columns, *held))
    return list(names)[:SHOWN_COLUMNS]


def _masked(
    part: Part, show: Sequence[str], shown: Sequence[tuple[Any, ...]], given: Sequence[Any], room: Room
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The columns and rows that people see; what a column gets, where it gets a value, stands beside what it holds."""
    rows = seen(show, shown, part.table, room.masked_columns)
    if not part.value:
        return tuple(show), rows
    gets = seen(part.columns, [(value,) for value in given], part.table, room.masked_columns)
    (column,) = part.columns
    place = show.index(column) + 1
    titles = (*show[:place], f"{column}, then", *show[place:])
    return titles, [(*row[:place], *got, *row[place:]) for row, got in zip(rows, gets, strict=True)]


def seen(
    names: Sequence[str], rows: Sequence[Sequence[Any]], table: str, masked_columns: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Values of rows as people see them: masked, and cut where they are long."""
    told = masked(Sample(columns=tuple(names), rows=tuple(map(tuple, rows))), table, masked_columns) or {"rows": []}
    return [tuple(_short(value) for value in row) for row in told["rows"]]


def _short(value: Any) -> Any:
    return f"{value[:LONGEST]}…" if isinstance(value, str) and len(value) > LONGEST else value


def _refuse_unreadable(relation: Relation, image: Image) -> None:
    try:
        image.content.decode()
    except UnicodeDecodeError:
        raise Refused(
            "not_utf8",
            f"A row of {relation.full_name} holds text that is no valid UTF-8, so that it could not be put back.",
            "Set it right by hand.",
        ) from None


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Raise Refused when something cannot be read, with the reason."""
    try:
        yield
    except AskFailed as error:
        raise Refused("not_read", f"{what} could not be read: {error.why}.", UNREADABLE) from error


def _asked(moment: Moment, sql: str, people: bool, limit: int) -> list[tuple[Any, ...]]:
    sql = f"{sql} LIMIT {limit}"
    with readable("The rows"):
        if people:
            return [tuple(row.values()) for row in moment.inquiry.ask_people(sql, most=limit)]
        return moment.inquiry.ask(sql)


def _key(relation: Relation, values: Sequence[Any]) -> Key:
    if any(value is None for value in values):
        raise Refused(
            "null_key", f"A row of {relation.full_name} has NULL in its primary key, so nothing names it.",
            "Set it right by hand.",
        )  # fmt: skip
    return tuple(str(value) for value in values)


def _column(proposal: Proposal | Part) -> str:
    return proposal.column if isinstance(proposal, Proposal) else proposal.columns[0]
