"""Who acts: a frozen value kept in a context variable, so that every event knows it without being told."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opsconsole.models import Account


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who does something, and from where.

    `kind` is human, worker, cli or system; `auth` says how it was proven: session, token, shell or none. Hashes are
    SHA-256 of the user agent and of the session key, never those themselves.
    """

    kind: str
    account_id: int | None = None
    person_id: int | None = None
    name: str = ""
    auth: str = "none"
    ip: str = ""
    user_agent_hash: str = ""
    session_hash: str = ""
    request_id: str = ""
    host: str = ""

    @property
    def key(self) -> str:
        """What the audit is filtered by: `person:12`, `worker:HOST` or `system:OS USER`."""
        if self.person_id is not None:
            return f"person:{self.person_id}"
        return f"{'worker' if self.kind == 'worker' else 'system'}:{self.name}"


_CURRENT: ContextVar[Actor | None] = ContextVar("opsconsole_actor", default=None)


def current() -> Actor:
    """The actor set by the innermost `acting_as`; without one, the operating system's user at a shell."""
    return _CURRENT.get() or _shell()


@contextmanager
def acting_as(actor: Actor) -> Iterator[Actor]:
    """Events recorded inside are the actor's."""
    mark = _CURRENT.set(actor)
    try:
        yield actor
    finally:
        _CURRENT.reset(mark)


def actor_for(account: Account, **source: Any) -> Actor:
    """The actor of a logged-in account; `source` holds further fields of Actor (auth, ip, request_id, ...)."""
    known: dict[str, Any] = {
        "kind": "human", "account_id": account.pk, "person_id": account.person_id, "name": account.person.name,
        "auth": "session", "host": socket.gethostname(),
    }  # fmt: skip
    return Actor(**known | source)


@cache
def _shell() -> Actor:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        user = "unknown"
    return Actor(kind="system", name=user, auth="shell", host=socket.gethostname())
