"""A change of whom this console believes: the key by which another console signs what it stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsconsole import audit
from opsconsole.changes.base import Change, Draft
from opsconsole.changes.values import text
from opsconsole.clock import now
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Operation, OwnerGroup, TrustedKey
from opsconsole.plans import Effect
from opsconsole.verify_audit import parse_key


class TrustKey(Change):
    """Believe what another console has signed. `line` is a line of its `keys/manifest.pub`."""

    name = "key.trust"
    label = "Trust the key of another console"
    fields = ("line", "label")

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        label = text(parameters, "label")[:120]
        try:
            key = parse_key(text(parameters, "line"))
        except ValueError:
            raise Usage(
                "bad_key", "That is no public key of a console.", "Give a line of its file keys/manifest.pub."
            ) from None
        if TrustedKey.objects.filter(key_id=key.key_id).exists():
            raise Refused("nothing_to_change", f"The key {key.key_id} is trusted already.", "There is nothing to do.")
        return Draft(
            summary=f"What the key {key.key_id} ({label}) has signed is believed, and may be adopted and restored.",
            parameters={"line": key.line(), "label": label},
            effects=(Effect(object=f"key {key.key_id}", action="created", note=label),),
            facts=(f"trusted_key/{key.key_id}",),
            owner_groups=tuple(OwnerGroup.objects.values_list("name", flat=True)),
            risk="high",
            risk_reasons=("Whoever holds that key decides what a restore of such a backup brings in.",
                          "Compare the key's id with what the other console says: `manage.py keys status` there."),
            way_back="None by itself; the backups that it signed can be removed.",
        )  # fmt: skip

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        key = parse_key(parameters["line"])
        TrustedKey.objects.create(
            key_id=key.key_id, line=parameters["line"], label=parameters["label"], trusted_at=now(),
            changed_by=operation,
        )  # fmt: skip
        told = {"key": key.key_id, "label": parameters["label"]}
        audit.record("key.trusted", operation=operation, subject=f"{key.key_id} ({parameters['label']})", data=told)
        return {"key": key.key_id}
