"""Admin classes, thin and read-only: one noun a module."""

from __future__ import annotations

from opsconsole.admin import approvals, audit, databases, operations, people

__all__ = ["approvals", "audit", "databases", "operations", "people"]
