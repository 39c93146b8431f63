"""Settings of a PostgreSQL session, from SET or from set_config()."""

from __future__ import annotations

from opsconsole.review.context import Context
from opsconsole.review.functions import named
from opsconsole.review.lexing import Token

HARMLESS = named("""application_name bytea_output check_function_bodies client_min_messages datestyle
    deadlock_timeout default_table_access_method default_tablespace default_with_oids effective_cache_size
    extra_float_digits idle_in_transaction_session_timeout intervalstyle lock_timeout maintenance_work_mem
    max_parallel_maintenance_workers plpgsql.extra_warnings row_security statement_timeout synchronous_commit timezone
    transaction_timeout work_mem xmloption default_toast_compression jit""")
_AS_READ = frozenset({"utf8", "unicode", "default", "sql_ascii"})
_DANGEROUS = {"role": "set-role", "session_authorization": "set-role"}


def change(context: Context, name: str, value: str, token: Token | None = None) -> None:
    """Judge one setting; `value` is its text as it is written."""
    if name == "session_replication_role":
        context.add("session-replication-role", "", "Triggers and foreign keys are switched off, or on again.", token)
    elif name in _DANGEROUS:
        context.add(_DANGEROUS[name], "", "What follows runs with other rights.", token)
    elif name == "search_path":
        context.own.clear()  # their names may mean others
        context.add("search-path", "", "Names without a schema may mean other objects from here on.", token)
    elif name == "client_encoding":
        encoding(context, value, token)
    elif name == "standard_conforming_strings" and value.strip("'").lower() in ("on", "true", "1"):
        return
    elif name not in HARMLESS:
        context.add("setting", name, f"Changes {name}, which is not known to be harmless.", token)


def encoding(context: Context, value: str, token: Token | None = None) -> None:
    """Another encoding takes bytes apart otherwise than they are read here: what follows may be other statements."""
    if value.strip("'\"").lower().replace("-", "") not in _AS_READ:
        context.add("setting", "client_encoding", "What follows is read in another encoding than here.", token)
