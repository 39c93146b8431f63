"""The table of engines: one database vendor each, found by the scheme of a URL."""

from __future__ import annotations

from opsconsole.engines.base import Address, Engine
from opsconsole.engines.postgresql import PostgresEngine
from opsconsole.engines.sqlite import SqliteEngine
from opsconsole.exceptions import Usage

ENGINES: dict[str, type[Engine]] = {engine.name: engine for engine in (PostgresEngine, SqliteEngine)}
_SCHEMES: dict[str, type[Engine]] = {scheme: engine for engine in ENGINES.values() for scheme in engine.url_schemes}


def engine_class_for(url: str) -> type[Engine]:
    """The engine that a URL's scheme names. Raises Usage with the schemes that there are (never with the URL)."""
    scheme = url.partition(":")[0].strip().lower()
    if ":" not in url or scheme not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in sorted(_SCHEMES))
        raise Usage("unknown_engine", "No engine knows URLs of this kind.", f"Begin the URL with one of: {known}.")
    return _SCHEMES[scheme]


def open_engine(address: Address, session_label: str = "opsconsole") -> Engine:
    """The engine of an address; `session_label` names its sessions (opsconsole/instance.py makes it)."""
    return ENGINES[address.engine](address, session_label=session_label)
