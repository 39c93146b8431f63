"""How findings look everywhere. `{% load findings %}`."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from integrity.checks.base import Severity
from opsconsole.templatetags.console import badge

register = template.Library()
SIGNS = {
    Severity.CRITICAL: ("critical", "red", "error"),
    Severity.WARNING: ("warning", "amber", "warning"),
    Severity.INFO: ("to know", "grey", "info"),
}


@register.filter
def severity(value: str) -> SafeString:
    """The pill of a severity."""
    return badge(*SIGNS[Severity(value)])
