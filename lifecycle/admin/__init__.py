"""Admin classes, thin and read-only: one noun a module."""

from lifecycle.admin import backups, retention

__all__ = ["backups", "retention"]
