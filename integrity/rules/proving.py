"""Whether the rules that are not asked any more were taken away by the changes that history tells of."""

from __future__ import annotations

from integrity.models import Rule
from opsconsole import verify_audit
from opsconsole.audit.told import data_of
from opsconsole.models import AuditEvent

AT_ONCE = 500


def compare(told: verify_audit.Report) -> None:
    """Add a finding for every rule that went, or came back, without its event."""
    events = AuditEvent.objects.filter(type="rule.removed").order_by("id").values_list("operation_id", "payload")
    removed = {data_of(payload).get("rule"): operation for operation, payload in events.iterator(chunk_size=AT_ONCE)}
    for number, name, by in Rule.objects.order_by("pk").values_list("pk", "name", "replaced_by").iterator(AT_ONCE):
        if removed.get(number) != by:
            ended = "is not asked any more" if by else "is asked again"
            told.add("rule", f"rule {number}", f"{name} {ended}, and no event tells of it.")
