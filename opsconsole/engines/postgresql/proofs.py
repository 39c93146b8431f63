"""Questions to a restored copy: do its foreign keys hold, and which columns name types by their numbers?"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from opsconsole.engines.postgresql.connect import Connection

MOST_COUNTED = 1000  # orphans of one foreign key


@dataclass(frozen=True, kw_only=True)
class ForeignKey:
    """A foreign key that counts as proven. `operators` compare a referenced with a referring column."""

    name: str
    child: tuple[str, str]
    parent: tuple[str, str]
    child_is_one: bool  # an ordinary table: without its children by inheritance
    parent_is_one: bool
    full: bool  # MATCH FULL
    columns: tuple[str, ...]
    referenced: tuple[str, ...]
    operators: tuple[str, ...]

    @property
    def words(self) -> str:
        return f"the foreign key {self.name} of {'.'.join(self.child)}"

    def statement(self) -> sql.Composed:
        """How many rows (at most MOST_COUNTED) refer to nothing."""
        columns = [sql.Identifier("f", name) for name in self.columns]
        matches = [
            sql.SQL("{} {} {}").format(sql.Identifier("p", there), sql.SQL(operator), here)
            for there, operator, here in zip(self.referenced, self.operators, columns, strict=True)
        ]
        listed = sql.SQL(", ").join(columns)
        wrong = sql.SQL("(num_nulls({}) = 0 AND NOT EXISTS (SELECT FROM {} p WHERE {}))").format(
            listed, _rows_of(self.parent, self.parent_is_one), sql.SQL(" AND ").join(matches)
        )
        if self.full:
            wrong += sql.SQL(" OR num_nulls({}) BETWEEN 1 AND {}").format(listed, sql.Literal(len(columns) - 1))
        return sql.SQL("SELECT count(*) FROM (SELECT FROM {} f WHERE {} LIMIT {}) AS orphans").format(
            _rows_of(self.child, self.child_is_one), wrong, sql.Literal(MOST_COUNTED)
        )


def foreign_keys(session: Connection) -> list[ForeignKey]:
    """Every validated foreign key, those over periods left out; a key of a partitioned table counts once."""
    rows = session.execute(
        "SELECT k.conname, cn.nspname, c.relname, pn.nspname, p.relname, c.relkind = 'r', p.relkind = 'r',"
        " k.confmatchtype = 'f',"
        " (SELECT array_agg(a.attname::text ORDER BY x.place) FROM unnest(k.conkey) WITH ORDINALITY x(number, place)"
        "  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.number),"
        " (SELECT array_agg(a.attname::text ORDER BY x.place) FROM unnest(k.confkey) WITH ORDINALITY x(number, place)"
        "  JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = x.number),"
        " (SELECT array_agg(format('OPERATOR(%I.%s)', n.nspname, o.oprname) ORDER BY x.place)"
        "  FROM unnest(k.conpfeqop) WITH ORDINALITY x(number, place) JOIN pg_operator o ON o.oid = x.number"
        "  JOIN pg_namespace n ON n.oid = o.oprnamespace)"
        " FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace"
        " JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace"
        " WHERE k.contype = 'f' AND k.conparentid = 0 AND k.convalidated"
        " AND NOT coalesce((to_jsonb(k)->>'conperiod')::boolean, false) ORDER BY 2, 3, 1"
    ).fetchall()
    return [
        ForeignKey(
            name=name,
            child=(child_schema, child),
            parent=(parent_schema, parent),
            child_is_one=child_is_one,
            parent_is_one=parent_is_one,
            full=full,
            columns=tuple(columns),
            referenced=tuple(referenced),
            operators=tuple(operators),
        )
        for (
            name, child_schema, child, parent_schema, parent, child_is_one, parent_is_one, full, columns, referenced,
            operators,
        ) in rows
    ]  # fmt: skip


def orphans(session: Connection, key: ForeignKey) -> int:
    """Rows that break a foreign key, counted up to MOST_COUNTED."""
    row = session.execute(key.statement()).fetchone()
    return int(row[0]) if row else 0


def numbered_columns(session: Connection) -> dict[tuple[str, str], set[str]]:
    """Columns, by (schema, table), whose binary form names a type by its number: arrays of types made in a database.

    That number is another one in every database.
    """
    rows = session.execute(
        "WITH RECURSIVE base(oid, root) AS (SELECT oid, oid FROM pg_type WHERE typtype <> 'd'"
        " UNION ALL SELECT t.oid, b.root FROM pg_type t JOIN base b ON b.oid = t.typbasetype WHERE t.typtype = 'd')"
        " SELECT n.nspname, c.relname, a.attname FROM pg_attribute a JOIN base b ON b.oid = a.atttypid"
        " JOIN pg_type t ON t.oid = b.root JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND t.typcategory = 'A' AND t.typelem >= 10000"
    ).fetchall()
    found: dict[tuple[str, str], set[str]] = {}
    for schema, table, column in rows:
        found.setdefault((schema, table), set()).add(column)
    return found


def _rows_of(place: tuple[str, str], one: bool) -> sql.Composed:
    return sql.SQL("{}{}").format(sql.SQL("ONLY " if one else ""), sql.Identifier(*place))
