"""Sequences and the columns that they number: where each stands, and how far it can go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from integrity.checks.base import Moment, named, quoted
from opsconsole.engines.structure import Relation

# The sequence belongs to the column (serial, identity), or the column's default is its next value and nothing else:
# nextval (1574), perhaps in a cast to integer or smallint (480, 714). The text of a default is not asked for, which
# would mean to wait for whoever locks the table.
_SEQUENCES = """
SELECT n.nspname, s.relname, q.seqincrement, q.seqmin, q.seqmax, q.seqcycle,
  has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(s.oid, 'SELECT'), m.nspname, t.relname, a.attname
FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace JOIN pg_sequence q ON q.seqrelid = s.oid
LEFT JOIN (
  SELECT objid AS sequence, refobjid AS relation, refobjsubid AS place FROM pg_depend
  WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
    AND refobjsubid > 0
  UNION SELECT d.refobjid, f.adrelid, f.adnum FROM pg_depend d JOIN pg_attrdef f ON f.oid = d.objid
  WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
    AND f.adbin::text ~ '^{FUNCEXPR :funcid (1574|(480|714) [^{}]*{FUNCEXPR :funcid 1574) '
) used ON used.sequence = s.oid
LEFT JOIN pg_attribute a ON a.attrelid = used.relation AND a.attnum = used.place AND a.atttypid IN (20, 21, 23)
LEFT JOIN pg_class t ON t.oid = a.attrelid LEFT JOIN pg_namespace m ON m.oid = t.relnamespace
WHERE s.relkind = 'S' AND s.relpersistence <> 't' AND n.nspname NOT LIKE 'pg\\_%'
  AND n.nspname <> 'information_schema' AND s.relname NOT LIKE '\\_opsconsole\\_%' AND NOT EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = s.oid AND d.deptype = 'e')
ORDER BY 1, 2, 8, 9, 10
"""
TOPS = {"smallint": 2**15 - 1, "integer": 2**31 - 1, "bigint": 2**63 - 1}
SAFE_IN_JAVASCRIPT = 2**53 - 1  # larger ones lose their last digits in D1's clients


@dataclass(frozen=True, kw_only=True)
class Sequence:
    """A sequence of PostgreSQL. `readable` is whether our role may see where it stands."""

    name: str
    sql: str
    increment: int
    least: int
    most: int
    cycles: bool
    readable: bool
    columns: tuple[tuple[str, str], ...]  # (table, column) of what it numbers; not of parts of a partitioned table

    @property
    def rises(self) -> bool:
        """Whether it counts up; one with a negative increment counts down, from -1 to its least number."""
        return self.increment > 0

    def end(self, kinds: Iterable[str]) -> int:
        """The last number that it can give to columns of these types."""
        tops = [TOPS[kind] for kind in kinds if kind in TOPS]
        return min([self.most, *tops]) if self.rises else max([self.least, *(-top - 1 for top in tops)])

    def following(self, moment: Moment) -> int:
        """The value that it gives next. Raises AskFailed."""
        last, is_called = moment.inquiry.ask(f"SELECT last_value, is_called FROM {self.sql}")[0]
        return int(last) + (self.increment if is_called else 0)


def sequences(moment: Moment) -> list[Sequence]:
    """By name."""
    found: dict[str, Sequence] = {}
    for schema, name, increment, least, most, cycles, readable, owner, table, column in moment.inquiry.ask(_SEQUENCES):
        full, numbered = f"{schema}.{name}", f"{owner}.{table}"
        columns = found[full].columns if full in found else ()
        if is_whole(moment.structure.relations.get(numbered)):
            columns = (*columns, (numbered, column))
        found[full] = Sequence(
            name=full,
            sql=f"{quoted(schema)}.{quoted(name)}",
            increment=increment,
            least=least,
            most=most,
            cycles=cycles,
            readable=readable,
            columns=columns,
        )
    return list(found.values())


def is_whole(relation: Relation | None) -> bool:
    """Whether it is a table of the user's, and no part of a partitioned one."""
    return relation is not None and relation.whole in ("", relation.full_name)


def unreadable(relation: Relation) -> str:
    """Why a table's largest value cannot be told; empty when it can."""
    if "SELECT" not in relation.rights:
        return f"the console's role may not read {relation.full_name}"
    return f"row security hides rows of {relation.full_name} from the console's role" if relation.hidden_rows else ""


def largest(moment: Moment, table: str, column: str, where: str = "") -> int | None:
    """The column's largest value, among the rows for which `where` is true. Raises AskFailed."""
    return _one(moment, f"max({quoted(column)})", table, where)


def furthest(moment: Moment, sequence: Sequence, table: str, column: str, where: str = "") -> int | None:
    """The number in the column that the sequence would come to last, among the rows for which `where` is true.

    Raises AskFailed.
    """
    return _one(moment, f"{'max' if sequence.rises else 'min'}({quoted(column)})", table, where)


def _one(moment: Moment, what: str, table: str, where: str) -> int | None:
    asked = f"SELECT {what} FROM {named(moment.structure, table)}"
    value = moment.inquiry.ask(f"{asked} WHERE {where}" if where else asked)[0][0]
    return value if value is None else int(value)


def counters(moment: Moment) -> Iterator[tuple[str, str, int | None, bool]]:
    """(table, its INTEGER PRIMARY KEY, what sqlite_sequence remembers of it, AUTOINCREMENT or not), on SQLite."""
    there = moment.inquiry.ask("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'")
    rows = moment.inquiry.ask("SELECT name, max(seq) FROM sqlite_sequence GROUP BY name") if there else []
    remembered = {str(name).lower(): seq for name, seq in rows if isinstance(seq, int)}
    for table, relation in moment.structure.relations.items():
        for column in rowid(relation):
            yield table, column, remembered.get(table.lower()), bool(relation.sequences)


def rowid(relation: Relation) -> tuple[str, ...]:
    """The column that is another name of the table's rowid, if one is: the database fills it by itself."""
    primary = next((key.columns for key in relation.keys if key.primary), ())
    if len(primary) != 1:
        return ()
    field = relation.field(primary[0])
    return primary if field.type.upper() == "INTEGER" and field.default else ()
