"""PostgreSQL 14 to 18."""

from __future__ import annotations

from opsconsole.engines.postgresql.engine import PostgresEngine

__all__ = ["PostgresEngine"]
