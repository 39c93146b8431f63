"""Keys that come to the end of their type: small integers that are numbered by hand, and references narrower than
what they refer to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from integrity.checks.base import SCHEMA, Moment, Outcome, Severity
from integrity.checks.numbering import TOPS, is_whole, largest, sequences, unreadable
from integrity.checks.sequences import full_to
from integrity.checks.telling import Telling
from opsconsole.engines.inquiry import AskFailed
from opsconsole.engines.structure import ForeignKey, Relation

NARROW = ("smallint", "integer")


class KeyExhaustion(Telling):
    """Columns that a sequence fills are judged by where the sequence stands (`sequence_near_end`)."""

    name: ClassVar[str] = "key_exhaustion"
    label: ClassVar[str] = "Integer keys near the end of their type"
    severity: ClassVar[Severity] = Severity.CRITICAL
    category: ClassVar[str] = SCHEMA
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql"})  # SQLite's integers are all of 64 bits

    def look(self, moment: Moment) -> Iterator[Outcome]:
        relations = moment.structure.relations
        numbered = {each for sequence in sequences(moment) for each in sequence.columns}
        single = {(key.table, key.columns[0]): key for key in moment.structure.foreign_keys if len(key.columns) == 1}
        for table, relation in relations.items():
            if not is_whole(relation):
                continue
            leading = dict.fromkeys(key.columns[0] for key in relation.keys)  # an index tells their largest at once
            for field in relation.fields:
                reference = single.get((table, field.name))
                if field.bare not in NARROW or (table, field.name) in numbered:
                    continue
                if reference is not None:
                    yield from self._reference(moment, reference, field.bare)
                elif field.name in leading:
                    yield self._of(moment, f"{table}.{field.name}", field.bare, relation, field.name)

    def _reference(self, moment: Moment, key: ForeignKey, kind: str) -> Iterator[Outcome]:
        """A reference is full when its parent has numbers that it cannot hold; as wide as it, the parent is judged."""
        parent = moment.structure.relations[key.parent]
        theirs = parent.field(key.parent_columns[0])
        if TOPS.get(theirs.bare, 0) > TOPS[kind]:
            yield self._of(moment, f"{key.table}.{key.columns[0]}", kind, parent, theirs.name)

    def _of(self, moment: Moment, subject: str, kind: str, relation: Relation, column: str) -> Outcome:
        """`subject` is of that kind, and gets its values from `column` of `relation` (itself, or its parent's)."""
        source = f"{relation.full_name}.{column}"
        if because := unreadable(relation):
            return self.unseen(subject, because, "Grant SELECT on it to the console's role.")
        try:
            last = largest(moment, relation.full_name, column) or 0
        except AskFailed as error:
            return self.unseen(subject, error.why, "Look for locks on the table, then check again.")
        percent = 100 * last / TOPS[kind]
        severity = full_to(percent)
        if severity is None:
            return self.held(subject, f"{subject} has numbers left: {max(int(percent), 0)} % of {kind} are used.")
        of = "" if source == subject else f" {source}, which it refers to,"
        return self.found(
            subject,
            f"{subject} is {kind}, and{of or ' it'} has come to {last}: {int(percent)} % of what {kind} holds.",
            severity=severity,
            table=subject.rpartition(".")[0],
            why=f"A number above {TOPS[kind]} is refused: rows can then no longer be written.",
            next_step=f"Change {subject} to bigint in a migration, with all columns that refer to it, while there is "
            "time. On a large table that writes it anew.",
        )
