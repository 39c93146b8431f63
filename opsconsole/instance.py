"""Which console this is: a random id kept in its home folder, so that two consoles at one target can be told apart."""

from __future__ import annotations

from django.conf import settings

from opsconsole.secrets import home_secret


def session_label(operation_id: int, fence: int) -> str:
    """The name of an operation's sessions and locks in a target, which no other console gives to its own."""
    return f"opsconsole/{instance_id()}/{operation_id}/{fence}"


def instance_id() -> str:
    """16 characters, the same for the life of this console's home folder. It is no secret."""
    return home_secret(settings.OPSCONSOLE_HOME, "instance")[:16]
