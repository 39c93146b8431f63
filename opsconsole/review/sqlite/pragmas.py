"""PRAGMA of SQLite: those that only show something or concern the session, and those that change the file."""

from __future__ import annotations

from opsconsole.review.context import Context
from opsconsole.review.functions import named
from opsconsole.review.lexing import Dialect, Token
from opsconsole.review.reading import Reader, Unreadable

_SHOWING = named(
    """table_info table_xinfo table_list index_list index_info index_xinfo foreign_key_list
    foreign_key_check integrity_check quick_check database_list collation_list function_list module_list pragma_list
    compile_options freelist_count page_count data_version stats"""
)
_SESSION = named(
    "busy_timeout cache_size defer_foreign_keys optimize analysis_limit temp_store threads cell_size_check"
    " automatic_index shrink_memory wal_checkpoint reverse_unordered_selects"
)
_READ_ALONE = named(
    """journal_mode synchronous auto_vacuum encoding page_size application_id user_version schema_version
    foreign_keys legacy_alter_table recursive_triggers secure_delete locking_mode mmap_size trusted_schema
    journal_size_limit wal_autocheckpoint ignore_check_constraints query_only"""
)
_ON = frozenset({"ON", "TRUE", "YES", "1"})
_OFF = frozenset({"OFF", "FALSE", "NO", "0"})


def pragma(context: Context, reader: Reader) -> None:
    first = reader.skip()
    name = reader.name().rpartition(".")[2]
    value = ""
    if reader.take("="):
        value = "".join(token.text for token in reader.rest().tokens).strip("'\"").upper()
    elif reader.next == "(":
        value = "".join(token.text for token in reader.group().tokens).strip("'\"").upper()
    if not reader.done:
        raise Unreadable
    if name in _SHOWING or name in _SESSION or (not value and name in _READ_ALONE):
        return
    if name == "foreign_keys" and value in _ON:
        context.foreign_keys_off = False
    elif name == "foreign_keys" and value in _OFF:
        _foreign_keys_off(context, first)
    elif name == "writable_schema":
        if value not in _OFF:
            context.add("writable-schema", "", "The tables of the schema itself can be written to.", first)
    elif name in ("user_version", "application_id"):
        context.add("user-version", "", f"Sets {name} to {value.lower()}.", first)
    else:
        context.add("pragma", name, f"Nobody here knows what PRAGMA {name} does to this database.", first)


def _foreign_keys_off(context: Context, first: Token) -> None:
    inside = context.dialect is Dialect.D1 or context.begun or context.transaction is not False
    if context.dialect is Dialect.D1:
        reason = "D1 runs everything in a transaction with foreign keys on: this has no effect."
    elif context.begun or context.transaction:
        reason = "Inside a transaction this has no effect: foreign keys stay as they are."
    else:
        reason = "Foreign keys are not enforced from here on, unless this runs in a transaction: then it has no effect."
    context.foreign_keys_off = not inside
    context.add("foreign-keys-off", "", reason, first)
