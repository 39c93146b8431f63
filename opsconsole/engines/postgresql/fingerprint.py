"""The schema of a database as lines of text, and their digest.

Every user object is one line: what it is, its name, its definition as the server writes it. Object numbers, owners,
rights and the order of creation are left out, so the digest is the same after a faithful restore. Objects of
extensions and our own `_opsconsole_*` tables are left out too.
"""

from __future__ import annotations

import hashlib
import re

from opsconsole.engines.postgresql.connect import Connection
from opsconsole.engines.postgresql.ours import NOT_OF_OURS, NOT_OURS

_NOT_SYSTEM = r"n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'"


def _free(catalogue: str, oid: str) -> str:
    """Not a member of an extension, and not a part of another object (which shows it)."""
    return (
        f"NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = '{catalogue}'::regclass AND x.objid = {oid}"
        " AND x.deptype = 'e')"
    )


_LINES = {
    "schema": f"SELECT n.nspname, '' FROM pg_namespace n WHERE {_NOT_SYSTEM} AND {_free('pg_namespace', 'n.oid')}",
    "extension": "SELECT e.extname, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace",
    "relation": f"""
        SELECT format('%I.%I', n.nspname, c.relname), concat_ws(' ', c.relkind, c.relpersistence,
            array_to_string(c.reloptions, ','), CASE WHEN c.relrowsecurity THEN 'rls' END,
            CASE WHEN c.relforcerowsecurity THEN 'force' END, pg_get_expr(c.relpartbound, c.oid),
            CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
            CASE WHEN c.relreplident <> 'd' THEN 'identity ' || c.relreplident::text END,
            (SELECT string_agg(i.inhparent::regclass::text, ',' ORDER BY i.inhseqno) FROM pg_inherits i
             WHERE i.inhrelid = c.oid),
            CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND c.relpersistence <> 't' AND {_NOT_SYSTEM} AND {NOT_OURS}
        AND {_free("pg_class", "c.oid")}""",
    "column": f"""
        SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname), concat_ws(' ',
            row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN 'not null' END, 'identity ' || nullif(a.attidentity, '')::text,
            'generated ' || nullif(a.attgenerated, '')::text, pg_get_expr(d.adbin, d.adrelid),
            CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation::text END,
            CASE WHEN NOT a.attislocal THEN 'inherited' END)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
        AND c.relpersistence <> 't' AND {_NOT_SYSTEM} AND {NOT_OURS} AND {_free("pg_class", "c.oid")}""",
    "sequence": f"""
        SELECT format('%I.%I', n.nspname, c.relname), concat_ws(' ', format_type(s.seqtypid, NULL), s.seqstart,
            s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle)
        FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relpersistence <> 't' AND {_NOT_SYSTEM} AND {NOT_OURS} AND {_free("pg_class", "c.oid")}""",
    "constraint": f"""
        SELECT format('%I.%I', n.nspname, k.conname) || coalesce(' on ' || nullif(k.conrelid, 0)::regclass::text, '')
            || coalesce(' on ' || nullif(k.contypid, 0)::regtype::text, ''),
            pg_get_constraintdef(k.oid) || CASE WHEN k.convalidated THEN '' ELSE ' unproven' END
        FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace LEFT JOIN pg_class c ON c.oid = k.conrelid
        WHERE k.contype NOT IN ('n', 't') AND k.conparentid = 0 AND {_NOT_SYSTEM}
        AND (c.oid IS NULL OR {NOT_OURS}) AND {_free("pg_constraint", "k.oid")}
        AND {_free("pg_class", "k.conrelid")}""",
    "index": f"""
        SELECT format('%I.%I', n.nspname, c.relname), concat_ws(' ', pg_get_indexdef(i.indexrelid),
            CASE WHEN NOT i.indisvalid THEN 'invalid' END, CASE WHEN i.indisclustered THEN 'clustered' END,
            CASE WHEN i.indisreplident THEN 'identity' END)
        FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_NOT_SYSTEM} AND {NOT_OURS} AND {_free("pg_class", "c.oid")}""",
    "trigger": f"""
        SELECT format('%I on %I.%I', t.tgname, n.nspname, c.relname),
            pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND {_NOT_SYSTEM} AND {NOT_OURS}
        AND {_free("pg_trigger", "t.oid")} AND {_free("pg_class", "c.oid")}""",
    "policy": f"""
        SELECT format('%I on %I.%I', p.polname, n.nspname, c.relname), concat_ws(' ', p.polcmd, p.polpermissive,
            (SELECT string_agg(CASE WHEN r = 0 THEN 'public' ELSE pg_get_userbyid(r)::text END, ',' ORDER BY 1)
             FROM unnest(p.polroles) r),
            pg_get_expr(p.polqual, p.polrelid), '/', pg_get_expr(p.polwithcheck, p.polrelid))
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {NOT_OURS}""",
    "rule": f"""
        SELECT format('%I on %I.%I', r.rulename, n.nspname, c.relname), pg_get_ruledef(r.oid) || r.ev_enabled::text
        FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE r.rulename <> '_RETURN' AND {_NOT_SYSTEM} AND {NOT_OURS} AND {_free("pg_class", "c.oid")}""",
    "function": f"""
        SELECT format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
            CASE WHEN p.prokind = 'a' THEN pg_get_function_result(p.oid) ELSE pg_get_functiondef(p.oid) END
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {_NOT_SYSTEM} AND {_free("pg_proc", "p.oid")}""",
    "aggregate": f"""
        SELECT a.aggfnoid::regprocedure::text, concat_ws(' ', a.aggtransfn::regproc, a.aggfinalfn::regproc,
            a.aggtranstype::regtype, a.agginitval)
        FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {_NOT_SYSTEM} AND {_free("pg_proc", "p.oid")}""",
    "type": f"""
        SELECT format('%I.%I', n.nspname, t.typname), concat_ws(' ', t.typtype, t.typdefault,
            CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
            CASE WHEN t.typnotnull THEN 'not null' END, (SELECT format_type(r.rngsubtype, NULL) FROM pg_range r
            WHERE r.rngtypid = t.oid),
            (SELECT string_agg(quote_literal(e.enumlabel), ',' ORDER BY e.enumsortorder) FROM pg_enum e
             WHERE e.enumtypid = t.oid))
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE t.typtype IN ('b', 'd', 'e', 'r') AND t.typelem = 0 AND {_NOT_SYSTEM} AND {_free("pg_type", "t.oid")}""",
    "statistics": f"""
        SELECT format('%I.%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid)
        FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE {_NOT_SYSTEM}""",
    "event trigger": f"""
        SELECT e.evtname, concat_ws(' ', e.evtevent, e.evtfoid::regproc, e.evtenabled, array_to_string(e.evttags, ','))
        FROM pg_event_trigger e WHERE {_free("pg_event_trigger", "e.oid")}""",
    "publication": """
        SELECT p.pubname, concat_ws(' ', p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate,
            (SELECT string_agg(t.schemaname || '.' || t.tablename, ',' ORDER BY 1) FROM pg_publication_tables t
             WHERE t.pubname = p.pubname)) FROM pg_publication p""",
    "operator": f"""
        SELECT o.oid::regoperator::text, o.oprcode::regproc::text FROM pg_operator o
        JOIN pg_namespace n ON n.oid = o.oprnamespace WHERE {_NOT_SYSTEM} AND {_free("pg_operator", "o.oid")}""",
    "collation": f"""
        SELECT format('%I.%I', n.nspname, c.collname), concat_ws(' ', c.collprovider, c.collcollate, c.collctype,
            c.collisdeterministic)
        FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
        WHERE {_NOT_SYSTEM} AND {_free("pg_collation", "c.oid")}""",
    "cast": f"""
        SELECT format('%s as %s', k.castsource::regtype, k.casttarget::regtype), concat_ws(' ',
            nullif(k.castfunc, 0)::regprocedure, k.castcontext, k.castmethod)
        FROM pg_cast k WHERE k.oid >= 16384 AND {_free("pg_cast", "k.oid")}""",
    "text search": f"""
        SELECT format('%I.%I', n.nspname, c.cfgname), (SELECT string_agg(m.maptokentype || ':' ||
            m.mapdict::regdictionary::text, ',' ORDER BY m.maptokentype, m.mapseqno) FROM pg_ts_config_map m
            WHERE m.mapcfg = c.oid)
        FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace
        WHERE {_NOT_SYSTEM} AND {_free("pg_ts_config", "c.oid")}""",
    "foreign server": f"""
        SELECT s.srvname, w.fdwname FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
        WHERE {_free("pg_foreign_server", "s.oid")}""",
    "comment": f"""
        SELECT i.type || ' ' || i.identity, d.description FROM pg_description d
        CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
        WHERE d.objoid >= 16384 AND d.classoid <> 'pg_extension'::regclass AND {NOT_OF_OURS}
        AND NOT EXISTS (SELECT FROM pg_depend x
            WHERE x.classid = d.classoid AND x.objid = d.objoid AND x.deptype = 'e')""",
}

