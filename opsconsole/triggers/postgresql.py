"""Guards as PostgreSQL triggers: one function and one trigger each, enabled always, with a fixed search path."""

from __future__ import annotations

from django.db.backends.base.base import BaseDatabaseWrapper

from opsconsole.triggers.guards import PREFIX, Guard

# bits of pg_trigger.tgtype
_ROW, _BEFORE = 1, 2
_EVENTS = {"INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}


def create(guard: Guard, context: str) -> list[str]:
    """The statements that install a guard, replacing one of the same name. `context` is the quoted schema."""
    level = "STATEMENT" if guard.event == "TRUNCATE" else "ROW"
    return [
        f"CREATE OR REPLACE FUNCTION {guard.trigger}() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER "
        f"SET search_path = {_path(context)} AS $guard${_body(guard)}$guard$",
        f"DROP TRIGGER IF EXISTS {guard.trigger} ON {guard.table}",
        f"CREATE TRIGGER {guard.trigger} BEFORE {guard.event} ON {guard.table} FOR EACH {level} "
        f"EXECUTE FUNCTION {guard.trigger}()",
        f"ALTER TABLE {guard.table} ENABLE ALWAYS TRIGGER {guard.trigger}",
    ]


def drop(trigger: str, table: str) -> list[str]:
    return [f"DROP TRIGGER IF EXISTS {trigger} ON {table}", f"DROP FUNCTION IF EXISTS {trigger}()"]


def text_of(guard: Guard, context: str) -> str:
    """What `found` gives back for this guard when it is in place, word for word."""
    bits = _BEFORE | _EVENTS[guard.event] | (0 if guard.event == "TRUNCATE" else _ROW)
    return f"{bits} A {guard.trigger} search_path={_path(context)} {_body(guard)}"


def found(connection: BaseDatabaseWrapper) -> dict[str, tuple[str, str]]:
    """Every trigger and rewrite rule on the console's tables: name to (table, type, state, function and its source)."""
    with connection.cursor() as cursor:
        cursor.execute(_FOUND)
        return {name: (table, text) for name, table, text in cursor.fetchall()}


def context_of(connection: BaseDatabaseWrapper) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        return str(cursor.fetchone()[0])


def owned_by_us(connection: BaseDatabaseWrapper) -> bool:
    """Whether the console's own role could switch the guards off: when it owns the tables, or is a superuser."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT bool_or(pg_has_role(current_user, c.relowner, 'MEMBER')) FROM pg_class c "
            "WHERE c.relnamespace = current_schema()::regnamespace AND c.relname LIKE 'opsconsole\\_audit%'"
        )
        return bool(cursor.fetchone()[0])


def _path(context: str) -> str:
    """The schema of the tables, and pg_temp last, so that no temporary table can stand in for one of them."""
    return f"{context}, pg_temp"


def _body(guard: Guard) -> str:
    row = "NULL" if guard.event == "TRUNCATE" else "OLD" if guard.event == "DELETE" else "NEW"
    message = guard.quoted_message.replace("%", "%%")
    return (
        f"BEGIN IF {guard.condition} THEN RAISE EXCEPTION {message} USING ERRCODE = '23000'; END IF; RETURN {row}; END"
    )


_FOUND = f"""
SELECT t.tgname, c.relname,
       t.tgtype || ' ' || t.tgenabled::text || ' ' || p.proname || ' '
       || coalesce(array_to_string(p.proconfig, ';'), '') || ' ' || p.prosrc || coalesce(' WHEN ' || t.tgqual::text, '')
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
   AND (c.relname LIKE 'opsconsole\\_%' OR t.tgname LIKE '{PREFIX}%')
 UNION ALL
SELECT r.rulename, c.relname, pg_get_ruledef(r.oid)
  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND c.relname LIKE 'opsconsole\\_%'
"""
