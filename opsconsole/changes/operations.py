"""Changes of operations: how one ended of which nobody can tell, on a protected database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opsconsole.changes.base import Change, Draft
from opsconsole.changes.values import text
from opsconsole.exceptions import Refused, Usage
from opsconsole.models import Account, Operation
from opsconsole.permissions import can
from opsconsole.plans import Effect
from opsconsole.states import State
from opsconsole.transitions import move

OUTCOMES = (State.SUCCEEDED, State.FAILED)


class Settle(Change):
    """Decide how an indeterminate operation ended; whatever protects its databases must agree."""

    name = "operation.settle"
    label = "Settle an operation"
    fields = ("operation", "outcome", "reason")
    free_at_first = False  # it is about data, not about setting the console up

    def draft(self, parameters: Mapping[str, Any]) -> Draft:
        settled = _indeterminate(int(text(parameters, "operation")))
        outcome, reason = text(parameters, "outcome"), text(parameters, "reason")
        if outcome not in OUTCOMES:
            raise Usage("bad_value", f"{outcome!r} is no outcome.", f"Use one of: {', '.join(OUTCOMES)}.")
        targets = settled.targets.select_related("database__owner_group")
        return Draft(
            summary=f"Operation {settled.id} ({settled}) counts as {outcome}: {reason}",
            parameters={"operation": settled.id, "outcome": outcome, "reason": reason},
            effects=(Effect(object=f"operation {settled.id}", action="replaced", note=f"indeterminate → {outcome}"),),
            facts=(f"operation/{settled.id}",),
            owner_groups=tuple(sorted({target.database.owner_group.name for target in targets})),
            databases=tuple(sorted({target.database_id for target in targets})),
            risk="medium",
            risk_reasons=("What is recorded here cannot be changed afterwards.",),
            way_back="None: an ended operation stays as it ended.",
        )

    def refuse_strangers(self, account: Account | None, draft: Draft) -> None:
        """Whoever may ask for operations on its database may also ask to settle one."""
        settled = _indeterminate(draft.parameters["operation"])
        if account is not None and not can(account, "request", settled):
            raise Refused(
                "not_allowed",
                "Your role does not let you settle this operation.",
                "Ask an engineer of its owner group.",
            )

    def carry_out(self, operation: Operation, parameters: Mapping[str, Any]) -> dict[str, Any]:
        settled = _indeterminate(parameters["operation"])
        told = {"evidence": f"operation {operation.id}"}
        outcome, reason = State(parameters["outcome"]), parameters["reason"]
        move(settled, outcome, frm=[State.INDETERMINATE], event="op.resolved", reason=reason, data=told)
        return {"operation": settled.id, "outcome": parameters["outcome"]}


def _indeterminate(number: int) -> Operation:
    found = Operation.objects.filter(pk=number).first()
    if found is None or found.state != State.INDETERMINATE:
        raise Refused(
            "not_indeterminate",
            f"Operation {number} is not one of which nobody can tell how it ended.",
            "Look at its page.",
        )
    return found
