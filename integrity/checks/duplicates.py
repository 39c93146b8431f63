"""Rows that share what should tell them apart: a key whose unique index was never finished, or a name like e-mail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from integrity.checks.base import (
    CONSISTENCY,
    Answer,
    Condition,
    Moment,
    Outcome,
    Question,
    Severity,
    named,
    quoted,
)
from integrity.checks.telling import Telling
from integrity.checks.unseen import hidden, hidden_rows
from integrity.checks.wording import rows

_UNFINISHED = (
    "SELECT n.nspname || '.' || c.relname, x.relname,"
    " array(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnkeyatts::int) AS k ORDER BY k),"
    " coalesce(pg_get_expr(i.indpred, i.indrelid, true), ''),"
    " coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) FROM pg_index i"
    " JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid"
    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE i.indisunique AND NOT i.indisvalid ORDER BY 1, 2"
)


def shared(source: str, parts: Sequence[str], *, among: str = "", nulls_alike: bool = False) -> str:
    """The join with the values that more than one row has, once each; `parts` are SQL over the columns of `source`.

    `among` is a condition on the rows that count. A row with a NULL shares nothing, unless NULLs are alike.
    """
    listed = ", ".join(f"{part} AS shared_{place}" for place, part in enumerate(parts))
    counted = [f"({among})"] if among else []
    counted += [] if nulls_alike else [f"{part} IS NOT NULL" for part in parts]
    groups = ", ".join(str(place) for place in range(1, len(parts) + 1))
    same = "IS NOT DISTINCT FROM" if nulls_alike else "="
    where = f" WHERE {' AND '.join(counted)}" if counted else ""
    return f"JOIN (SELECT {listed} FROM {source}{where} GROUP BY {groups} HAVING count(*) > 1) AS d ON " + " AND ".join(
        f"d.shared_{place} {same} {part}" for place, part in enumerate(parts)
    )


@dataclass(frozen=True, kw_only=True)
class _Unfinished:
    """A unique index that PostgreSQL did not finish: what it is over, in SQL."""

    table: str
    index: str
    parts: tuple[str, ...]
    among: str
    nulls_alike: bool


class RefusedDuplicates(Telling):
    name: ClassVar[str] = "refused_duplicates"
    label: ClassVar[str] = "Rows that an unfinished unique index would refuse"
    severity: ClassVar[Severity] = Severity.CRITICAL
    category: ClassVar[str] = CONSISTENCY
    engines: ClassVar[frozenset[str]] = frozenset({"postgresql"})

    def questions(self, moment: Moment) -> Iterator[Question]:
        for index in _unfinished(moment):
            if not hidden(moment, (index.table,)):
                yield self._question(moment, index)

    def look(self, moment: Moment) -> Iterator[Outcome]:
        for index in _unfinished(moment):
            if hidden(moment, (index.table,)):
                yield hidden_rows(self, f"Duplicates of {index.index} of {index.table}", index.table)

    def _question(self, moment: Moment, index: _Unfinished) -> Question:
        subject, columns = f"{index.table}: {index.index}", ", ".join(index.parts)

        def told(answer: Answer) -> Outcome:
            if not answer.count:
                sentence = (
                    f"No two rows of {index.table} have the same {columns}, which {index.index} is to hold apart."
                )
                return self.held(subject, sentence)
            return self.counted(
                subject,
                f"{rows(answer.count, index.table, answer.margin)} share their {columns} with others, although "
                f"{index.index} is to be unique.",
                answer,
                table=index.table,
                why="The unique index was never finished, so PostgreSQL lets more of them in, and code that takes the "
                "key for unique picks any of the rows.",
                next_step=f"Merge or remove the doubled rows, then REINDEX INDEX CONCURRENTLY {index.index}.",
            )

        relation = moment.structure.relations[index.table]
        source = named(moment.structure, index.table)
        return Question(
            check=self.name,
            subject=subject,
            title=f"Duplicates of {index.index} of {index.table}",
            severity=self.severity,
            category=self.category,
            condition=Condition(
                table=index.table,
                where=index.among or "true",
                joins=shared(source, index.parts, among=index.among, nulls_alike=index.nulls_alike),
            ),
            told=told,
            show=tuple(
                each.name for each in relation.fields if quoted(each.name) in index.parts or each.name in index.parts
            ),
        )


def _unfinished(moment: Moment) -> list[_Unfinished]:
    return [
        _Unfinished(table=table, index=index, parts=tuple(parts), among=among, nulls_alike=nulls_alike)
        for table, index, parts, among, nulls_alike in moment.inquiry.ask(_UNFINISHED)
        if table in moment.structure.relations
    ]
