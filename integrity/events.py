"""What this app records in the audit history."""

from __future__ import annotations

from opsconsole.audit.catalogue import EventType, event
from opsconsole.audit.reconciliation import Witnessed

REPORTS = Witnessed(
    model="integrity.Report",
    type="integrity.checked",
    fields=(("operation_id", "report"), ("content_sha256", "content"), ("critical", "critical")),
)

RULES = Witnessed(
    model="integrity.Rule",
    type="rule.set",
    fields=(
        ("id", "rule"), ("name", "name"), ("kind", "kind"), ("severity", "severity"), ("threshold", "threshold"),
        ("off", "off"),
    ),
    later=frozenset({"off"}),
)  # fmt: skip

EVENTS: tuple[EventType, ...] = (
    event(
        "integrity.checked",
        "{database} was checked: {object}",
        "report content mode critical warning info new_critical",
    ),
    event(
        "integrity.alert",
        "Something critical is new in {database}: {object}",
        "report new_critical findings fingerprints",
    ),
    event("integrity.exported", "{who} downloaded {object} of {database}", "report format samples content"),
    event("health.changed", "{database} is {object}", "to class broken"),
    event(
        "rule.set",
        "The rule {object} of {database} is asked from now on",
        "rule name kind severity threshold off",
        by="off",
        **{"True": "The rule {object} of {database} is switched off: no check asks it"},
    ),
    event("rule.tried", "{who} tried the rule {object} on {database}", "kind words"),
    event("rule.removed", "The rule {object} of {database} is no longer asked as it was", "rule name"),
    event("fix.kept", "What {object} changed is kept for a while", "fix rows expires_at"),
    event("fix.dropped", "What {object} of {database} changed is kept no longer", "fix rows"),
)
