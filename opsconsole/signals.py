"""What the kernel does when Django says that it has migrated (logins: see logins.py)."""

from __future__ import annotations

from django.core.checks import Tags, register
from django.db.models.signals import post_migrate, pre_migrate


def connect() -> None:
    """Called once when Django starts."""
    from opsconsole import audit
    from opsconsole.triggers.checks import check_guards

    register(check_guards, Tags.database)
    pre_migrate.connect(audit.before_migrate, dispatch_uid="opsconsole.guards.before")
    post_migrate.connect(audit.after_migrate, dispatch_uid="opsconsole.guards.after")
