"""Events as sentences: who did what to what, in the words that people use."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opsconsole import kinds
from opsconsole.audit import catalogue
from opsconsole.models import AuditEvent

NOUNS = {"change": "change of the console"}  # of kinds whose name is no noun for people


def describe(event: AuditEvent) -> str:
    """One sentence without its time: "Grace approved the restore of savings (production)"."""
    return sentence(payload_of(event))


def payload_of(event: AuditEvent) -> dict[str, Any]:
    """The stored payload; empty when its bytes are no JSON (verify will say so)."""
    return told_by(bytes(event.payload))


def told_by(payload: bytes) -> dict[str, Any]:
    """What the bytes of a payload say; empty when they are no JSON."""
    try:
        found = json.loads(payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def sentence(payload: Mapping[str, Any]) -> str:
    """The sentence of a payload; a type that nobody lists is named as it is."""
    entry = catalogue.find(str(payload.get("type", "")))
    if entry is None:
        return f"{_who(payload)} recorded {payload.get('type') or 'something unreadable'}"
    data = payload.get("data") or {}
    template = entry.variants.get(str(data.get(entry.by, "")), entry.sentence)
    subject = payload.get("subject") or {}
    words = {
        "who": _who(payload), "what": _what(subject), "database": _place(subject) or "a database",
        "object": subject.get("object") or "something", "reason": payload.get("reason", ""),
    }  # fmt: skip
    return template.format(**words)


def _who(payload: Mapping[str, Any]) -> str:
    actor = payload.get("actor") or {}
    name = actor.get("name")
    if not name:
        return "Somebody"
    if actor.get("kind") == "worker":
        return f"The worker {name}"
    return name if actor.get("person") is not None or actor.get("kind") == "human" else f"{name} (on the server)"


def _what(subject: Mapping[str, Any]) -> str:
    kind = str(subject.get("kind") or "operation")
    noun = NOUNS.get(kind) or kinds.noun(kind)
    if subject.get("title"):
        return f"{noun} “{subject['title']}”"
    place = _place(subject)
    return f"{noun} of {place}" if place else noun


def _place(subject: Mapping[str, Any]) -> str:
    name, environment = subject.get("name", ""), subject.get("environment", "")
    return f"{name} ({environment})" if name and environment else name
