"""The structure of a PostgreSQL database, as its catalogue tells it: columns, keys, references, triggers, rights."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from opsconsole.engines.postgresql.catalogue import USER_RELATIONS
from opsconsole.engines.postgresql.connect import Connection
from opsconsole.engines.structure import Field, ForeignKey, Key, Relation, Structure, Trigger

TABLES = f"c.relkind IN ('r', 'p') AND {USER_RELATIONS}"
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
_FAMILIES = {
    "bool": "boolean", "int2": "integer", "int4": "integer", "int8": "integer", "oid": "integer",
    "numeric": "numeric", "float4": "float", "float8": "float", "bytea": "bytes", "timestamp": "timestamp",
    "timestamptz": "timestamptz", "date": "date", "json": "json", "jsonb": "json",
}  # fmt: skip
_EVENTS = {4: "INSERT", 8: "DELETE", 16: "UPDATE", 32: "TRUNCATE"}  # the bits of pg_trigger.tgtype
_CLEARED = (  # since PostgreSQL 15, SET NULL may name some of the columns
    "array(SELECT a.attname::text FROM jsonb_array_elements_text(CASE jsonb_typeof(to_jsonb(k) -> 'confdelsetcols')"
    " WHEN 'array' THEN to_jsonb(k) -> 'confdelsetcols' ELSE '[]' END) AS u(number)"
    " JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number::int ORDER BY a.attnum)"
)
_COLLATIONS = (
    "array(SELECT CASE WHEN p.attcollation <> a.attcollation THEN (SELECT format('%I.%I', m.nspname, l.collname)"
    " FROM pg_collation l JOIN pg_namespace m ON m.oid = l.collnamespace WHERE l.oid = p.attcollation) END"
    " FROM unnest(k.conkey, k.confkey) WITH ORDINALITY u (own, theirs, place)"
    " JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.own"
    " JOIN pg_attribute p ON p.attrelid = k.confrelid AND p.attnum = u.theirs ORDER BY u.place)"
)
_ON_DELETE = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


@dataclass(frozen=True)
class _Type:
    name: str
    category: str
    base: int  # of a domain
    element: int
    required: bool  # a domain that does not take NULL
    words: str  # its name in SQL, without a length


def read(session: Connection) -> Structure:
    """The structure as the session's transaction sees it."""
    names = _names(session)
    fields, keys, triggers, sequences = _fields(session), _keys(session), _triggers(session), _sequences(session)
    wholes = _wholes(session)
    relations = [
        Relation(
            schema=schema,
            name=name,
            fields=tuple(fields[oid]),
            keys=tuple(keys[oid]),
            triggers=tuple(triggers[oid]),
            sequences=tuple(sequences[oid]),
            whole=wholes.get(oid, f"{schema}.{name}"),
            partitioned=partitioned,
            rights=frozenset(rights),
            hidden_rows=hidden,
        )
        for oid, (schema, name, partitioned, rights, hidden) in names.items()
    ]
    row = session.execute(
        "SELECT has_database_privilege(current_database(), 'TEMP'), current_setting('server_encoding')"
    ).fetchone()
    staging, encoding = row or (False, "UTF8")
    full = {oid: f"{schema}.{name}" for oid, (schema, name, *_) in names.items()}
    return Structure(
        relations={relation.full_name: relation for relation in relations},
        foreign_keys=_foreign_keys(session, full),
        staging=staging,
        encoding=encoding,
    )


def _names(session: Connection) -> dict[int, tuple[str, str, bool, list[str], bool]]:
    rights = ", ".join(f"CASE WHEN has_table_privilege(c.oid, '{right}') THEN '{right}' END" for right in RIGHTS)
    rows = session.execute(
        "SELECT c.oid::bigint, n.nspname, c.relname, c.relkind = 'p',"
        f" CASE WHEN has_schema_privilege(n.oid, 'USAGE') THEN array_remove(ARRAY[{rights}], NULL) ELSE '{{}}' END,"
        " row_security_active(c.oid)"
        f" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {TABLES} ORDER BY 2, 3"
    ).fetchall()
    return {oid: (schema, name, partitioned, held, hidden) for oid, schema, name, partitioned, held, hidden in rows}


def _fields(session: Connection) -> defaultdict[int, list[Field]]:
    types = _types(session)
    rows = session.execute(
        "SELECT a.attrelid::bigint, a.attname, format_type(a.atttypid, a.atttypmod), a.atttypid::bigint, a.attnotnull,"
        " a.atthasdef, a.attgenerated <> '', a.attidentity,"
        " a.attnotnull AND EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n'"
        "  AND NOT k.convalidated AND a.attnum = ANY (k.conkey))"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE a.attnum > 0 AND NOT a.attisdropped AND {TABLES} ORDER BY a.attrelid, a.attnum"
    ).fetchall()
    found: defaultdict[int, list[Field]] = defaultdict(list)
    for oid, name, words, kind, required, has_default, generated, identity, unproven in rows:
        found[oid].append(
            Field(
                name=name,
                type=words,
                family=_family(types, kind),
                bare=_plain(types, kind).words,
                element=_element(types, kind),
                nullable=not required and not types[kind].required,
                unproven=unproven,
                default=(has_default and not generated) or bool(identity),
                generated=generated,
                identity={"a": "always", "d": "by default"}.get(identity, ""),
            )
        )
    return found


