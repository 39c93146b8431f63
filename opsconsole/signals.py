"""What the kernel does when Django says that something happened: migrations, logins."""

from __future__ import annotations

from django.db.models.signals import post_migrate


def connect() -> None:
    """Called once when Django starts."""
    from opsconsole import triggers

    post_migrate.connect(triggers.install_after_migrate, dispatch_uid="opsconsole.triggers")
