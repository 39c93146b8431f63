"""References that no foreign key declares, but that names and types tell of; a person confirms them as a rule."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from integrity.checks.base import (
    ORPHANS,
    Answer,
    Condition,
    Found,
    Moment,
    Outcome,
    Question,
    Severity,
    named,
    quoted,
)
from integrity.checks.locks import locked, waits, without
from integrity.checks.names import PEOPLE, is_table_of, same_type
from integrity.checks.orphans import LOST, lost
from integrity.checks.references import Reference, unmet
from integrity.checks.telling import Telling
from integrity.checks.unseen import hidden
from opsconsole.engines.structure import Field, Relation
from opsconsole.masking import words_of

LOOKED_AT = 500  # rows of a table from which is read whether its values are the parent's at all
TELLING = 20  # values; of fewer, the missing ones may well be the faults that are looked for
_NUMBERS = ("id", "uuid", "guid")


@dataclass(frozen=True, kw_only=True)
class _Guess:
    """A reference. `sure` when the column is called after the parent and after nothing else."""

    reference: Reference
    sure: bool


class InferredOrphans(Telling):
    name: ClassVar[str] = "inferred_orphans"
    label: ClassVar[str] = "Rows without the row that a column's name leads to"
    severity: ClassVar[Severity] = Severity.INFO
    category: ClassVar[str] = ORPHANS

    def look(self, moment: Moment) -> Iterator[Outcome]:
        for table in locked(moment):
            yield waits(self, f"{self.label} ({table})")

    def questions(self, moment: Moment) -> Iterator[Question]:
        moment = without(moment, locked(moment))
        for guess in _guesses(moment):
            reference = guess.reference
            if hidden(moment, (reference.table, reference.parent)) or not _readable(moment, reference):
                continue  # it is a guess: the table itself is told by others
            if not _is_ruled(moment, reference) and _borne_out(moment, guess):
                yield self._question(moment, reference)

    def _question(self, moment: Moment, reference: Reference) -> Question:
        def told(answer: Answer) -> Outcome:
            if answer.count:
                return self._found(reference, answer)
            sentence = (
                f"Every {reference.by} of {reference.table} leads to a row of {reference.parent}, as its name says."
            )
            return self.held(reference.subject, sentence)

        return Question(
            check=self.name,
            subject=reference.subject,
            title=f"Orphans of {reference.subject}",
            severity=self.severity,
            category=self.category,
            condition=Condition(table=reference.table, where=unmet(moment, reference), by=reference.columns),
            told=told,
            show=reference.columns,
        )

    def _found(self, reference: Reference, answer: Answer) -> Found:
        return self.counted(
            reference.subject,
            lost(reference, answer),
            answer,
            table=reference.table,
            why=f"{LOST} No foreign key says that {reference.subject}; its name and type do, and most of its values.",
            next_step="If it is a reference, confirm it as a rule (then it counts as critical and may be fixed), or "
            "declare a foreign key. If it is none, leave it.",
            rule=orphan_rule(reference),
        )


def orphan_rule(reference: Reference) -> dict[str, object]:
    """The rule that somebody may confirm, as `manage.py rule import` reads one."""
    words = [*words_of(reference.table.rpartition(".")[2]), *words_of(reference.columns[0])]
    return {
        "name": "-".join(("orphan", *words))[:80],
        "kind": "orphan",
        "spec": {
            "child": reference.table,
            "column": reference.columns[0],
            "parent": reference.parent,
            "key": reference.parent_columns[0],
        },
        "severity": Severity.CRITICAL.value,
        "category": ORPHANS,
    }


def _guesses(moment: Moment) -> Iterator[_Guess]:
    structure = moment.structure
    declared = {(key.table, column) for key in structure.foreign_keys for column in key.columns}
    for table, relation in structure.relations.items():
        if relation.whole != table:
            continue  # it is looked at with its whole
        for field in relation.fields:
            if (table, field.name) in declared or (structure.whole(table), field.name) in declared:
                continue
            guess = _guess(moment, relation, field)
            if guess is not None:
                yield guess


def _guess(moment: Moment, relation: Relation, field: Field) -> _Guess | None:
    words = words_of(field.name)
    if len(words) < 2 or words[-1] not in (*_NUMBERS, "by") or _is_of_many_tables(relation, words):
        return None
    stem = words[:-1]
    for parent, sure in _parents(moment, relation, stem, people=words[-1] == "by"):
        key = next((key.columns for key in parent.keys if key.primary), ())
        if len(key) != 1 or (parent.full_name, key[0]) == (relation.full_name, field.name):
            continue
        if _is_number_of(words_of(key[0]), words, parent) and same_type(moment.vendor, field, parent.field(key[0])):
            reference = Reference(
                table=relation.full_name, columns=(field.name,), parent=parent.full_name, parent_columns=key
            )
            return _Guess(reference=reference, sure=sure)
    return None


def _is_of_many_tables(relation: Relation, words: list[str]) -> bool:
    """Whether another column says which table it leads to: `target_type` beside `target_id`."""
    kinds = {"_".join((*words[:-1], kind)) for kind in ("type", "kind", "table", "model")}
    return any("_".join(words_of(field.name)) in kinds for field in relation.fields)


def _parents(moment: Moment, relation: Relation, stem: list[str], *, people: bool) -> Iterator[tuple[Relation, bool]]:
    """The tables that a column may mean, likeliest first, and whether it is called after exactly that table."""
    near = [each for each in moment.structure.relations.values() if each.whole == each.full_name]
    near.sort(key=lambda each: each.schema != relation.schema)
    if people:
        yield from ((each, False) for person in PEOPLE for each in near if is_table_of(each.name, [person]))
        return
    for start in range(len(stem)):
        yield from ((each, start == 0) for each in near if is_table_of(each.name, stem[start:]))
    if stem == ["parent"]:
        yield relation, False


def _is_number_of(key: list[str], column: list[str], parent: Relation) -> bool:
    """Whether a primary key is called id, or like the column, or `user_id` in users."""
    if len(key) == 1:
        return key[0] in _NUMBERS
    return key == column or (key[-1] in _NUMBERS and is_table_of(parent.name, key[:-1]))


def _readable(moment: Moment, reference: Reference) -> bool:
    relations = moment.structure.relations
    return all("SELECT" in relations[table].rights for table in (reference.table, reference.parent))


def _is_ruled(moment: Moment, reference: Reference) -> bool:
    """Whether somebody confirmed it, by the table's full name or its bare one."""
    full, column = reference.table.lower(), reference.columns[0].lower()
    return bool({(full, column), (full.rpartition(".")[2], column)} & moment.ruled)


def _borne_out(moment: Moment, guess: _Guess) -> bool:
    """Whether the first values are the parent's: at least half of them, when there are enough to tell."""
    reference = guess.reference
    column = quoted(reference.columns[0])
    seen, missing = moment.inquiry.ask(
        f"SELECT count(*), count(CASE WHEN {unmet(moment, reference)} THEN 1 END) FROM"
        f" (SELECT {column} FROM {named(moment.structure, reference.table)} LIMIT {LOOKED_AT}) AS t"
        f" WHERE t.{column} IS NOT NULL"
    )[0]
    if guess.sure and seen < TELLING:
        return True
    return bool(seen and 2 * missing <= seen)
