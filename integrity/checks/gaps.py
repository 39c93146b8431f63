"""Rows without a value where the other rows of their table have one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from integrity.checks.base import (
    CONSISTENCY,
    Answer,
    Condition,
    Found,
    Moment,
    Outcome,
    Question,
    Severity,
    quoted,
)
from integrity.checks.telling import Telling
from integrity.checks.unseen import hidden, hidden_rows
from integrity.checks.wording import rows, verb
from opsconsole.engines.structure import Field, Relation
from opsconsole.masking import words_of

JUDGED = "it is judged by how many there are"
LEAST_ROWS = 50  # of fewer rows, a NULL says nothing
FEW = 0.02  # one row in fifty; where more have none, the value is one that a row may lack
# A moment or a person that a row may still wait for, unless it is that of its making.
_WAITED_FOR = frozenset({"at", "on", "until", "date", "time", "by"})
_OF_THE_MAKING = frozenset({"added", "created", "creation", "inserted", "joined", "modified", "recorded", "registered",
                            "updated"})  # fmt: skip


class UnusualNulls(Telling):
    name: ClassVar[str] = "unusual_nulls"
    label: ClassVar[str] = "NULLs where the other rows have a value"
    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = CONSISTENCY

    def questions(self, moment: Moment) -> Iterator[Question]:
        for table, relation in moment.structure.relations.items():
            if relation.whole == table and "SELECT" in relation.rights and not hidden(moment, (table,)):
                for field in relation.fields:
                    may = field.nullable and not field.generated and not _may_lack(moment, relation, field)
                    if may or field.unproven:
                        yield self._question(relation, field)

    def look(self, moment: Moment) -> Iterator[Outcome]:
        """Tell the tables whose rows cannot be read: other checks that guess leave them out silently."""
        for table, relation in moment.structure.relations.items():
            if relation.whole != table:
                continue
            if "SELECT" not in relation.rights:
                why, step = "the console's role may not read it", f"GRANT SELECT ON {table} to the console's role."
                yield self.unseen(table, why, step, severity=self.severity)
            elif relation.hidden_rows:
                yield hidden_rows(self, table, table)

    def _question(self, relation: Relation, field: Field) -> Question:
        table, subject = relation.full_name, f"{relation.full_name}.{field.name}"
        in_key = any(key.primary and field.name in key.columns for key in relation.keys)

        def told(answer: Answer) -> Outcome:
            if answer.count and field.unproven:
                return self._broken(relation, field, answer)
            if answer.count and in_key:
                return self._nameless(relation, field, answer)
            if answer.of >= LEAST_ROWS and 0 < answer.count <= answer.of * FEW:
                return self._found(relation, field, answer)
            return self.held(subject, _sound(subject, answer), JUDGED if answer.count else "")

        return Question(
            check=self.name,
            subject=subject,
            title=f"NULLs in {subject}",
            severity=self.severity,
            category=self.category,
            condition=Condition(table=table, where=f"t.{quoted(field.name)} IS NULL"),
            told=told,
            show=(field.name,),
        )

    def _found(self, relation: Relation, field: Field, answer: Answer) -> Found:
        table = relation.full_name
        return self.counted(
            f"{table}.{field.name}",
            f"{rows(answer.count, table, answer.margin)} {verb(answer.count, 'have', 'has')} no {field.name}; "
            f"the other {answer.of - answer.count:,} have one.",
            answer,
            table=table,
            why="Code that was only ever met by a value does not expect NULL, and a comparison with NULL leaves the "
            "row out without a word.",
            next_step=f"Fill {field.name} in, and declare it NOT NULL in a migration; or leave it, when a row may "
            "lack one.",
        )

    def _broken(self, relation: Relation, field: Field, answer: Answer) -> Found:
        """Of PostgreSQL 18, whose NOT NULL may be NOT VALID."""
        table = relation.full_name
        return self.counted(
            f"{table}.{field.name}",
            f"{rows(answer.count, table, answer.margin)} {verb(answer.count, 'have', 'has')} no {field.name}, which is "
            "NOT NULL for new rows.",
            answer,
            table=table,
            why="An UPDATE of such a row fails, and so does a restore; code that goes by the schema expects no NULL.",
            next_step=f"Fill {field.name} in, then validate the constraint (weak_constraint proposes it).",
        )

    def _nameless(self, relation: Relation, field: Field, answer: Answer) -> Found:
        """Of SQLite, whose primary keys take NULL unless they are integers or their table has no rowid."""
        table = relation.full_name
        return self.counted(
            f"{table}.{field.name}",
            f"{rows(answer.count, table, answer.margin)} {verb(answer.count, 'have', 'has')} no {field.name}, which is "
            "of the primary key.",
            answer,
            table=table,
            why="SQLite takes each NULL for another value: the key lets such rows in again and again, and names none.",
            next_step=f"Fill {field.name} in or remove the rows, and declare it NOT NULL in a migration.",
        )


def _sound(subject: str, answer: Answer) -> str:
    if not answer.count:
        return f"{subject} has a value in every row."
    if answer.of < LEAST_ROWS:
        return f"{subject} is NULL in some of few rows, which says nothing."
    return f"{subject} is NULL in many rows, so a row may lack it."


def _may_lack(moment: Moment, relation: Relation, field: Field) -> bool:
    """Whether NULL has a meaning of its own: the root of a tree, or what did not happen yet."""
    words = words_of(field.name)
    if any(key.primary and field.name in key.columns for key in relation.keys):
        return False
    if words[:1] == ["parent"]:
        return True
    if words and words[-1] in _WAITED_FOR and not _OF_THE_MAKING.intersection(words):
        return True
    return any(
        key.parent == key.table == relation.full_name and field.name in key.columns
        for key in moment.structure.foreign_keys
    )
