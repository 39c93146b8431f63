"""What a proposal may do, by name: to rows, or by one statement that changes none."""

from __future__ import annotations

DELETE, SET_NULL, SET_VALUE, SQL_UPDATE = "delete_rows", "set_null", "set_value", "sql_update"
CREATE_INDEX = "create_index"
ON_ROWS = frozenset({DELETE, SET_NULL, SET_VALUE, SQL_UPDATE})
EVERY = {
    DELETE: "delete the rows",
    SET_NULL: "set the column to NULL",
    SET_VALUE: "give the column its value",
    SQL_UPDATE: "give the column what somebody configured",
    "advance_sequence": "advance the sequence",
    CREATE_INDEX: "create the index",
    "validate_constraint": "validate the constraint",
    "analyze": "analyze",
    "vacuum": "vacuum",
    "reindex": "rebuild the index",
}
