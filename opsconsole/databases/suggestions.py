"""Which environment a URL looks like, so that a contradiction can be warned about before it costs data."""

from __future__ import annotations

import re
from dataclasses import dataclass

from opsconsole.models import Environment

_SIGNS: dict[str, frozenset[str]] = {
    "production": frozenset({"prod", "production", "prd", "live"}),
    "staging": frozenset({"staging", "stage", "stg", "preprod", "preview", "uat"}),
    "testing": frozenset({"test", "testing", "tests", "ci", "qa"}),
    "demo": frozenset({"demo", "sandbox", "showcase"}),
    "development": frozenset({"dev", "devel", "development", "local"}),
}
_LOCAL_HOST = re.compile(r"//(?:[^@/]*@)?(?:localhost|127\.[\d.]+|\[::1\])(?=[:/?]|$)")


@dataclass(frozen=True)
class Suggestion:
    """The likely environment (a name that ships) and the word that says so."""

    environment: str
    sign: str


def suggest(display: str, name: str = "") -> Suggestion | None:
    """The environment that a database's name and its URL (without secrets) look like; None when they say nothing.

    The console's own name for it counts first, then the database's name and folder, then the host, and last that the
    host is this machine.
    """
    place, _, path = display.partition("://")[2].split("?")[0].partition("/")
    near = "/".join(path.split("/")[-2:])  # a file's folder says more than the path to it
    for text in (name, near, place.rpartition("@")[2]):
        if found := _first_sign(text):
            return found
    return Suggestion("development", "this machine") if _LOCAL_HOST.search(display) else None


def contradictions(display: str, name: str, chosen: Environment) -> list[str]:
    """Loud warnings when the chosen environment is not what the name and the URL look like."""
    likely = suggest(display, name)
    if likely is None or likely.environment == chosen.name:
        return []
    if likely.environment == "production" and not chosen.protected:
        return [
            f"THIS LOOKS LIKE PRODUCTION ({likely.sign!r}), but {chosen.label} is not protected: "
            "nobody else would be asked before it is overwritten."
        ]
    if likely.sign == "this machine":
        return []  # a tunnel or a single-machine installation: too common to cry wolf
    return [f"This looks like {likely.environment} ({likely.sign!r}), but {chosen.label} was chosen."]


def _first_sign(text: str) -> Suggestion | None:
    words = re.split(r"[^a-z]+", text.lower())
    for environment, signs in _SIGNS.items():
        if sign := next((word for word in words if word in signs), ""):
            return Suggestion(environment, sign)
    return None
