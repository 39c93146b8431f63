"""What unfold is told: names, colours, the sidebar. Only data and dotted names, so that the settings may import it."""

from __future__ import annotations

from typing import Any

TEAL = {
    "50": "oklch(98.4% .014 180.72)",
    "100": "oklch(95.3% .051 180.80)",
    "200": "oklch(91% .096 180.43)",
    "300": "oklch(85.5% .138 181.07)",
    "400": "oklch(77.7% .152 181.91)",
    "500": "oklch(70.4% .14 182.5)",
    "600": "oklch(47% .09 186)",
    "700": "oklch(43.7% .078 188.22)",
    "800": "oklch(38.6% .063 188.42)",
    "900": "oklch(33% .055 190)",
    "950": "oklch(27.7% .046 192.52)",
}  # 600 carries white text and links on white: darker than Tailwind's, for contrast

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Ops Console",
    "SITE_HEADER": "Ops Console",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "opsconsole.theme.favicon"}],
    "STYLES": ["opsconsole.theme.style"],
    "SCRIPTS": ["opsconsole.theme.script"],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "COLORS": {"primary": TEAL},
    "BORDER_RADIUS": "7px",
    "ACCOUNT": {"navigation": [{"title": "Change my password", "link": "/password/"}]},
    "SIDEBAR": {"show_search": False, "navigation": "opsconsole.pages.navigation.sidebar"},
}


def style(_request: object) -> str:
    """The address of our style sheet."""
    return _static("opsconsole/console.css")


def script(_request: object) -> str:
    """The address of our script."""
    return _static("opsconsole/console.js")


def favicon(_request: object) -> str:
    """The address of our icon."""
    return _static("opsconsole/favicon.svg")


def _static(name: str) -> str:
    from django.templatetags.static import static  # not before the settings are whole

    return static(name)