# The server writes `column IN ('a', 'b')` on a varchar as a cast of the whole array, and after a restore as casts of
# its members; both mean the same, and both come out as the second form here.
_CAST_ARRAY = re.compile(r"\(ARRAY\[((?:'(?:[^']|'')*'::[a-z ]+(?:, )?)+)\]\)::([a-z ]+)\[\]")
_IDENTIFIER = r'("(?:[^"]|"")*"|[^".\s]+)'
_OF_INDEX = re.compile(rf"index {_IDENTIFIER}\.")
_INDEX = re.compile(rf"CREATE (?:UNIQUE )?INDEX {_IDENTIFIER} ON ")
_MEMBER = re.compile(r"'(?:[^']|'')*'::[a-z ]+")


def lines(session: Connection) -> list[str]:
    """One line an object, sorted."""
    found = []
    for what, query in _LINES.items():
        for name, definition in session.execute(query.encode()).fetchall():
            found.append(f"{what} {name}: {_settled(definition or '')}")
    return sorted(found)


def by_name(session: Connection) -> dict[str, str]:
    """Definitions by kind and name. An index, whose line names its table, goes by its own: a table has several."""
    found = {}
    for line in lines(session):
        name, _, definition = line.partition(": ")
        if (index := _INDEX.match(definition)) and (schema := _OF_INDEX.match(name)):
            name = f"index {schema[1]}.{index[1]}"
        found[name] = definition
    return found


def digest(session: Connection) -> str:
    """`sha256:` over the lines."""
    total = hashlib.sha256()
    for line in lines(session):
        total.update(line.encode() + b"\n")
    return "sha256:" + total.hexdigest()


def _settled(definition: str) -> str:
    return _CAST_ARRAY.sub(_spread, definition)


def _spread(match: re.Match[str]) -> str:
    members = ", ".join(f"({member})::{match[2]}" for member in _MEMBER.findall(match[1]))
    return f"ARRAY[{members}]"
