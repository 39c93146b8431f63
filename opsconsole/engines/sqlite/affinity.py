"""What SQLite makes of a declared type, by its own rules (sqlite.org/datatype3.html, 3.1)."""

from __future__ import annotations

_BY_PART = (("INT", "INTEGER"), ("CHAR", "TEXT"), ("CLOB", "TEXT"), ("TEXT", "TEXT"), ("BLOB", "BLOB"),
            ("REAL", "REAL"), ("FLOA", "REAL"), ("DOUB", "REAL"))  # fmt: skip


def affinity(declared: str) -> str:
    """INTEGER, TEXT, BLOB, REAL or NUMERIC."""
    if not declared:
        return "BLOB"
    return next((affinity for part, affinity in _BY_PART if part in declared.upper()), "NUMERIC")
