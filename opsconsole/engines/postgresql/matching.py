"""Holding rows from outside against those that are there, and against one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg import sql

from opsconsole.engines.postgresql.connect import Connection
from opsconsole.engines.postgresql.loading import Staged, name_of, only
from opsconsole.engines.structure import ForeignKey, Relation


def doubled(session: Connection, staged: Staged, key: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(row, the first row with the same key) of rows whose key stands in the same document twice."""
    listed = sql.SQL(", ").join(staged.place(column) for column in key)
    yield from session.execute(
        sql.SQL(
            "SELECT row, first FROM (SELECT s.row, min(s.row) OVER (PARTITION BY {}) AS first FROM {} s) d"
            " WHERE row <> first ORDER BY row"
        ).format(listed, staged.name)
    )


def orphans(
    session: Connection, staged: Staged, key: ForeignKey, parents: Sequence[Staged], whole: Relation
) -> list[int]:
    """Rows whose parent by `key` is neither in the table that it is looked for in, nor about to come into it."""
    own = [staged.place(column) for column in key.columns]
    places = [(sql.SQL("{} p").format(name_of(whole)), [sql.Identifier("p", name) for name in key.parent_columns])]
    for parent in parents:
        named = [sql.Identifier("p", f"c{parent.columns.index(name)}") for name in key.parent_columns]
        places.append((sql.SQL("{} p").format(parent.name), named))
    lacking = sql.SQL(" AND ").join(
        sql.SQL("NOT EXISTS (SELECT FROM {} WHERE ({}) = ({}))").format(
            place, sql.SQL(", ").join(names), sql.SQL(", ").join(own)
        )
        for place, names in places
    )
    given = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(name) for name in own)
    query = sql.SQL("SELECT s.row FROM {} s WHERE {} AND {} ORDER BY 1").format(staged.name, given, lacking)
    return [int(row) for (row,) in session.execute(query)]


def forget(session: Connection, staged: Staged, rows: Sequence[int]) -> None:
    """Take rows out of a temporary table."""
    session.execute(sql.SQL("DELETE FROM {} WHERE row = ANY(%s)").format(staged.name), (list(rows),))


def beside(
    session: Connection, relation: Relation, columns: Sequence[str], key: Sequence[str],
    rows: Sequence[Sequence[str | None]],
) -> tuple[int, int]:  # fmt: skip
    """Of rows in their text forms: how many the table has by key, and how many of these say something else there."""
    given = {
        name: sql.SQL("{}::{}").format(sql.Identifier("s", f"c{place}"), sql.SQL(relation.field(name).type))
        for place, name in enumerate(columns)
    }
    own = {name: sql.Identifier("t", name) for name in columns}
    differing = [
        sql.SQL("{} IS DISTINCT FROM {}").format(*(_comparable(relation, name, side[name]) for side in (own, given)))
        for name in columns
        if name not in key
    ]
    changed = sql.SQL(" OR ").join(differing) if differing else sql.SQL("false")
    query = sql.SQL(
        "SELECT count(*), count(*) FILTER (WHERE {}) FROM unnest({}) AS s({}) JOIN {} t ON ({}) = ({})"
    ).format(
        changed,
        sql.SQL(", ").join([sql.SQL("%b::text[]")] * len(columns)),
        sql.SQL(", ").join(sql.Identifier(f"c{place}") for place in range(len(columns))),
        only(relation),
        sql.SQL(", ").join(own[name] for name in key),
        sql.SQL(", ").join(given[name] for name in key),
    )
    row = session.execute(query, [list(values) for values in zip(*rows, strict=True)]).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def newest(session: Connection, relation: Relation, column: str) -> str | None:
    """The largest value of a column as text."""
    query = sql.SQL("SELECT max({})::text FROM {}").format(sql.Identifier(column), only(relation))
    row = session.execute(query).fetchone()
    return row[0] if row else None


def _comparable(relation: Relation, column: str, value: sql.Composable) -> sql.Composable:
    """Something that is equal when two values are; not every type has a comparison of its own."""
    form = {"json": "{}::jsonb::text", "other": "{}::text", "array": "{}::text"}.get(
        relation.field(column).family, "{}"
    )
    return sql.SQL(form).format(value)
