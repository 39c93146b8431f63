"""The files that declare the kernel's pages, in one list. Apps import theirs from their own `register_all`."""

from __future__ import annotations

from django.urls import URLPattern

from opsconsole.pages import base


def patterns() -> list[URLPattern]:
    """Every page of the kernel and of the apps."""
    from opsconsole.pages import (  # noqa: F401  (they declare)
        account,
        approvals,
        audit,
        dashboard,
        database_forms,
        databases,
        decisions,
        environments,
        operations,
        packs,
        people,
        policies,
        requests,
        schedules,
        system,
        tokens,
    )

    return base.routes()
