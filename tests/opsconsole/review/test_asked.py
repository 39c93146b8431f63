"""What people write to be asked of a database is one SELECT or one expression that reads its tables, or is refused."""

from __future__ import annotations

import pytest

from opsconsole.review.asked import why_no_expression, why_no_select
from opsconsole.review.lexing import Dialect

PG, SQLITE = Dialect.POSTGRESQL, Dialect.SQLITE
SELECTS = (
    "SELECT count(*) FROM users;",
    "WITH a AS MATERIALIZED (SELECT 1), b(n) AS (VALUES (1)) SELECT ';' FROM a, b -- ; DROP TABLE users",
    'SELECT t.id, lower(t.name)::varchar(10) FROM "user" t LEFT JOIN wallets w ON w.user_id = t.id WHERE w.id IS NULL',
    "SELECT 1 FROM information_schema.columns c, pg_catalog.pg_indexes i WHERE position(c.a IN i.indexdef) = 0",
    "SELECT replace(name, 'INSERT', ''), substring(name FOR 3), t.update FROM t",
)  # fmt: skip
NO_SELECTS = {
    "": "empty",
    "DELETE FROM orders": "begins with something else",
    "SELECT 1; SELECT 2": "more than one",
    "/* SELECT */ DROP TABLE x": "begins with something else",
    "SELECT * INTO copies FROM users": "INTO",
    "SELECT * FROM users FOR UPDATE": "locks",
    "WITH gone AS (DELETE FROM users RETURNING *) SELECT * FROM gone": "DELETE",
    "WITH a AS (SELECT 1) DELETE FROM users": "DELETE",
    "SELECT pg_read_file('/etc/passwd')": "pg_read_file",
    'SELECT "pg_read_file"(\'/etc/passwd\')': "pg_read_file",
    "SELECT pg_catalog.pg_sleep(100)": "pg_sleep",
    "SELECT U&\"\\0070g_sleep\"(100)": "U&",
    "SELECT * FROM dblink('dbname=x', 'DROP TABLE y') AS (values int)": "dblink",
    "SELECT * FROM users u, dblink('dbname=x', 'DROP TABLE y') AS (update text)": "UPDATE",
    "SELECT (ARRAY[1, 2])[1:pg_sleep(9)::int]": "pg_sleep",
    "SELECT query_to_xml('DELETE FROM users', true, true, '')": "query_to_xml",
    "SELECT nextval('orders_id_seq')": "nextval",
    "SELECT rolpassword FROM pg_authid": "pg_authid",
    "SELECT rolpassword FROM pg_catalog.\"pg_authid\"": "pg_authid",
    "SELECT usename, query FROM pg_stat_activity": "pg_stat_activity",
    "SELECT most_common_vals FROM pg_stats": "pg_stats",
    "SELECT set_config('role', 'postgres', false)": "set_config",
    "SELECT my_own_function(id) FROM users": "my_own_function",
    "SELECT 1) AS a, (SELECT 2": "never opened",
    "SELECT (1": "never closed",
    "SELECT 'x": "never ends",
    "SELECT 1 /* and": "never ends",
    "SELECT $1": "placeholder",
    "\\! rm -rf /": "client program",
}  # fmt: skip
NO_EXPRESSIONS = {
    "": "empty",
    "SELECT 1": "is a query",
    "t.a > 1) OR (1 = 1": "never opened",
    "t.a > 1; DROP TABLE x": "semicolon",
    "t.a > 1 -- ) and then": "",
    "t.a > 1 /* ) and then": "never ends",
    "t.a IN (SELECT a FROM dblink('x', 'y') AS (table_name text))": "dblink",
    "pg_sleep(10) IS NULL": "pg_sleep",
    "EXISTS (SELECT 1 FROM pg_shadow)": "pg_shadow",
}


@pytest.mark.parametrize("text", SELECTS)
def test_a_select_over_tables_is_let_through(text: str) -> None:
    assert why_no_select(text, PG) == ""


@pytest.mark.parametrize(("text", "why"), NO_SELECTS.items())
def test_what_is_no_select_or_reaches_beyond_is_refused(text: str, why: str) -> None:
    assert why in why_no_select(text, PG)
    assert why_no_select(text, PG)


@pytest.mark.parametrize(("text", "why"), NO_EXPRESSIONS.items())
def test_an_expression_cannot_break_out_of_where_it_is_put(text: str, why: str) -> None:
    found = why_no_expression(text, PG)
    assert (why in found) if why else not found


def test_sqlite_is_read_as_sqlite_reads_it() -> None:
    assert why_no_select("SELECT `a;`, [b;] FROM t WHERE typeof(a) = 'text'", SQLITE) == ""
    assert "load_extension" in why_no_select("SELECT load_extension('x')", SQLITE)
    assert "never ends" in why_no_expression("t.a = 'it\\'s'", SQLITE)
    assert why_no_expression("t.[a)] IS NULL OR t.a GLOB '[0-9]*'", SQLITE) == ""
    assert "placeholder" in why_no_expression("t.a = :b", SQLITE)
