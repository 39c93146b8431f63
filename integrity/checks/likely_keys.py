"""Columns that by their name and values tell rows apart, and in which some rows are not told apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    named,
    quoted,
)
from integrity.checks.duplicates import shared
from integrity.checks.gaps import JUDGED
from integrity.checks.index_catalogue import Index, by_table, indexes
from integrity.checks.locks import locked, waits, without
from integrity.checks.names import is_table_of_people, is_text
from integrity.checks.telling import Telling
from integrity.checks.unseen import hidden
from integrity.checks.wording import rows
from opsconsole.engines.structure import Field, Relation
from opsconsole.masking import words_of
from opsconsole.review.lexing import Dialect

# Names that people type: ADA@example.com and ada@example.com are one address.
_TYPED = ("email", "email_address", "username", "user_name", "login", "handle", "slug")
# Names of what programs make, to the letter.
_MADE = ("token", "session_token", "api_token", "token_hash", "api_key", "key_hash", "invite_code", "referral_code",
         "uuid", "guid")  # fmt: skip
FEW = 0.05  # of the rows: where more of them share their values, the column is not meant to tell rows apart
FEW_OF_PEOPLE = 0.5  # in a table of people, whose addresses and names are their own however few people there are
TELLING = 20  # rows, of which one can say that few of them share something


@dataclass(frozen=True, kw_only=True)
class _Likely:
    """A column, and whether upper and lower case are one in it."""

    relation: Relation
    field: Field
    folded: bool

    @property
    def subject(self) -> str:
        return f"{self.relation.full_name}.{self.field.name}"

    def is_meant(self, count: int, of: int) -> bool:
        """Whether its values say that it is meant to tell rows apart, although `count` of `of` rows share theirs."""
        if self.folded and is_table_of_people(self.relation.name):
            return count <= max(2, of * FEW_OF_PEOPLE)
        return of >= TELLING and count <= of * FEW


class LikelyDuplicates(Telling):
    name: ClassVar[str] = "likely_duplicates"
    label: ClassVar[str] = "Rows with the same e-mail, name or token"
    severity: ClassVar[Severity] = Severity.WARNING
    category: ClassVar[str] = CONSISTENCY

    def look(self, moment: Moment) -> Iterator[Outcome]:
        for table in locked(moment):
            yield waits(self, f"{self.label} ({table})")

    def questions(self, moment: Moment) -> Iterator[Question]:
        moment = without(moment, locked(moment))
        kept = by_table([index for index in indexes(moment) if index.unique and index.valid])
        for table, relation in moment.structure.relations.items():
            if relation.whole != table or "SELECT" not in relation.rights or hidden(moment, (table,)):
                continue  # a part is looked at with its whole; what cannot be read is told by `unusual_nulls`
            for field in relation.fields:
                likely = _likely(moment, relation, field, kept[table])
                if likely is not None:
                    yield self._question(moment, likely)

    def _question(self, moment: Moment, likely: _Likely) -> Question:
        table, column = likely.relation.full_name, quoted(likely.field.name)

        def told(answer: Answer) -> Outcome:
            if answer.count and likely.is_meant(answer.count, answer.of):
                return self._found(likely, answer)
            sentence = (
                f"Many rows of {table} share their {likely.field.name}: it is not taken for a key."
                if answer.count
                else f"No two rows of {table} have the same {likely.field.name}."
            )
            return self.held(likely.subject, sentence, JUDGED if answer.count else "")

        part = f"lower({column})" if likely.folded else column
        among = f"{column} <> ''" if is_text(moment.vendor, likely.field) else ""
        return Question(
            check=self.name,
            subject=likely.subject,
            title=f"Duplicates of {likely.subject}",
            severity=self.severity,
            category=self.category,
            condition=Condition(
                table=table, where="1 = 1", joins=shared(named(moment.structure, table), [part], among=among)
            ),
            told=told,
            show=(likely.field.name,),
        )

    def _found(self, likely: _Likely, answer: Answer) -> Found:
        table, column = likely.relation.full_name, likely.field.name
        case = ", upper and lower case taken for one" if likely.folded else ""
        return self.counted(
            likely.subject,
            f"{rows(answer.count, table, answer.margin)} share their {column} with other rows{case}.",
            answer,
            table=table,
            why=f"By its name and its other values {column} tells rows apart. Whoever looks one up by it gets any of "
            "them: the wrong person signs in, or is written to.",
            next_step="Merge or rename the rows, then add a unique index"
            + (f" on lower({column})." if likely.folded else "."),
        )


def _likely(moment: Moment, relation: Relation, field: Field, kept: list[Index]) -> _Likely | None:
    """A column with a telling name, unless a reference or a unique index (those that are kept) says what it is."""
    name = "_".join(words_of(field.name))
    folded = name in _TYPED and is_text(moment.vendor, field)
    if not folded and not (name in _MADE and _is_compared(field)):
        return None
    if any(field.name in key.columns for key in moment.structure.foreign_keys if key.table == relation.full_name):
        return None
    over = [index for index in kept if field.name in index.named_in(Dialect(moment.vendor))]
    if any(index.columns != (field.name,) or index.predicate for index in over):
        return None  # such as a slug that is unique within a tenant, or an address among those who did not leave
    if over and (not folded or field.bare == "citext"):
        return None  # nothing else can be in it
    return _Likely(relation=relation, field=field, folded=folded)


def _is_compared(field: Field) -> bool:
    """Whether its values are of a type that says whether two are the same (of PostgreSQL's, json and points do not)."""
    return field.family in ("stored", "text", "bytes", "integer", "numeric") or field.bare == "uuid"
