"""Indexes as values, the same for each vendor."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from integrity.checks.base import Moment, quoted
from integrity.checks.numbering import rowid
from opsconsole.review.lexing import Dialect, Kind, tokens

_POSTGRESQL = """
SELECT m.nspname, t.relname, n.nspname, c.relname, c.relkind = 'I', c.relispartition, a.amname, i.indisunique,
  i.indisprimary, i.indisvalid AND i.indisready AND i.indislive,
  i.indisreplident OR i.indisclustered OR EXISTS (
    SELECT FROM pg_constraint k WHERE k.conindid = c.oid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')),
  array(SELECT coalesce(f.attname::text, '') FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)
    LEFT JOIN pg_attribute f ON f.attrelid = i.indrelid AND f.attnum = k.number AND k.number <> 0 ORDER BY k.place),
  i.indnkeyatts, i.indclass::text, i.indcollation::text, i.indoption::text,
  coalesce(to_jsonb(i) ->> 'indnullsnotdistinct', ''), coalesce(pg_get_expr(i.indexprs, i.indrelid), ''),
  coalesce(pg_get_expr(i.indpred, i.indrelid), ''), pg_relation_size(c.oid), coalesce(s.idx_scan, 0),
  i.indimmediate
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace m ON m.oid = t.relnamespace JOIN pg_am a ON a.oid = c.relam
LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = c.oid
WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND m.nspname || '.' || t.relname
  IN (SELECT json_array_elements_text(?::json))
ORDER BY 1, 2, 3, 4
"""
_SQLITE = """
SELECT t.value, l.name, l."unique", l.origin, x.cid, x.name, x."desc", x.coll, s.sql, l.partial
FROM json_each(?) AS t JOIN pragma_index_list(t.value) AS l JOIN pragma_index_xinfo(l.name) AS x
LEFT JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = l.name
WHERE x.key ORDER BY t.value, l.name, x.seqno
"""


@dataclass(frozen=True, kw_only=True)
class Index:
    """One index. `columns` are those of its key, "" for an expression; `ways` how each of them is kept (operators,
    collation, direction), which must be equal for one index to serve instead of another.
    """

    name: str
    bare: str  # its name without a schema
    sql: str
    table: str
    columns: tuple[str, ...]
    included: frozenset[str] = frozenset()
    ways: tuple[str, ...] = ()
    unique: bool = False
    primary: bool = False
    constrained: bool = False  # a constraint is kept by it, or replication or clustering goes by it
    valid: bool = True
    immediate: bool = True  # a unique one of a DEFERRABLE constraint lets doubles in for a while
    method: str = "btree"
    nulls: str = ""  # whether NULLs are distinct, in a unique one
    expressions: str = ""
    predicate: str = ""
    partitioned: bool = False  # of a partitioned table
    attached: bool = False  # a part of such a one
    bytes: int = 0
    scans: int = 0

    @property
    def words(self) -> str:
        """Its table and what it is over: `public.users (email) WHERE deleted_at IS NULL`."""
        over = self.expressions if "" in self.columns else ", ".join(self.columns)
        if "" in self.columns and any(self.columns):
            over = f"{', '.join(filter(None, self.columns))}, {over}"
        where = f" WHERE {self.predicate}" if self.predicate else ""
        return f"{self.table}{'' if self.method == 'btree' else f' {self.method}'} ({over}){where}"

    def named_in(self, dialect: Dialect) -> frozenset[str]:
        """Every column that it names, also within expressions and its predicate."""
        found = tokens(f"{self.expressions} {self.predicate}", dialect)
        return self.included.union(self.columns, (token.text.strip('"') for token in found))

    def finds(self, columns: tuple[str, ...]) -> bool:
        """Whether rows can be found in it by the values of all these columns together, in whatever order."""
        if not self.valid or self.method not in ("btree", "hash"):
            return False
        leading = frozenset(self.columns[: len(columns)])
        return leading == frozenset(columns) and self.predicate in ("", *map(_present, columns))


def _present(column: str) -> str:
    """The predicate that leaves out only rows without a reference."""
    bare = column if column.isidentifier() and column == column.lower() else quoted(column)
    return f"{bare} IS NOT NULL"


def indexes(moment: Moment) -> list[Index]:
    """Those of the tables in the moment's structure, by table and name. Raises AskFailed, also for a lock on one."""
    return list(_on_postgresql(moment) if moment.vendor == "postgresql" else _on_sqlite(moment))


