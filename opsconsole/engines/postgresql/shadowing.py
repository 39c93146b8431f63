"""Functions and operators that stand beside the server's own, so that words of people would mean something else.

What is called `lower` or `=` in pg_catalog is found first, and still another of that name is taken that fits the types
better: `lower(varchar)`, say, in a schema where somebody may create functions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from opsconsole.engines.postgresql.connect import Connection

# Beside words such as IN, BETWEEN, LIKE and JOIN ... USING, which say these without a sign.
_UNSAID = frozenset({"=", "<>", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "!~~*"})
_NO_EXTENSIONS = (
    "NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = '{0}'::regclass AND d.objid = x.oid AND d.deptype = 'e')"
)
_PATH = "(SELECT oid FROM pg_namespace WHERE nspname = ANY(%s) OR nspname = current_user)"
_FOUND = (
    "SELECT false, x.proname::text FROM pg_proc x"
    f" WHERE x.pronamespace IN {_PATH} AND {_NO_EXTENSIONS.format('pg_proc')}"
    " AND EXISTS (SELECT 1 FROM pg_proc b WHERE b.pronamespace = 'pg_catalog'::regnamespace AND b.proname = x.proname)"
    " UNION SELECT true, x.oprname::text FROM pg_operator x"
    f" WHERE x.oprnamespace IN {_PATH} AND {_NO_EXTENSIONS.format('pg_operator')}"
    " AND EXISTS (SELECT 1 FROM pg_operator b WHERE b.oprnamespace = 'pg_catalog'::regnamespace"
    "  AND b.oprname = x.oprname)"
    " AND NOT EXISTS (SELECT 1 FROM pg_type t WHERE t.oid IN (x.oprleft, x.oprright)"
    "  AND t.typtype NOT IN ('b', 'd', 'p'))"
)


@dataclass(frozen=True, kw_only=True)
class Shadows:
    """Names in pg_catalog that the search path leads to somewhere else as well, but in extensions."""

    functions: frozenset[str]
    operators: frozenset[str]

    def of(self, statement: str) -> str:
        """One that a statement may mean, in words; empty when there is none."""
        called = {name.lower() for name in re.findall(r"([^\W\d]\w*)\"?\s*\(", statement)}
        if functions := sorted(name for name in self.functions if name.lower() in called):
            return f"{functions[0]}()"
        return next((sign for sign in sorted(self.operators) if sign in _UNSAID or sign in statement), "")


def shadows(session: Connection, schemas: list[str]) -> Shadows:
    """What stands in these schemas, and in that of the role. `session` finds nothing by name outside pg_catalog."""
    rows = session.execute(_FOUND, (schemas, schemas)).fetchall()
    return Shadows(
        functions=frozenset(name for is_operator, name in rows if not is_operator),
        operators=frozenset(name for is_operator, name in rows if is_operator),
    )
