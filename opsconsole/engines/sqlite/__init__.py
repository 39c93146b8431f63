"""The SQLite engine, with its D1 flavour. This package is the only place of it that imports sqlite3."""

from opsconsole.engines.sqlite.address import SqliteAddress
from opsconsole.engines.sqlite.engine import SqliteEngine

__all__ = ["SqliteAddress", "SqliteEngine"]
