"""The exact bytes of a report: what its digest is over, and what is handed out as JSON.

They are canonical JSON (RFC 8785) of everything that a reader is told, made piece by piece, so that memory stays the
same however many findings there are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from integrity.models import Finding, Report
from opsconsole.audit.stamps import moment
from opsconsole.plans import canonical_json

FORMAT = 1
TOLD = (
    "fingerprint", "check_name", "subject", "table", "severity", "category", "sentence", "count", "of", "margin",
    "sample", "query", "why", "next_step", "proposals", "rule", "failed", "is_new",
)  # fmt: skip


def digest(row: Report, findings: Iterable[Finding]) -> str:
    """`sha256:` over the bytes, which the event of the report holds as well."""
    total = hashlib.sha256()
    for piece in pieces(row, findings):
        total.update(piece)
    return f"sha256:{total.hexdigest()}"


def pieces(row: Report, findings: Iterable[Finding]) -> Iterator[bytes]:
    """The bytes, in order."""
    head = _head(row)
    for place, key in enumerate(sorted((*head, "findings"))):
        yield (b"," if place else b"{") + canonical_json(key) + b":"
        if key != "findings":
            yield canonical_json(head[key])
            continue
        yield b"["
        for number, finding in enumerate(findings):
            yield (b"," if number else b"") + canonical_json(told(finding))
        yield b"]"
    yield b"}"


def told(finding: Finding) -> dict[str, Any]:
    """One finding."""
    return {**{name: getattr(finding, name) for name in TOLD}, "since": moment(finding.since)}


def _head(row: Report) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "report": row.operation_id,
        "database": row.database_id,
        "name": row.database.name,
        "started_at": moment(row.started_at),
        "finished_at": moment(row.finished_at),
        "mode": row.mode,
        "category": row.category,
        "rule": row.rule,
        "held": row.held,
        "fixed": row.fixed,
        "gone": row.gone,
        "carried": row.carried,
        "tables": row.tables,
        **({"off": row.off} if row.off else {}),  # reports from before rules could be switched off have other bytes
    }
