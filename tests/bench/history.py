"""The audit history: how fast events are appended by eight writers, and how fast the chain is verified."""

from __future__ import annotations

from typing import Any


def payload_of(subject: str, at: str = "2026-01-01T00:00:00.000000Z", uid: str = "") -> dict[str, Any]:
    """What a login's event says."""
    return {
        "v": 1, "id": uid, "type": "auth.login", "at": at, "outcome": "ok", "reason": "", "before": "",
        "after": "", "data": {},
        "actor": {"key": "person:1", "kind": "human", "person": 1, "account": 1, "name": "Ada", "auth": "session",
                  "session": ""},
        "source": {"ip": "127.0.0.1", "user_agent": "", "request": "", "host": ""},
        "subject": {"operation": None, "kind": "", "title": "", "database": None, "name": "", "environment": "",
                    "object": subject},
    }  # fmt: skip
