"""Packs: what one project needs of the console, as data. Apps say which sections they understand."""

from opsconsole.packs.registry import Lines, Loaded, Loader, Outlook, Section, contents, register_loader
from opsconsole.packs.shelf import every, get
from opsconsole.packs.values import Pack

__all__ = [
    "Lines",
    "Loaded",
    "Loader",
    "Outlook",
    "Pack",
    "Section",
    "contents",
    "every",
    "get",
    "register_loader",
]
