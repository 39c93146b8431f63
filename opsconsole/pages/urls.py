"""The files that declare the kernel's pages, in one list. Apps import theirs from their own `register_all`."""

from __future__ import annotations

from django.urls import URLPattern

from opsconsole.pages import base


def patterns() -> list[URLPattern]:
    """Every page of the kernel and of the apps."""
    from opsconsole.pages import account, approvals, dashboard, decisions, operations, requests  # noqa: F401  (they declare)

    return base.routes()