def by_table(found: list[Index]) -> defaultdict[str, list[Index]]:
    """The same, grouped; empty for a table without any."""
    grouped: defaultdict[str, list[Index]] = defaultdict(list)
    for index in found:
        grouped[index.table].append(index)
    return grouped


def _on_postgresql(moment: Moment) -> Iterator[Index]:
    for row in moment.inquiry.ask(_POSTGRESQL, [json.dumps(list(moment.structure.relations))]):
        schema, table, own, name, partitioned, attached, method, unique, primary, valid, constrained, *more = row
        columns, count, operators, collations, options, nulls, expressions, predicate, size, scans, immediate = more
        yield Index(
            name=f"{own}.{name}",
            bare=name,
            sql=f"{quoted(own)}.{quoted(name)}",
            table=f"{schema}.{table}",
            columns=tuple(columns[:count]),
            included=frozenset(columns[count:]),
            ways=tuple(map(" ".join, zip(operators.split(), collations.split(), options.split(), strict=False))),
            unique=unique,
            primary=primary,
            constrained=constrained,
            valid=valid,
            immediate=immediate,
            method=method,
            nulls=nulls,
            expressions=expressions,
            predicate=_without_brackets(predicate),
            partitioned=partitioned,
            attached=attached,
            bytes=size or 0,
            scans=scans,
        )


def _on_sqlite(moment: Moment) -> Iterator[Index]:
    for table, relation in moment.structure.relations.items():
        if number := rowid(relation):
            yield _of_the_table(table, number)
    asked = moment.inquiry.ask(_SQLITE, [json.dumps(list(moment.structure.relations))])
    for (table, name), grouped in groupby(asked, key=lambda row: row[:2]):
        rows: list[tuple[Any, ...]] = list(grouped)
        _, _, unique, origin, *_, text, _ = rows[0]
        over, predicate = _definition(text or "")
        columns = tuple(row[5] if row[4] >= -1 and row[5] is not None else "" for row in rows)
        yield Index(
            name=name,
            bare=name,
            sql=quoted(name),
            table=table,
            columns=columns,
            ways=tuple(f"{row[7]} {row[6]}" for row in rows),
            unique=bool(unique),
            primary=origin == "pk",
            constrained=origin != "c",
            expressions=over if "" in columns else "",
            predicate=predicate,
        )


def _of_the_table(table: str, columns: tuple[str, ...]) -> Index:
    """The table itself, which SQLite keeps in the order of its INTEGER PRIMARY KEY, as if that were an index."""
    return Index(
        name=f"the primary key of {table}",
        bare="",
        sql="",
        table=table,
        columns=columns,
        ways=("BINARY 0",),
        unique=True,
        primary=True,
        constrained=True,
    )


def _definition(text: str) -> tuple[str, str]:
    """What stands in the brackets of a CREATE INDEX of SQLite, and its WHERE, each with one blank between words."""
    found = list(tokens(text, Dialect.SQLITE))
    start = next((place for place, token in enumerate(found) if token.kind is Kind.SIGN and token.text == "("), 0)
    depth, end = 0, start
    for end, token in enumerate(found[start:], start):  # noqa: B007  (where the brackets end is what is looked for)
        depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind is Kind.SIGN else 0
        if depth == 0:
            break
    over = " ".join(token.text for token in found[start + 1 : end])
    return over, " ".join(token.text for token in found[end + 2 :])


def _without_brackets(predicate: str) -> str:
    """`(email IS NOT NULL)` as somebody writes it; left alone where more than one condition is in brackets."""
    inner = predicate[1:-1]
    return inner if predicate.startswith("(") and "(" not in inner and ")" not in inner else predicate
