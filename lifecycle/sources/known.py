"""The explicit table of migration tools, of those that are refused too. Called once when Django starts."""

from __future__ import annotations

from lifecycle.sources import base, detection
from lifecycle.sources.dbmate import Dbmate
from lifecycle.sources.drizzle import Drizzle
from lifecycle.sources.drizzle1 import Drizzle1
from lifecycle.sources.gomigrate import GolangMigrate
from lifecycle.sources.plain import Plain
from lifecycle.sources.prisma import Prisma
from lifecycle.sources.sqlx import Sqlx
from lifecycle.sources.unsupported import UNSUPPORTED
from lifecycle.sources.wrangler import Wrangler


def register_sources() -> None:
    """Register every tool. Raises TypeError when one is registered twice."""
    for source in (Dbmate(), Drizzle(), Drizzle1(), GolangMigrate(), Plain(), Prisma(), Sqlx(), Wrangler()):
        base.register(source)
    for tool in UNSUPPORTED:
        detection.refuse(tool)