def _types(session: Connection) -> dict[int, _Type]:
    rows = session.execute(
        "SELECT oid::bigint, typname, typcategory::text, typbasetype::bigint, typelem::bigint, typnotnull,"
        " format_type(oid, -1) FROM pg_type"
    ).fetchall()
    return {oid: _Type(*rest) for oid, *rest in rows}


def _plain(types: dict[int, _Type], kind: int) -> _Type:
    """The type itself, or what a domain is made of."""
    while types[kind].base:
        kind = types[kind].base
    return types[kind]


def _family(types: dict[int, _Type], kind: int) -> str:
    found = _plain(types, kind)
    if found.category == "A":
        return "array"
    return _FAMILIES.get(found.name, "text" if found.category == "S" else "other")


def _element(types: dict[int, _Type], kind: int) -> str:
    found = _plain(types, kind)
    return _family(types, found.element) if found.category == "A" and found.element else ""


def _keys(session: Connection) -> defaultdict[int, list[Key]]:
    """Unique indexes that hold for every row at once: no partial ones, none on expressions, none that are deferred."""
    rows = session.execute(
        "SELECT i.indrelid::bigint, i.indisprimary, array_agg(a.attname::text ORDER BY k.place) FROM pg_index i"
        " CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number"
        " WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND NOT i.indisexclusion"
        " AND i.indpred IS NULL AND i.indexprs IS NULL"
        " AND k.place <= i.indnkeyatts GROUP BY i.indexrelid, 1, 2 ORDER BY 2 DESC, 3"
    ).fetchall()
    found: defaultdict[int, list[Key]] = defaultdict(list)
    for oid, primary, columns in rows:
        found[oid].append(Key(columns=tuple(columns), primary=primary))
    return found


def _triggers(session: Connection) -> defaultdict[int, list[Trigger]]:
    rows = session.execute(
        "SELECT tgrelid::bigint, tgname, tgtype::int FROM pg_trigger"
        " WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') ORDER BY 1, 2"
    ).fetchall()
    found: defaultdict[int, list[Trigger]] = defaultdict(list)
    for oid, name, bits in rows:
        found[oid].append(Trigger(name=name, events=tuple(event for bit, event in _EVENTS.items() if bits & bit)))
    return found


def _sequences(session: Connection) -> defaultdict[int, list[str]]:
    found: defaultdict[int, list[str]] = defaultdict(list)
    for _, _, oid, column in numbered(session):
        if column not in found[oid]:
            found[oid].append(column)
    return found


def numbered(session: Connection) -> list[tuple[str, str, int, str]]:
    """(schema, sequence, number of the table, column) of every whole-number column that a rising sequence fills.

    The sequence belongs to the column (serial, identity), or the column's default names it.
    """
    return session.execute(
        "SELECT DISTINCT n.nspname, s.relname, a.attrelid::bigint, a.attname FROM pg_class s"
        " JOIN pg_namespace n ON n.oid = s.relnamespace"
        " JOIN pg_sequence q ON q.seqrelid = s.oid AND q.seqincrement > 0"
        " JOIN (SELECT objid AS sequence, refobjid AS relation, refobjsubid AS place FROM pg_depend"
        "  WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')"
        "  AND refobjsubid > 0 UNION SELECT d.refobjid, f.adrelid, f.adnum FROM pg_depend d JOIN pg_attrdef f"
        "  ON f.oid = d.objid WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass) used"
        " ON used.sequence = s.oid"
        " JOIN pg_attribute a ON a.attrelid = used.relation AND a.attnum = used.place"
        " WHERE s.relkind = 'S' AND a.atttypid IN (20, 21, 23) ORDER BY 1, 2, 3, 4"
    ).fetchall()


def _wholes(session: Connection) -> dict[int, str]:
    """The partitioned table at the top, by the number of each of its parts."""
    rows = session.execute(
        "SELECT c.oid::bigint, m.nspname, w.relname FROM pg_class c JOIN pg_class w ON w.oid = pg_partition_root(c.oid)"
        " JOIN pg_namespace m ON m.oid = w.relnamespace WHERE c.relispartition AND c.relkind IN ('r', 'p')"
    ).fetchall()
    return {oid: f"{schema}.{name}" for oid, schema, name in rows}


def _foreign_keys(session: Connection, names: dict[int, str]) -> tuple[ForeignKey, ...]:
    """Each once, as it was declared: what the server makes of it for parts is left out."""

    def columns(table: str, numbers: str) -> str:
        return (
            f"array(SELECT a.attname::text FROM unnest(k.{numbers}) WITH ORDINALITY u(number, place)"
            f" JOIN pg_attribute a ON a.attrelid = k.{table} AND a.attnum = u.number ORDER BY u.place)"
        )

    rows: list[tuple[Any, ...]] = session.execute(
        "SELECT k.conname, k.conrelid::bigint, k.confrelid::bigint, k.condeferrable, k.confdeltype::text,"
        f" {columns('conrelid', 'conkey')}, {columns('confrelid', 'confkey')}, {_CLEARED}, k.confmatchtype::text = 'f',"
        f" {_COLLATIONS} FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0 ORDER BY 2, 1".encode()
    ).fetchall()
    return tuple(
        ForeignKey(
            name=name,
            table=names[table],
            columns=tuple(own),
            parent=names[parent],
            parent_columns=tuple(theirs),
            deferrable=deferrable,
            on_delete=_ON_DELETE[on_delete],
            cleared=tuple(cleared),
            full=full,
            collations=tuple(each or "" for each in collations),
        )
        for name, table, parent, deferrable, on_delete, own, theirs, cleared, full, collations in rows
        if table in names and parent in names
    )
