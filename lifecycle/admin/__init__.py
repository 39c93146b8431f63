"""Admin classes, thin and read-only: one noun a module."""

from lifecycle.admin import backups

__all__ = ["backups"]
